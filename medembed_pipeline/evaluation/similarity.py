"""Cosine similarity of pairs that share a specialty against pairs that do not."""

from __future__ import annotations

import numpy as np

from medembed_pipeline.evaluation.retrieval import MetricKey
from medembed_pipeline.evaluation.vectors import FloatArray, rows_per_block

_SMALLEST_VARIANCE = 1e-14  # below this a variance is rounding, not spread


def similarity_statistics(
    rows: FloatArray,
    membership: FloatArray,
    scopes: FloatArray,
    weights: FloatArray,
    *,
    block_columns: int | None = None,
) -> dict[MetricKey, FloatArray]:
    """Mean and standard deviation of positive and negative similarities, margin and separation.

    Over all unordered pairs of different notes: positive where their specialty sets meet, negative where they
    do not. For a specialty, the pairs of which at least one note carries it. The standard deviation is that
    of the population of pairs. margin = mean positive - mean negative; separation = margin / sqrt((variance
    of positives + variance of negatives) / 2), known as d-prime in signal detection.

    Under weights a pair (i, j) counts weights[i] * weights[j] times; a note is never paired with a copy of
    itself.

    Reference: D. M. Green, J. A. Swets, "Signal Detection Theory and Psychophysics" (1966).

    Args:
        rows: float64 [n, d] unit rows.
        membership: float64 [n, m] specialty sets.
        scopes: float64 [n, s], the columns of `membership` that get figures of their own.
        weights: float64 [draws, n], how often each note counts.
        block_columns: notes per block; by default as many as fit into the shared memory budget.

    Returns:
        (metric, None) -> float64 [draws, 1 + s], column 0 over all pairs; NaN where there is no such pair,
        and for separation also where neither kind of pair has any spread.
    """
    draws, count = weights.shape
    columns = np.hstack([np.ones((count, 1)), scopes])
    # [pairs, sum, sum of squares] x draws x columns. Each pair is first counted from each of its notes that
    # belongs to the column; pairs that lie wholly inside a column are then counted once too often, and half
    # of them come off.
    positive = np.zeros((3, draws, columns.shape[1]))
    negative = np.zeros((3, draws, columns.shape[1]))
    members = [np.flatnonzero(columns[:, column]) for column in range(columns.shape[1])]
    total_weight = weights.sum(axis=1, keepdims=True)
    # Per note of the block: four [n] columns of pair values, six [draws] columns of their sums.
    step = block_columns or rows_per_block(8 * (4 * count + 6 * draws))
    for start in range(0, count, step):
        stop = min(start + step, count)
        diagonal = (np.arange(start, stop), np.arange(stop - start))
        similarity = rows @ rows[start:stop].T
        similarity[diagonal] = 0.0
        meets = (membership @ membership[start:stop].T > 0).astype(np.float64)
        meets[diagonal] = 0.0
        block_weights = weights[:, start:stop]
        block_columns_of = columns[start:stop]

        powers = (meets, meets * similarity, meets * similarity**2)
        inside = [weights @ values for values in powers]
        whole = [total_weight - block_weights, weights @ similarity, weights @ similarity**2]
        for moment in range(3):
            positive[moment] += (inside[moment] * block_weights) @ block_columns_of
            negative[moment] += ((whole[moment] - inside[moment]) * block_weights) @ block_columns_of

        # Notes of one specialty always meet, so only positive pairs lie wholly inside one. Column 0 holds
        # every pair twice and needs no correction: the factor cancels in its means.
        for column in range(1, columns.shape[1]):
            local = members[column][(members[column] >= start) & (members[column] < stop)]
            if not len(local):
                continue
            own_weights = weights[:, members[column]]
            local_weights = weights[:, local]
            within = similarity[np.ix_(members[column], local - start)]
            own = (
                own_weights.sum(axis=1, keepdims=True) - local_weights,
                own_weights @ within,
                own_weights @ within**2,
            )
            for moment in range(3):
                positive[moment, :, column] -= 0.5 * (own[moment] * local_weights).sum(axis=1)

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
    # Pair counts are (halves of) sums of integers, exact in float64: any pair makes at least one half.
    pairs = np.where(sums[0] >= 0.5, sums[0], np.nan)
    mean = sums[1] / pairs
    variance = sums[2] / pairs - mean**2
    return mean, np.where(variance < _SMALLEST_VARIANCE, np.where(np.isnan(variance), np.nan, 0.0), variance)
