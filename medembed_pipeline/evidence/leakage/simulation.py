"""Splits that leak, drawn on this corpus without training anything: who would have been seen in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.evaluation.vectors import BoolArray, IntArray


class LeakageError(MedembedError):
    """Notes, vectors or parameters that do not fit each other."""


@dataclass(frozen=True)
class LandedRows:
    """The corpus as rows of one label each, the way it landed.

    Attributes
    ----------
    note
        int64 [r], the note of each row, ascending.
    label
        int64 [r], column of the row's specialty, -1 where its label is a document type.
    """

    note: IntArray
    label: IntArray

    @property
    def has_specialty(self) -> BoolArray:
        """bool [r]: rows that can be scored."""
        return np.asarray(self.label >= 0)


def landed_rows(
    specialties: Sequence[Sequence[str]], document_types: Sequence[Sequence[str]], names: Sequence[str]
) -> LandedRows:
    """One row per note and label, specialties and document types alike.

    Parameters
    ----------
    specialties
        per note, each of them in `names`.
    document_types
        per note.
    names
        the specialties by column.
    """
    column_of = {name: column for column, name in enumerate(names)}
    note: list[int] = []
    label: list[int] = []
    for row, (own, kinds) in enumerate(zip(specialties, document_types, strict=True)):
        labels = [*sorted({column_of[name] for name in own}), *([-1] * len(set(kinds)))]
        note += [row] * len(labels)
        label += labels
    return LandedRows(np.array(note, dtype=np.int64), np.array(label, dtype=np.int64))


def seen_share(
    units: IntArray,
    groups: IntArray,
    scored: BoolArray,
    *,
    train: float,
    test: float,
    generator: np.random.Generator,
) -> float:
    """Draw one split and count the test items of which the training would have seen the text or a near-duplicate.

    Parameters
    ----------
    units
        int64 [items], the unit that each item belongs to. A split deals out whole units: every row one by one, all
        rows of a text, or all rows of a near-duplicate group.
    groups
        int64 [items], near-duplicate group of the item's text.
    scored
        bool [items], items that are scored when they fall into the test split.
    train
        share of the units to train on.
    test
        share of the units to score.
    generator
        draws the split.

    Returns
    -------
    float
        Share, 0 to 1; NaN where no scored item falls into the test split.
    """
    names, unit_of = np.unique(units, return_inverse=True)
    place = generator.permutation(len(names))[unit_of.reshape(-1)]
    in_train = place < round(train * len(names))
    in_test = (place >= len(names) - round(test * len(names))) & ~in_train & scored
    if not in_test.any():
        return float("nan")
    return float(np.isin(groups[in_test], groups[in_train]).mean())


def draw_by_group(
    candidates: IntArray, groups: IntArray, count: int, generator: np.random.Generator
) -> IntArray:
    """Draw `count` candidates, whole near-duplicate groups in random order; the last one may be cut.

    So a drawn pool holds as many near-duplicates of one another as the notes that it was drawn from.

    Parameters
    ----------
    candidates
        int64 [c], positions.
    groups
        int64 [n], group by position.
    count
        how many to draw, at most c.
    generator
        draws the order.

    Returns
    -------
    IntArray
        int64 [count], ascending.

    Raises
    ------
    LeakageError
        there are fewer than `count` candidates.
    """
    if count > len(candidates):
        raise LeakageError(f"{count} items are wanted and there are {len(candidates)}; expected as many.")
    names, group_of = np.unique(groups[candidates], return_inverse=True)
    place = generator.permutation(len(names))[group_of.reshape(-1)]
    drawn = candidates[np.argsort(place, kind="stable")[:count]]
    return np.sort(drawn)
