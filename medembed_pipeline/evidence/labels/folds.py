"""Folds that never split a duplicate group, and give every specialty its share in each fold."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from medembed_pipeline.evaluation.vectors import FloatArray, IntArray


def group_codes(groups: Sequence[Hashable]) -> IntArray:
    """Number the groups in the order in which they first occur. int64 [n]."""
    code_of: dict[Hashable, int] = {}
    return np.array([code_of.setdefault(group, len(code_of)) for group in groups], dtype=np.int64)


def stratified_group_folds(
    membership: FloatArray, groups: IntArray, *, folds: int, seed: int | Sequence[int]
) -> IntArray:
    """Deal whole groups out to folds, so that every specialty is spread as evenly as its groups allow.

    Iterative stratification with groups in place of notes: the specialty with the fewest groups left is dealt
    out first, its largest groups first, each to the fold that lacks most of it, then to the one that lacks
    most notes. Groups without any specialty come last.

    Reference: K. Sechidis, G. Tsoumakas, I. Vlahavas, "On the stratification of multi-label data", ECML PKDD
    2011.

    Parameters
    ----------
    membership
        float64 [n, m], 1.0 where the note carries the specialty.
    groups
        int64 [n], numbers from 0 (see `group_codes`).
    folds
        at least 1.
    seed
        of the order among groups of equal size.

    Returns
    -------
    IntArray
        int64 [n], the fold of each note, below `folds`.
    """
    count = int(groups.max(initial=-1)) + 1
    sizes = np.bincount(groups, minlength=count).astype(np.float64)
    carried = np.zeros((count, membership.shape[1]))
    np.add.at(carried, groups, membership)
    # Large groups first: a small one can still even out what a large one upset.
    shuffled = np.random.default_rng(seed).permutation(count)
    waiting = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    lacking = np.tile(carried.sum(axis=0) / folds, (folds, 1))
    lacking_notes = np.full(folds, sizes.sum() / folds)
    fold_of = np.full(count, -1, dtype=np.int64)
    while len(waiting):
        left = (carried[waiting] > 0).sum(axis=0)
        if left.any():
            rarest = int(np.where(left > 0, left, count + 1).argmin())
            dealt = waiting[carried[waiting, rarest] > 0]
        else:
            rarest, dealt = -1, waiting
        for group in dealt:
            lack = lacking[:, rarest] if rarest >= 0 else lacking_notes
            # Sums of the same fractions in another order: equal within rounding is equal.
            most = np.flatnonzero(lack >= lack.max() - 1e-9)
            fold = int(most[lacking_notes[most].argmax()])
            fold_of[group] = fold
            lacking[fold] -= carried[group]
            lacking_notes[fold] -= sizes[group]
        waiting = waiting[fold_of[waiting] < 0]
    return fold_of[groups]
