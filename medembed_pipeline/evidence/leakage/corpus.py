"""The notes of the lake as the leakage estimate sees them: trained on, held out, and the rows that landed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medembed_pipeline.evaluation.jackknife import group_numbers
from medembed_pipeline.evaluation.neighbors import sorted_order
from medembed_pipeline.evaluation.relevance import LabelMatrix, label_matrix
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray, unit_rows
from medembed_pipeline.evidence.leakage.simulation import LandedRows, LeakageError, landed_rows


@dataclass(frozen=True)
class LeakNotes:
    """The notes with a specialty, sorted by id, and what the checkpoint knows of them. Made by `leak_notes`.

    Attributes
    ----------
    note_ids
        n ids.
    labels
        their specialty sets.
    groups
        int64 [n], number of the group: near-duplicates, and a patient's notes where patients are known.
    near_duplicates
        int64 [n], number of the group by near-duplicates alone.
    rows
        the corpus as rows of one label.
    vectors
        float64 [n, d] unit rows by model, `baseline` and `tuned`.
    trained
        bool [n], the checkpoint was trained on the note.
    seen
        bool [n], it was trained on the note or another of its group.
    held_out
        bool [n], scored by `embedding_metrics`.
    """

    note_ids: list[str]
    labels: LabelMatrix
    groups: IntArray
    near_duplicates: IntArray
    rows: LandedRows
    vectors: dict[str, FloatArray]
    trained: BoolArray
    seen: BoolArray
    held_out: BoolArray
    patients_known: bool


def leak_notes(
    note_ids: Sequence[str],
    baseline: npt.ArrayLike,
    tuned: npt.ArrayLike,
    specialties: Sequence[Collection[str]],
    document_types: Sequence[Collection[str]],
    groups: Sequence[str],
    *,
    trained: Collection[str],
    held_out: Collection[str],
    trained_groups: Collection[str] = (),
    near_duplicates: Sequence[str] | None = None,
) -> LeakNotes:
    """Sort the notes by id, drop those without a specialty, and mark what was trained on.

    Parameters
    ----------
    note_ids
        n different ids, in any order.
    baseline
        [n, d], L2-normalised.
    tuned
        [n, e], likewise.
    specialties
        per note, empty where it has none.
    document_types
        per note.
    groups
        per note; near-duplicates share one, and so do the notes of a patient.
    trained
        ids that the checkpoint was trained on; ids that are no longer in the corpus are ignored.
    held_out
        ids that are scored as never seen.
    trained_groups
        groups of notes that the checkpoint was trained on and whose text is gone.
    near_duplicates
        per note, the group by near-duplicates alone, where patients are known; None where not.

    Raises
    ------
    LeakageError
        inputs of different lengths, or a held-out note that was seen.
    EvaluationError
        an id twice, or vectors that are not of unit length.
    """
    for name, size in (
        ("baseline", len(np.asarray(baseline))),
        ("tuned", len(np.asarray(tuned))),
        ("specialties", len(specialties)),
        ("document_types", len(document_types)),
        ("groups", len(groups)),
    ):
        if size != len(note_ids):
            raise LeakageError(f"{name}: {size} entries for {len(note_ids)} notes; expected one per note.")
    trained, held_out = set(trained), set(held_out)
    of_corpus = {group for note, group in zip(note_ids, groups, strict=True) if note in trained}
    trained_groups = {*trained_groups, *of_corpus}
    order = [row for row in sorted_order(note_ids, rows=len(note_ids)).tolist() if specialties[row]]
    labels = label_matrix([specialties[row] for row in order])
    seen = np.array([groups[row] in trained_groups for row in order], dtype=np.bool_)
    is_held_out = np.array([note_ids[row] in held_out for row in order], dtype=np.bool_)
    wrong = np.flatnonzero(seen & is_held_out)
    if len(wrong):
        raise LeakageError(
            f"held_out: the checkpoint was trained on {len(wrong)} of the held-out notes or on one of their group "
            f"(first: {note_ids[order[int(wrong[0])]]}); expected none. Materialize embedding_metrics again."
        )
    return LeakNotes(
        note_ids=[note_ids[row] for row in order],
        labels=labels,
        groups=group_numbers([groups[row] for row in order]),
        near_duplicates=group_numbers([(near_duplicates or groups)[row] for row in order]),
        rows=landed_rows(
            [sorted(specialties[row]) for row in order],
            [sorted(document_types[row]) for row in order],
            labels.names,
        ),
        vectors={
            name: unit_rows(np.asarray(matrix)[order], name=f"{name} embeddings")
            for name, matrix in (("baseline", baseline), ("tuned", tuned))
        },
        trained=np.array([note_ids[row] in trained for row in order], dtype=np.bool_),
        seen=seen,
        held_out=is_held_out,
        patients_known=near_duplicates is not None,
    )
