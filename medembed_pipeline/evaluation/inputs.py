"""What the assets of evaluation, evidence and verdict read alike: the held-out notes, and vectors by note id."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from medembed_pipeline.evaluation.relevance import HeldOutNotes, held_out_notes
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.publishing import AssetIO, Built
from medembed_pipeline.lake.tables import LakeTable, vectors
from medembed_pipeline.notes.memory import remembered_groups
from medembed_pipeline.notes.splits import ALL_NOTES
from medembed_pipeline.training.checkpoints import Checkpoint, checkpoint_behind

MODELS = ("baseline", "tuned")
TEST = "test"

WHY_EMPTY = "why_empty"
"""Fact of a table that has nothing to say: the reason."""
NO_LABELS = "no held-out note has a specialty"


@dataclass(frozen=True)
class HeldOut:
    """What is scored: the test notes that the checkpoint has not seen; where nothing was held out, all notes.

    Attributes
    ----------
    split
        `test`, or `ALL_NOTES`.
    note_ids
        their ids, sorted.
    specialties
        a set per note, empty where it has none.
    groups
        a group per note, the unit of sampling (`note_splits.group`).
    excluded
        test notes set aside because the checkpoint was trained on a member of their group.
    group_of
        the group of every note of the corpus.
    trained
        ids of the notes that the checkpoint was trained on, those included whose text is gone.
    trained_groups
        groups of the latter, as far as they are remembered.
    """

    split: str
    note_ids: list[str]
    specialties: list[list[str]]
    groups: list[str]
    excluded: int
    group_of: dict[str, str]
    trained: list[str]
    trained_groups: frozenset[str]


def measured_checkpoint(work: AssetIO) -> Checkpoint:
    """The checkpoint that made the tuned vectors, noted as an input."""
    checkpoint = checkpoint_behind(work.lake, work.input("tuned_embeddings"))
    work.note_input("finetuned_checkpoint", checkpoint.data_version)
    return checkpoint


def held_out(work: AssetIO) -> HeldOut:
    """The scored notes of the lake as it stands.

    A note that the checkpoint was trained on counts also when its text is gone, or was edited since: by the group that
    the memory of notes has for it.
    """
    notes = work.input("cleaned_notes").read(["note_id", "specialties"]).to_pydict()
    splits = work.input("note_splits").read().to_pydict()
    trained = measured_checkpoint(work).trained_note_ids()
    group_of = dict(zip(splits["note_id"], splits["group"], strict=True))
    gone = remembered_groups(work.lake, set(trained) - group_of.keys())
    if gone:
        work.note_input("groups_of_gone_notes", digest(gone))
    specialties_of = dict(zip(notes["note_id"], notes["specialties"], strict=True))
    split_of = dict(zip(splits["note_id"], splits["split"], strict=True))
    split = ALL_NOTES if ALL_NOTES in split_of.values() else TEST
    if split == ALL_NOTES:
        found = HeldOutNotes(sorted(split_of), excluded=0)
    else:
        found = held_out_notes(split_of, {**gone, **group_of}, trained, split=split)
    return HeldOut(
        split,
        found.note_ids,
        [specialties_of[note_id] for note_id in found.note_ids],
        [group_of[note_id] for note_id in found.note_ids],
        found.excluded,
        group_of,
        trained,
        frozenset(gone.values()),
    )


def read_embeddings(table: LakeTable) -> tuple[list[str], np.ndarray]:
    """Ids and vectors float32 [n, d] of an embeddings table."""
    rows = table.read()
    return rows.column("note_id").to_pylist(), vectors(rows.column("embedding"))


def rows_of(table: LakeTable, note_ids: Sequence[str]) -> np.ndarray:
    """Vectors float32 [n, d] of some notes, in their order."""
    ids, matrix = read_embeddings(table)
    row_of = {note_id: row for row, note_id in enumerate(ids)}
    return matrix[np.array([row_of[note_id] for note_id in note_ids], dtype=np.int64)]


def texts_of(notes: LakeTable, note_ids: Sequence[str]) -> list[str]:
    """Texts of some notes, in their order."""
    columns = notes.read(["note_id", "text"]).to_pydict()
    text_of = dict(zip(columns["note_id"], columns["text"], strict=True))
    return [text_of[note_id] for note_id in note_ids]


def explained(built: Built, specialties: Sequence[Collection[str]]) -> Built:
    """What was built, and where it is empty since no note has a specialty, the fact that says so.

    Parameters
    ----------
    built
        a table and its facts.
    specialties
        of the notes that it is about.
    """
    table, facts = built
    if table.num_rows or any(specialties):
        return built
    return table, {**facts, WHY_EMPTY: NO_LABELS}
