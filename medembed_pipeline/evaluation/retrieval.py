"""Retrieval figures of ranked candidates: the one definition of each, for training, reporting and the verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medembed_pipeline.evaluation.metric_names import MetricKey
from medembed_pipeline.evaluation.neighbors import candidates_of, ranking_keys
from medembed_pipeline.evaluation.relevance import jaccard
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray, rows_per_block

PRECISION_CUTOFFS = (1, 5, 10)
NDCG_CUTOFF = 10

RETRIEVAL_METRICS: tuple[MetricKey, ...] = (
    *(("precision", cutoff) for cutoff in PRECISION_CUTOFFS),
    ("mrr", None),
    ("ndcg", NDCG_CUTOFF),
    ("map", None),
)

BYTES_PER_CANDIDATE = 80  # keys, order, gains, hits and the temporaries between them


@dataclass(frozen=True)
class Ranked:
    """The candidates of some queries, nearest first.

    Attributes
    ----------
    order
        int64 [queries, ranks], the candidates.
    relevant
        bool [queries, ranks].
    top
        float64 [queries, at least 10 or all ranks], gains of the first.
    best
        float64 [queries, 11 or fewer], the largest gains there are, largest first.
    best_candidates
        int64, candidates with these gains.
    query, rank
        int64 [relevant candidates], where they are, query after query, ranks from 0.
    """

    order: IntArray
    relevant: BoolArray
    top: FloatArray
    best: FloatArray
    best_candidates: IntArray
    query: IntArray
    rank: IntArray

    @property
    def total(self) -> IntArray:
        """How many relevant candidates each query has. int64 [queries]."""
        return np.bincount(self.query, minlength=len(self.order))

    @property
    def hits(self) -> IntArray:
        """Of each relevant candidate: relevant ones of its query up to it. int64 [relevant candidates]."""
        total = self.total
        return np.arange(1, len(self.query) + 1) - (np.cumsum(total) - total)[self.query]

    def of(self, queries: IntArray) -> Ranked:
        """Some of the queries."""
        relevant = self.relevant[queries]
        query, rank = np.nonzero(relevant)
        return Ranked(
            self.order[queries],
            relevant,
            self.top[queries],
            self.best[queries],
            self.best_candidates[queries],
            query,
            rank,
        )


def rank_candidates(
    similarity: FloatArray,
    gains: FloatArray,
    best: tuple[FloatArray, IntArray],
    *,
    own: IntArray | None = None,
    first: int = NDCG_CUTOFF,
) -> Ranked:
    """Rank the candidates of each query; equal similarities (see `ranking_keys`) go to the lower number.

    Parameters
    ----------
    similarity
        float64 [queries, candidates], overwritten.
    gains
        float64 [queries, candidates], 0 where a candidate is not relevant.
    best
        of `best_candidates`.
    own
        int64 [queries], the candidate that is the query itself and is left out; None for none.
    first
        of how many ranks the gains are wanted, at least ten.
    """
    keys = ranking_keys(similarity, own=own)
    keys.sort(axis=1)
    order = candidates_of(keys if own is None else keys[:, :-1], similarity.shape[1])
    relevant = np.take_along_axis(gains > 0, order, axis=1)
    query, rank = np.nonzero(relevant)
    top = np.take_along_axis(gains, order[:, :first], axis=1)
    return Ranked(order, relevant, top, *best, query, rank)


def best_candidates(gains: FloatArray) -> tuple[FloatArray, IntArray]:
    """The eleven largest gains of each query, largest first, and candidates that have them."""
    width = min(NDCG_CUTOFF + 1, gains.shape[1])
    found = np.empty((len(gains), width), dtype=np.int64)
    # Where eleven candidates share the largest gain, which is usual, nothing needs to be sorted.
    at_most = gains == gains.max(axis=1, keepdims=True)
    number = at_most.sum(axis=1)
    plenty = number >= width
    candidate = np.nonzero(at_most)[1]
    starts = np.cumsum(number) - number
    found[plenty] = candidate[starts[plenty, None] + np.arange(width)]
    if not plenty.all():
        cut = gains.shape[1] - width
        rest = gains[~plenty]
        found[~plenty] = np.argpartition(rest, cut, axis=1)[:, cut:] if cut else np.arange(width)
    values = np.take_along_axis(gains, found, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(values, order, axis=1), np.take_along_axis(found, order, axis=1)


def ranking_scores(ranked: Ranked) -> dict[MetricKey, FloatArray]:
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

    Returns
    -------
    dict[MetricKey, FloatArray]
        (metric, k) -> float64 [queries], NaN for a query without a relevant candidate.
    """
    total = ranked.total
    scores: dict[MetricKey, FloatArray] = {
        ("precision", cutoff): ranked.relevant[:, :cutoff].sum(axis=1) / cutoff
        for cutoff in PRECISION_CUTOFFS
    }
    scores["mrr", None] = 1.0 / (1 + ranked.relevant.argmax(axis=1))
    ideal = discounted(ranked.best)
    scores["ndcg", NDCG_CUTOFF] = np.divide(
        discounted(ranked.top), ideal, out=np.full(len(total), np.nan), where=ideal > 0
    )
    precisions = np.bincount(ranked.query, ranked.hits / (ranked.rank + 1.0), minlength=len(total))
    scores["map", None] = precisions / np.maximum(total, 1)
    return {key: np.where(total > 0, scores[key], np.nan) for key in RETRIEVAL_METRICS}


def retrieval_scores(
    rows: FloatArray, membership: FloatArray, *, block_rows: int | None = None
) -> dict[MetricKey, FloatArray]:
    """`ranking_scores` of notes that search each other: each asks, all others are its candidates.

    A candidate's gain is the Jaccard index of the two specialty sets.

    Parameters
    ----------
    rows
        float64 [n, d] unit rows, in the order of their note ids (ties go to the lower row).
    membership
        float64 [n, m] specialty sets of the same notes.
    block_rows
        queries per block; by default as many as fit into the shared memory budget.

    Returns
    -------
    dict[MetricKey, FloatArray]
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
        ranked = rank_candidates(rows[queries] @ rows.T, gains, best_candidates(gains), own=queries)
        for key, values in ranking_scores(ranked).items():
            scores[key][queries] = values
    return scores


def discounted(gains: FloatArray) -> FloatArray:
    """Discounted cumulative gain of the first NDCG_CUTOFF columns. [q]."""
    total = np.zeros(len(gains))
    # Rank by rank, because a matrix product would add in an order that depends on the block.
    for rank, gain in enumerate(gains.T[:NDCG_CUTOFF], start=1):
        total += gain / np.log2(rank + 1)
    return total
