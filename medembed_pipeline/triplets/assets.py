"""The asset `triplets`."""

from typing import Any

import dagster as dg
import numpy as np

from medembed_pipeline.lake.publishing import (
    AssetIO,
    Built,
)
from medembed_pipeline.lake.tables import LakeTable, vectors
from medembed_pipeline.settings import load_settings
from medembed_pipeline.stage import stage
from medembed_pipeline.triplets import REVISION
from medembed_pipeline.triplets.sampling import LabelledNotes
from medembed_pipeline.triplets.settings import TripletSettings
from medembed_pipeline.triplets.table import TRIPLETS_SCHEMA, triplets_table

SETTINGS = load_settings()


@stage(
    group="training",
    inputs=["cleaned_notes", "note_splits", "baseline_embeddings"],
    one_row="one triplet",
    schema=TRIPLETS_SCHEMA,
    revision=REVISION,
    settings=SETTINGS.triplets,
    kinds=["numpy"],
)
def triplets(work: AssetIO, settings: TripletSettings) -> dg.MaterializeResult[Any]:
    """Anchor, positive, negative: of train and validation notes, by shared specialty and baseline similarity."""
    notes, splits = work.input("cleaned_notes"), work.input("note_splits")
    baseline = work.input("baseline_embeddings")
    return work.publish(lambda: make_triplets(notes, splits, baseline, settings), TRIPLETS_SCHEMA)


def make_triplets(
    notes: LakeTable, splits: LakeTable, baseline: LakeTable, settings: TripletSettings
) -> Built:
    """Draw the triplets of the train and the validation notes."""
    table = notes.read(["note_id", "specialties"])
    split_of = dict(zip(splits.strings("note_id"), splits.strings("split"), strict=True))
    group_of = dict(zip(splits.strings("note_id"), splits.strings("group"), strict=True))
    embedded = baseline.read()
    row_of = {note_id: row for row, note_id in enumerate(embedded.column("note_id").to_pylist())}
    matrix = vectors(embedded.column("embedding"))
    ids: list[str] = table.column("note_id").to_pylist()
    specialties = [frozenset(names) for names in table.column("specialties").to_pylist()]
    groups = [group_of[note_id] for note_id in ids]

    by_split = {}
    for name in ("train", "validation"):
        members = [row for row, note_id in enumerate(ids) if split_of[note_id] == name]
        by_split[name] = LabelledNotes(
            [ids[row] for row in members],
            matrix[np.array([row_of[ids[row]] for row in members], dtype=np.int64)],
            [specialties[row] for row in members],
            [groups[row] for row in members],
        )
    return triplets_table(
        by_split,
        {"train": settings.train_triplets, "validation": settings.validation_triplets},
        strategy=settings.strategy,
        minimum_specialty_notes=settings.minimum_specialty_notes,
        seed=settings.seed,
    )
