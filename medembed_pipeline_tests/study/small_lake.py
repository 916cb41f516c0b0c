"""A lake with what the study of the recipe reads: notes of every split, triplets, and the base model's vectors."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe, vector_column
from medembed_pipeline.training import TrainingData
from medembed_pipeline_tests.training.small_corpus import make_data

TEST_NOTES = [f"test{number:03}" for number in range(20)]
SECRET = "zanzibarium"


def fill(lake: Lake, *, test_word: str = SECRET) -> TrainingData:
    """Write the tables; every test note holds `test_word`, and no other note does."""
    data = make_data()
    texts = {**data.texts, **{note: f"chest {test_word} pain {note}" for note in TEST_NOTES}}
    notes = sorted(texts)
    validation = set(data.validation_ids)
    cleaned = lake.write_table(
        Recipe("cleaned_notes", "1", {}, {}),
        pa.table(
            {
                "note_id": notes,
                "text": [texts[note] for note in notes],
                "specialties": pa.array(
                    [list(data.specialties.get(note, ["Cardiology"])) for note in notes],
                    pa.list_(pa.string()),
                ),
            }
        ),
    )
    splits = ["test" if n in TEST_NOTES else "validation" if n in validation else "train" for n in notes]
    lake.write_table(Recipe("note_splits", "1", {}, {}), pa.table({"note_id": notes, "split": splits}))
    rows = [
        {"anchor_id": a, "positive_id": p, "negative_id": n, "split": split}
        for split, triplets in (("train", data.train_triplets), ("validation", data.validation_triplets))
        for a, p, n in triplets
    ]
    lake.write_table(
        Recipe("triplets", "1", {}, {"cleaned_notes": cleaned.data_version}), pa.Table.from_pylist(rows)
    )
    lake.write_table(
        Recipe("baseline_embeddings", "1", {}, {}),
        pa.table({"note_id": notes, "embedding": vector_column(np.ones((len(notes), 32), np.float32))}),
        facts={"precision": "float32"},
    )
    return data
