"""Retrieval figures of ranked candidates: the one definition of each, for training, reporting and the verdict."""

from __future__ import annotations

import numpy as np

from medembed_pipeline.evaluation.neighbors import ranking_keys
from medembed_pipeline.evaluation.relevance import jaccard
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray, rows_per_block

PRECISION_CUTOFFS = (1, 5, 10)
NDCG_CUTOFF = 10

MetricKey = tuple[str, int | None]
"""A metric's name and its k, None where it has none."""

RETRIEVAL_METRICS: tuple[MetricKey, ...] = (
    *(("precision", cutoff) for cutoff in PRECISION_CUTOFFS),
    ("mrr", None),
    ("ndcg", NDCG_CUTOFF),
    ("map", None),
)

BYTES_PER_CANDIDATE = 80  # keys, order, gains, hits and the temporaries between them


def ranking_scores(ranked: FloatArray, best: FloatArray) -> dict[MetricKey, FloatArray]:
    """Precision at 1, 5 and 10, reciprocal rank, nDCG at 10 and average precision of every query.

    A candidate is relevant where its gain is above zero. With g_r the gain at rank r:

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
        ranked: float64 [q, c], gains of all candidates of each query, nearest first; at least one candidate.
        best: float64 [q, >= 10 or c], the largest of them, largest first (see `largest`).

    Returns:
        (metric, k) -> float64 [q], NaN for a query without a relevant candidate.
    """
    relevant = ranked > 0
    found = relevant.any(axis=1)
    scores: dict[MetricKey, FloatArray] = {}
    for cutoff in PRECISION_CUTOFFS:
        scores["precision", cutoff] = relevant[:, :cutoff].sum(axis=1) / cutoff
    ranks = np.arange(1, ranked.shape[1] + 1)
    hits = np.cumsum(relevant, axis=1)
    scores["mrr", None] = 1.0 / (1 + relevant.argmax(axis=1))
    ideal = discounted(best)
    scores["ndcg", NDCG_CUTOFF] = np.divide(
        discounted(ranked), ideal, out=np.full(len(ranked), np.nan), where=ideal > 0
    )
    scores["map", None] = np.where(relevant, hits / ranks, 0.0).sum(axis=1) / np.maximum(hits[:, -1], 1)
    return {key: np.where(found, scores[key], np.nan) for key in RETRIEVAL_METRICS}


def retrieval_scores(
    rows: FloatArray, membership: FloatArray, *, block_rows: int | None = None
) -> dict[MetricKey, FloatArray]:
    """`ranking_scores` of notes that search each other: each asks, all others are its candidates.

    A candidate's gain is the Jaccard index of the two specialty sets.

    Args:
        rows: float64 [n, d] unit rows, in the order of their note ids (ties go to the lower row).
        membership: float64 [n, m] specialty sets of the same notes.
        block_rows: queries per block; by default as many as fit into the shared memory budget.

    Returns:
        (metric, k) -> float64 [n], NaN for a query without a relevant candidate.
    """
    count = len(rows)
    scores: dict[MetricKey, FloatArray] = {key: np.full(count, np.nan) for key in RETRIEVAL_METRICS}
    if count < 2:
        return scores
    step = block_rows or rows_per_block(count * BYTES_PER_CANDIDATE)
    for start in range(0, count, step):
        queries = np.arange(start, min(start + step, count))
        gains = jaccard(membership[queries], membership)
        gains[np.arange(len(queries)), queries] = 0.0
        order = ranked_candidates(rows[queries] @ rows.T, own=queries)
        block = ranking_scores(np.take_along_axis(gains, order, axis=1), largest(gains, NDCG_CUTOFF))
        for key, values in block.items():
            scores[key][queries] = values
    return scores


def ranked_candidates(similarity: FloatArray, *, own: IntArray | None = None) -> IntArray:
    """Candidates of each query, nearest first; equal similarities (see `ranking_keys`) go to the lower number.

    Args:
        similarity: float64 [q, c], overwritten.
        own: int64 [q], the candidate that is the query itself and is left out; None for none.

    Returns:
        int64 [q, c], or [q, c - 1] without the queries themselves.
    """
    count = similarity.shape[1]
    keys = ranking_keys(similarity, own=own)
    keys.sort(axis=1)
    if own is not None:
        keys = keys[:, :-1]
    keys %= count
    return keys


def discounted(gains: FloatArray) -> FloatArray:
    """Discounted cumulative gain of the first NDCG_CUTOFF columns. [q]."""
    total = np.zeros(len(gains))
    # Rank by rank, because a matrix product would add in an order that depends on the block.
    for rank, gain in enumerate(gains.T[:NDCG_CUTOFF], start=1):
        total += gain / np.log2(rank + 1)
    return total


def largest(gains: FloatArray, width: int) -> FloatArray:
    """The `width` largest values of each row, largest first; all of them where the row is shorter."""
    width = min(width, gains.shape[1])
    cut = gains.shape[1] - width
    return np.sort(np.partition(gains, cut, axis=1)[:, cut:], axis=1)[:, ::-1]
