"""Rank correlation of similarities with people's scores, and what it is without each group."""

from __future__ import annotations

import numpy as np

from medembed_pipeline.evaluation.jackknife import Jackknife
from medembed_pipeline.evaluation.neighbors import SIMILARITY_STEPS
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray


def spearman_jackknife(scores: FloatArray, similarities: FloatArray, groups: IntArray) -> Jackknife:
    """Spearman's rank correlation; values that are equal share their mean rank.

    Exact: without a group, the rank of another value falls by one for each smaller value of the group, and by a half
    for each equal one, so that nothing is sorted again. O(groups * n) time, O(n) memory.

    Reference: C. Spearman, "The proof and measurement of association between two things", Am. J. Psychol. 15 (1904).

    Parameters
    ----------
    scores
        float64 [n].
    similarities
        float64 [n]; those within 1e-9 are equal.
    groups
        int64 [n], from 0.

    Returns
    -------
    Jackknife
        One figure; NaN where it is undefined (all scores alike, say).
    """
    stepped = np.rint(np.asarray(similarities) * SIMILARITY_STEPS)
    count = int(groups.max(initial=-1)) + 1
    left_out = np.empty((count, 1))
    ranks = [_mean_ranks(values) for values in (scores, stepped)]
    order = np.argsort(groups, kind="stable")
    ends = np.searchsorted(groups[order], np.arange(count + 1))
    kept = np.ones(len(groups), dtype=np.bool_)
    for group in range(count):
        members = order[ends[group] : ends[group + 1]]
        kept[members] = False
        moved = [
            (rank - _fall(values, np.sort(values[members])))[kept]
            for rank, values in zip(ranks, (scores, stepped), strict=True)
        ]
        left_out[group] = _correlation(*moved)
        kept[members] = True
    return Jackknife(
        np.array([_correlation(*ranks)]),
        left_out,
        np.zeros(1),
        np.array([len(np.unique(groups))], dtype=np.int64),
    )


def _mean_ranks(values: FloatArray) -> FloatArray:
    return _fall(values, np.sort(values))


def _fall(values: FloatArray, sorted_members: FloatArray) -> FloatArray:
    """For each value, the members below it and half of those equal to it."""
    if len(sorted_members) == 1:
        (member,) = sorted_members
        return np.asarray(0.5 * ((values > member).astype(np.float64) + (values >= member)))
    below = np.searchsorted(sorted_members, values, side="left")
    upto = np.searchsorted(sorted_members, values, side="right")
    return np.asarray(0.5 * (below + upto))


def _correlation(left: FloatArray, right: FloatArray) -> float:
    if len(left) < 2:
        return float("nan")
    left, right = left - left.mean(), right - right.mean()
    spread = float(np.sqrt((left @ left) * (right @ right)))
    return float(left @ right) / spread if spread > 0 else float("nan")
