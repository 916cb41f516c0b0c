"""Lakes to measure on: of many notes whose vectors are made up, by the bundled model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa

from medembed_pipeline.encoder import EncoderSpec, encoder_fingerprint
from medembed_pipeline.lake.fingerprint import file_sha256
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe, vector_column
from medembed_pipeline.training.checkpoints import FOLDER, MANIFEST, Checkpoint, checkpoint_of, point_to
from medembed_pipeline.verdict.released import put_back
from medembed_pipeline_tests.encoder.small_models import WORDS

VERSION = "bench"
_TOPICS = 40


def big_lake(folder: Path, notes: int) -> tuple[Lake, Checkpoint, Path]:
    """A released checkpoint that is the bundled model, and notes with vectors around a few topics.

    Returns
    -------
    tuple[Lake, Checkpoint, Path]
        The lake, the checkpoint, and a file with the vectors, for `plain`.
    """
    from medembed_pipeline.encoder.folder import save_encoder
    from medembed_pipeline.encoder.model import load_encoder

    lake = Lake(str(folder / "lake"))
    with lake.staged_folder(FOLDER, VERSION, last=MANIFEST) as staged:
        save_encoder(load_encoder(EncoderSpec(), device="cpu", precision="float32"), staged)
        files = {
            path.relative_to(staged).as_posix(): file_sha256(path)
            for path in staged.rglob("*")
            if path.is_file()
        }
        (staged / MANIFEST).write_text(json.dumps({"files": files, "version": VERSION}))
    checkpoint = checkpoint_of(lake, VERSION)
    point_to(lake, checkpoint, Recipe("finetuned_checkpoint", "1", {}, {}))
    put_back(lake, VERSION)
    random = np.random.default_rng(11)
    topics = random.normal(size=(_TOPICS, 384))
    rows = topics[random.integers(0, _TOPICS, notes)] + 1.5 * random.normal(size=(notes, 384))
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    ids = [f"{number:032x}" for number in range(notes)]
    cleaned = pa.table(
        {
            "note_id": ids,
            "text": [f"note {number} {' '.join(random.choice(WORDS, 40))}" for number in range(notes)],
            "specialties": pa.array(
                [[f"Topic {number % _TOPICS}"] for number in range(notes)], pa.list_(pa.string())
            ),
            "source_rows": pa.array([[one] for one in ids], pa.list_(pa.string())),
        }
    )
    settings = {"CleaningSettings": {"redact": False}}
    notes_version = lake.write_table(Recipe("cleaned_notes", "1", settings, {}), cleaned).data_version
    inputs = {
        "cleaned_notes": notes_version,
        "finetuned_checkpoint": checkpoint.data_version,
        "model": encoder_fingerprint(checkpoint.encoder_spec("cut"), precision="float32"),
    }
    table = pa.table({"note_id": ids, "embedding": vector_column(vectors)})
    lake.write_table(Recipe("tuned_embeddings", "1", {}, inputs), table, facts={"precision": "float32"})
    file = folder / "vectors.npy"
    np.save(file, vectors)
    return lake, checkpoint, file


def questions(words: int = 140) -> Iterator[dict[str, object]]:
    """Notes that no lake holds, each of more than 128 tokens, all different."""
    random = np.random.default_rng(12)
    for number in count():
        yield {"texts": [f"question {number} {' '.join(random.choice(WORDS, words))}"], "hits": 10}
