"""Cosine similarity of pairs that share a specialty against pairs that do not, and what each group does to it."""

from __future__ import annotations

import numpy as np

from medembed_pipeline.evaluation.jackknife import Jackknife, sum_by_group
from medembed_pipeline.evaluation.retrieval import MetricKey
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray, rows_per_block

_SMALLEST_VARIANCE = 1e-14  # below this a variance is rounding, not spread

SIMILARITY_METRICS: tuple[MetricKey, ...] = (
    ("positive_similarity", None),
    ("positive_similarity_std", None),
    ("negative_similarity", None),
    ("negative_similarity_std", None),
    ("margin", None),
    ("separation", None),
)


def similarity_figures(
    rows: FloatArray,
    membership: FloatArray,
    scopes: FloatArray,
    groups: IntArray,
    *,
    group_count: int,
    block_rows: int | None = None,
) -> dict[MetricKey, Jackknife]:
    """Mean and standard deviation of positive and negative similarities, margin and separation, with and without each
    group.

    Over all unordered pairs of different notes: positive where their specialty sets meet, negative where they
    do not. For a specialty, the pairs of which at least one note carries it. The standard deviation is that
    of the population of pairs. margin = mean positive - mean negative; separation = margin / sqrt((variance
    of positives + variance of negatives) / 2), known as d-prime in signal detection.

    Reference: D. M. Green, J. A. Swets, "Signal Detection Theory and Psychophysics" (1966).

    Args:
        rows: float64 [n, d] unit rows.
        membership: float64 [n, m] specialty sets.
        scopes: float64 [n, s], 1.0 where a note belongs to the scope.
        groups: int64 [n], group of each note, below group_count.
        block_rows: notes per block; by default as many as fit into the shared memory budget.

    Returns:
        Column 0 over all pairs, then the scopes; NaN where there is no such pair, and for separation also where
        neither kind of pair has any spread.
    """
    count = len(rows)
    columns = np.hstack([np.ones((count, 1)), scopes])
    # Of each note: its pairs in each column, their number, sum and sum of squares.
    positive, negative = np.zeros((3, count, columns.shape[1])), np.zeros((3, count, columns.shape[1]))
    step = block_rows or rows_per_block(8 * 8 * count)
    for start in range(0, count, step):
        block = np.arange(start, min(start + step, count))
        own = (np.arange(len(block)), block)
        similarity = rows[block] @ rows.T
        different = np.ones_like(similarity)
        different[own] = 0.0
        meets = np.where(membership[block] @ membership.T > 0, different, 0.0)
        different -= meets
        inside = columns[block] > 0
        for moment in range(3):
            for values, sums in ((meets, positive), (different, negative)):
                # A note of the scope brings all its pairs, another one those with notes of the scope.
                sums[moment, block] = np.where(inside, values.sum(axis=1, keepdims=True), values @ columns)
                if moment < 2:
                    values *= similarity
    within = _pairs_within_groups(rows, membership, columns, groups, group_count)
    figures: dict[str, list[FloatArray]] = {}
    for name, sums, inner in (("positive", positive, within[0]), ("negative", negative, within[1])):
        by_group = np.stack([sum_by_group(moment, groups, group_count) for moment in sums])
        # Every pair was met from both of its notes.
        total = by_group.sum(axis=1, keepdims=True) / 2
        figures[name] = [total, total - (by_group - inner)]
    whole, without = (_figures(figures["positive"][part], figures["negative"][part]) for part in (0, 1))
    behind = np.array([len(np.unique(groups[members > 0])) for members in columns.T], dtype=np.int64)
    return {
        key: Jackknife(whole[key][0], without[key], np.zeros(columns.shape[1]), behind)
        for key in SIMILARITY_METRICS
    }


def _pairs_within_groups(
    rows: FloatArray, membership: FloatArray, columns: FloatArray, groups: IntArray, group_count: int
) -> FloatArray:
    """Number, sum and sum of squares of the pairs inside each group: [positive and negative, 3, groups, columns]."""
    found = np.zeros((2, 3, group_count, columns.shape[1]))
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups, minlength=group_count)
    ends = np.cumsum(sizes)
    for group in np.flatnonzero(sizes > 1):
        members = order[ends[group] - sizes[group] : ends[group]]
        left, right = np.triu_indices(len(members), k=1)
        left, right = members[left], members[right]
        similarity = np.einsum("ij,ij->i", rows[left], rows[right])
        meets = np.einsum("ij,ij->i", membership[left], membership[right]) > 0
        inside = np.maximum(columns[left], columns[right])
        for kind, chosen in ((0, meets), (1, ~meets)):
            for moment in range(3):
                found[kind, moment, group] = (chosen * similarity**moment) @ inside
    return found


def _figures(positive: FloatArray, negative: FloatArray) -> dict[MetricKey, FloatArray]:
    """The figures from number, sum and sum of squares of the pairs, [3, ...] each."""
    positive_mean, positive_variance = _moments(positive)
    negative_mean, negative_variance = _moments(negative)
    margin = positive_mean - negative_mean
    spread = np.sqrt((positive_variance + negative_variance) / 2)
    return {
        ("positive_similarity", None): positive_mean,
        ("positive_similarity_std", None): np.sqrt(positive_variance),
        ("negative_similarity", None): negative_mean,
        ("negative_similarity_std", None): np.sqrt(negative_variance),
        ("margin", None): margin,
        ("separation", None): np.divide(margin, spread, out=np.full_like(margin, np.nan), where=spread > 0),
    }


def _moments(sums: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and variance from [pairs, sum, sum of squares]; NaN where there are no pairs."""
    # Pair counts are sums of whole numbers, exact in float64.
    pairs = np.where(sums[0] >= 0.5, sums[0], np.nan)
    mean = sums[1] / pairs
    variance = sums[2] / pairs - mean**2
    return mean, np.where(variance < _SMALLEST_VARIANCE, np.where(np.isnan(variance), np.nan, 0.0), variance)
