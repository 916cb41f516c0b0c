"""Specialty sets: which notes are scored, which are relevant to each other, what is left out and counted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray

MINIMUM_NOTES = 3
"""A specialty with fewer scored notes gets no figure of its own."""


@dataclass(frozen=True)
class LabelMatrix:
    """Specialty sets as an incidence matrix.

    Attributes
    ----------
    names
        the specialties, sorted, one per column.
    membership
        float64 [n, m], 1.0 where the note carries the specialty; float64 because it only ever enters matrix products.
    """

    names: tuple[str, ...]
    membership: FloatArray

    def frequent(self, minimum_notes: int) -> tuple[int, ...]:
        """Columns of the specialties that at least `minimum_notes` notes carry."""
        return tuple(int(column) for column in np.flatnonzero(self.membership.sum(axis=0) >= minimum_notes))


def label_matrix(specialties: Sequence[Collection[str] | None]) -> LabelMatrix:
    """Turn one collection of specialty names per note into a `LabelMatrix`; None counts as the empty set.

    Raises
    ------
    EvaluationError
        a plain string where a collection of names belongs.
    """
    sets: list[frozenset[str]] = []
    for row, names in enumerate(specialties):
        if isinstance(names, str):
            raise EvaluationError(
                f"specialties, row {row}: expected a collection of specialty names, got one string. "
                "Wrap a single specialty in a list."
            )
        sets.append(frozenset(() if names is None else names))
    ordered = tuple(sorted(frozenset().union(*sets)))
    column_of = {name: column for column, name in enumerate(ordered)}
    membership = np.zeros((len(sets), len(ordered)), dtype=np.float64)
    for row, labels in enumerate(sets):
        membership[row, [column_of[name] for name in labels]] = 1.0
    return LabelMatrix(names=ordered, membership=membership)


def jaccard(queries: FloatArray, candidates: FloatArray) -> FloatArray:
    """Jaccard index of every query's specialty set with every candidate's: |A and B| / |A or B|.

    Two notes are relevant to each other where it is above zero; its value is the graded relevance.

    Parameters
    ----------
    queries
        [q, m] membership rows.
    candidates
        [c, m] membership rows.

    Returns
    -------
    FloatArray
        float64 [q, c] in [0, 1]; 0 where both sets are empty.

    Reference: P. Jaccard, "The distribution of the flora in the alpine zone", New Phytologist 11 (1912).
    """
    shared = queries @ candidates.T
    union = queries.sum(axis=1)[:, None] + candidates.sum(axis=1)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def set_gains(membership: FloatArray) -> Callable[[IntArray], FloatArray]:
    """Notes, by number, -> the Jaccard index of their sets with those of all notes, float64 [those, n], a fresh array.

    Parameters
    ----------
    membership
        float64 [n, m] specialty sets. There are far fewer different ones than notes.
    """
    sets, set_of = np.unique(membership, axis=0, return_inverse=True)
    numbers = set_of.reshape(-1)
    return lambda notes: np.take(jaccard(membership[notes], sets), numbers, axis=1)


def notes_with_relevant(membership: FloatArray) -> BoolArray:
    """Which notes share a specialty with at least one other note. bool [n]."""
    return np.asarray((membership * (membership.sum(axis=0) >= 2)).any(axis=1))


def notes_with_irrelevant(membership: FloatArray) -> BoolArray:
    """Which notes share no specialty with at least one other note. bool [n].

    Runs over the different sets rather than over the pairs of notes: there are few of them.
    """
    if not len(membership):
        return np.zeros(0, dtype=np.bool_)
    sets, set_of = np.unique(membership, axis=0, return_inverse=True)
    return np.asarray((sets @ sets.T == 0).any(axis=1)[set_of.reshape(-1)])


@dataclass(frozen=True)
class EvaluationCounts:
    """What was scored and what was left out of the figures.

    Attributes
    ----------
    notes_scored
        notes with at least one specialty.
    notes_without_specialty
        notes embedded and mapped, but neither query nor candidate.
    queries_without_relevant
        scored notes that share no specialty with another one; they stay candidates but are left out of the retrieval
        averages.
    small_specialties
        name -> number of scored notes, for specialties without figures of their own.
    """

    notes_scored: int
    notes_without_specialty: int
    queries_without_relevant: int
    small_specialties: dict[str, int]


def evaluation_counts(
    specialties: Sequence[Collection[str] | None], *, minimum_notes: int = MINIMUM_NOTES
) -> EvaluationCounts:
    """Count what `metrics_table` scores and leaves out, given the same specialties and `minimum_notes`."""
    labels = label_matrix(specialties)
    scored = labels.membership.any(axis=1)
    sizes = labels.membership.sum(axis=0).astype(int)
    return EvaluationCounts(
        notes_scored=int(scored.sum()),
        notes_without_specialty=int((~scored).sum()),
        queries_without_relevant=int((scored & ~notes_with_relevant(labels.membership)).sum()),
        small_specialties={
            name: int(size) for name, size in zip(labels.names, sizes, strict=True) if size < minimum_notes
        },
    )


class HeldOutNotes(NamedTuple):
    """Test notes that the model has truly never seen, sorted, and how many test notes were set aside."""

    note_ids: list[str]
    excluded: int


def held_out_notes(
    splits: Mapping[str, str],
    groups: Mapping[str, str],
    trained_note_ids: Iterable[str],
    *,
    split: str = "test",
) -> HeldOutNotes:
    """Test notes of which no note of their group was trained on.

    A note that arrives after training can join a trained note's group and pull it into the test split; to score the
    older checkpoint on that group would measure memory.

    Parameters
    ----------
    splits
        note_id -> split.
    groups
        note_id -> group, for every note of `splits`, and for notes trained on whose text is gone.
    trained_note_ids
        the notes that the checkpoint learnt from; those without a group exclude nothing.
    split
        the split to score.

    Raises
    ------
    EvaluationError
        a note of the split has no group.
    """
    candidates = sorted(note_id for note_id, name in splits.items() if name == split)
    missing = [note_id for note_id in candidates if note_id not in groups]
    if missing:
        raise EvaluationError(
            f"groups: {len(missing)} of {len(candidates)} notes of split '{split}' have no "
            f"group (first: {missing[0]}). Materialize cleaned_notes and note_splits together."
        )
    trained = {groups[note_id] for note_id in trained_note_ids if note_id in groups}
    kept = [note_id for note_id in candidates if groups[note_id] not in trained]
    return HeldOutNotes(note_ids=kept, excluded=len(candidates) - len(kept))
