"""The notes as a classifier sees them: which labels are predicted, what was learned from, what is judged."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medembed_pipeline.classification.errors import ClassificationError
from medembed_pipeline.classification.scoring import Truth
from medembed_pipeline.evaluation.jackknife import group_numbers
from medembed_pipeline.evaluation.neighbors import sorted_order
from medembed_pipeline.evaluation.relevance import MINIMUM_NOTES
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray

TRAIN, VALIDATION, TEST = "train", "validation", "test"
OUT_OF_FOLD, HELD_OUT, SEEN = "out_of_fold", "held_out", "seen"
"""Where a probability comes from; see `ClassifierNotes.source`."""


MOST_DECIDING_NOTES = 5_000
"""With so many chance moves the coverage of sets of 90% by less than half a point."""


def evenly_spaced(count: int, most: int) -> IntArray:
    """Places from 0 to `count` - 1: all, or `most` of them, evenly spaced. int64."""
    if count <= most:
        return np.arange(count, dtype=np.int64)
    return np.unique(np.linspace(0, count - 1, most).astype(np.int64))


@dataclass(frozen=True)
class ClassifierNotes:
    """All notes, sorted by id. Made by `classifier_notes`.

    Attributes
    ----------
    note_ids
        n ids.
    splits
        of each.
    groups
        int64 [n], numbers from 0.
    labels
        those that are predicted, sorted.
    membership
        float64 [n, labels], 1.0 where the note carries the label.
    outside
        float64 [n], further labels of each note, that are not predicted.
    seen
        bool [n], the checkpoint was trained on the note or another of its group.
    too_rare
        train notes of each label that is not predicted, by name.
    """

    note_ids: list[str]
    splits: list[str]
    groups: IntArray
    labels: list[str]
    membership: FloatArray
    outside: FloatArray
    seen: BoolArray
    too_rare: dict[str, int]

    @property
    def labelled(self) -> BoolArray:
        """bool [n]: which have any label at all."""
        return np.asarray((self.membership.sum(axis=1) + self.outside) > 0)

    def learned_from(self) -> IntArray:
        """Rows of the train notes with a label: what heads are fitted on."""
        train = np.array([split == TRAIN for split in self.splits], dtype=np.bool_)
        return np.flatnonzero(train & self.labelled)

    def judged(self, split: str) -> IntArray:
        """Rows of the notes of a split with a label, of whose group the checkpoint has seen nothing."""
        inside = np.array([own == split for own in self.splits], dtype=np.bool_)
        return np.flatnonzero(inside & self.labelled & ~self.seen)

    def decided_on(self, *, label_free: bool) -> IntArray:
        """Rows of the notes on which calibration, thresholds and sets of a rung are found, in the order of the notes.

        Validation notes; and where the features of the rung never saw a label the train notes as well, of which the
        scores are out of fold: `MOST_DECIDING_NOTES` together at most, these evenly spaced.

        Parameters
        ----------
        label_free
            whether the features of the rung never saw a label.
        """
        judged, learned = self.judged(VALIDATION), self.learned_from()
        if not label_free:
            return judged
        learned = learned[evenly_spaced(len(learned), max(0, MOST_DECIDING_NOTES - len(judged)))]
        return np.sort(np.concatenate([judged, learned]))

    def source(self) -> list[str]:
        """`out_of_fold`: learned from, the probability by a head that was not fitted on its group. `held_out`: neither
        head nor checkpoint learned from its group. `seen`: the checkpoint did, the head did not."""
        learned = set(self.learned_from().tolist())
        return [
            OUT_OF_FOLD if row in learned else SEEN if seen else HELD_OUT
            for row, seen in enumerate(self.seen.tolist())
        ]

    def train_notes(self) -> FloatArray:
        """float64 [labels]: train notes of each label."""
        return np.asarray(self.membership[self.learned_from()].sum(axis=0))

    def truth(self, rows: IntArray, *, minimum_notes: int = MINIMUM_NOTES) -> Truth:
        """What is true of some rows; a label of fewer than `minimum_notes` of them has no figure of its own."""
        member = self.membership[rows]
        return Truth(
            membership=member,
            outside=self.outside[rows],
            groups=group_numbers(self.groups[rows].tolist()),
            scored_labels=np.flatnonzero(member.sum(axis=0) >= minimum_notes),
            train_notes=self.train_notes(),
        )


def classifier_notes(
    note_ids: Sequence[str],
    specialties: Sequence[Collection[str]],
    splits: Mapping[str, str],
    groups: Mapping[str, str],
    *,
    trained: Collection[str],
    trained_groups: Collection[str] = (),
    smallest_label_notes: int,
) -> ClassifierNotes:
    """Sort the notes by id, and see which labels can be predicted.

    Parameters
    ----------
    note_ids
        n different ids, in any order.
    specialties
        per note, empty where it has none.
    splits
        by note id.
    groups
        by note id.
    trained
        ids that the checkpoint was trained on; others than those of the corpus do no harm.
    trained_groups
        groups of notes that it was trained on and whose text is gone.
    smallest_label_notes
        a label with fewer train notes is not predicted.

    Raises
    ------
    ClassificationError
        a note without a split or group.
    EvaluationError
        an id twice.
    """
    missing = [note for note in note_ids if note not in splits or note not in groups]
    if missing:
        raise ClassificationError(
            f"splits: {len(missing)} of {len(note_ids)} notes have no split or group (first: {missing[0]}). "
            "Materialize cleaned_notes and note_splits together."
        )
    order = sorted_order(note_ids, rows=len(note_ids)).tolist()
    ids = [note_ids[row] for row in order]
    sets = [set(specialties[row]) for row in order]
    own_splits = [splits[note] for note in ids]
    counts: dict[str, int] = dict.fromkeys(sorted(set().union(*sets)), 0)
    for names, split in zip(sets, own_splits, strict=True):
        for name in names if split == TRAIN else ():
            counts[name] += 1
    labels = [name for name, count in counts.items() if count >= smallest_label_notes]
    column_of = {name: column for column, name in enumerate(labels)}
    membership, outside = np.zeros((len(ids), len(labels))), np.zeros(len(ids))
    for row, names in enumerate(sets):
        membership[row, [column_of[name] for name in names if name in column_of]] = 1.0
        outside[row] = sum(name not in column_of for name in names)
    known = {groups[note] for note in trained if note in groups}.union(trained_groups)
    return ClassifierNotes(
        ids,
        own_splits,
        group_numbers([groups[note] for note in ids]),
        labels,
        membership,
        outside,
        np.array([groups[note] in known for note in ids], dtype=np.bool_),
        {name: count for name, count in counts.items() if name not in column_of},
    )
