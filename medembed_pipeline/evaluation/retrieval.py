"""Retrieval figures per query: each scored note asks, all other scored notes are its candidates."""

from __future__ import annotations

import numpy as np

from medembed_pipeline.evaluation.neighbors import ranking_keys
from medembed_pipeline.evaluation.relevance import jaccard
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray, rows_per_block

PRECISION_CUTOFFS = (1, 5, 10)
NDCG_CUTOFF = 10
DEEPEST_CUTOFF = max(*PRECISION_CUTOFFS, NDCG_CUTOFF)

MetricKey = tuple[str, int | None]
"""A metric's name and its k, None where it has none."""

_BYTES_PER_CANDIDATE = 80  # keys, order, gains, hits and the temporaries between them


def retrieval_scores(
    rows: FloatArray,
    membership: FloatArray,
    *,
    nearest: IntArray | None = None,
    block_rows: int | None = None,
) -> dict[MetricKey, FloatArray]:
    """Precision at 1, 5 and 10, reciprocal rank, nDCG at 10 and average precision of every query.

    A candidate is relevant where its specialty set meets the query's; its gain in nDCG is the Jaccard index
    of the two sets. With g_r the gain at rank r:

    - precision at k: relevant candidates among the first k, divided by k also where there are fewer
      candidates;
    - mrr: 1 / rank of the first relevant candidate;
    - ndcg: DCG = sum of g_r / log2(r + 1) over the first ten ranks, divided by the DCG of the best possible
      order of all candidates;
    - map: mean, over the relevant candidates, of the precision at their ranks, over the whole ranking.

    References: C. D. Manning, P. Raghavan, H. Schuetze, "Introduction to Information Retrieval" (2008),
    chapter 8; K. Jaervelin, J. Kekaelaeinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20
    (2002).

    Args:
        rows: float64 [n, d] unit rows, in the order of their note ids (ties go to the lower row).
        membership: float64 [n, m] specialty sets of the same notes.
        nearest: int64 [n, >= min(10, n - 1)], the nearest rows of every row where they are known already;
            precision and nDCG are then read from them, with the same result.
        block_rows: queries per block; by default as many as fit into the shared memory budget.

    Returns:
        (metric, k) -> float64 [n], NaN for a query without a relevant candidate.
    """
    count = len(rows)
    scores: dict[MetricKey, FloatArray] = {
        key: np.full(count, np.nan)
        for key in [
            *(("precision", cutoff) for cutoff in PRECISION_CUTOFFS),
            ("mrr", None),
            ("ndcg", NDCG_CUTOFF),
            ("map", None),
        ]
    }
    if count < 2:
        return scores
    ranks = np.arange(1, count)
    step = block_rows or rows_per_block(count * _BYTES_PER_CANDIDATE)
    for start in range(0, count, step):
        stop = min(start + step, count)
        gains = jaccard(membership[start:stop], membership)
        gains[np.arange(stop - start), np.arange(start, stop)] = 0.0
        answered = np.flatnonzero(gains.any(axis=1))
        if not len(answered):
            continue
        gains = gains[answered]
        keys = ranking_keys(rows, start, stop)[answered]
        keys.sort(axis=1)
        order = keys[:, :-1] % count
        queries = start + answered
        ranked_gains = np.take_along_axis(gains, order, axis=1)
        top = order if nearest is None else nearest[queries]
        top_gains = np.take_along_axis(gains, top[:, :DEEPEST_CUTOFF], axis=1)
        for cutoff in PRECISION_CUTOFFS:
            scores["precision", cutoff][queries] = (top_gains[:, :cutoff] > 0).sum(axis=1) / cutoff
        scores["ndcg", NDCG_CUTOFF][queries] = _discounted(top_gains) / _discounted(
            _largest(gains, NDCG_CUTOFF)
        )
        relevant = ranked_gains > 0
        hits = np.cumsum(relevant, axis=1)
        scores["mrr", None][queries] = 1.0 / (1 + relevant.argmax(axis=1))
        scores["map", None][queries] = np.where(relevant, hits / ranks, 0.0).sum(axis=1) / hits[:, -1]
    return scores


def weighted_query_means(values: FloatArray, weights: FloatArray, columns: FloatArray) -> FloatArray:
    """Mean of the defined values over the queries of each column, under each row of weights.

    Args:
        values: [n], NaN where undefined.
        weights: [draws, n], how often each note counts.
        columns: [n, c], 1.0 where the note belongs to the column.

    Returns:
        float64 [draws, c], NaN where no defined value has weight.
    """
    defined = np.isfinite(values)
    totals = weights @ (columns * np.where(defined, values, 0.0)[:, None])
    sizes = weights @ (columns * defined[:, None])
    return np.divide(totals, sizes, out=np.full_like(totals, np.nan), where=sizes > 0)


def _discounted(gains: FloatArray) -> FloatArray:
    """Discounted cumulative gain of the first NDCG_CUTOFF columns. [q]."""
    total = np.zeros(len(gains))
    # Rank by rank, because a matrix product would add in an order that depends on the block.
    for rank, gain in enumerate(gains.T[:NDCG_CUTOFF], start=1):
        total += gain / np.log2(rank + 1)
    return total


def _largest(gains: FloatArray, width: int) -> FloatArray:
    """The `width` largest values of each row, largest first; all of them where the row is shorter."""
    width = min(width, gains.shape[1])
    cut = gains.shape[1] - width
    return np.sort(np.partition(gains, cut, axis=1)[:, cut:], axis=1)[:, ::-1]
