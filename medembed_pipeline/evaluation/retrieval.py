"""Retrieval figures of ranked candidates: the one definition of each, for training, reporting and the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

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

BYTES_PER_CANDIDATE = 80  # keys, places, gains, hits and the temporaries between them


@dataclass(frozen=True)
class Wanted:
    """What some queries are to find: the same for every model.

    Attributes
    ----------
    gains
        float64 [queries, candidates], 0 where a candidate is not relevant.
    relevant
        bool [queries, candidates].
    """

    gains: FloatArray
    relevant: BoolArray

    @cached_property
    def total(self) -> IntArray:
        """How many relevant candidates each query has. int64 [queries]."""
        return np.count_nonzero(self.relevant, axis=1)

    @cached_property
    def starts(self) -> IntArray:
        """Where each query's relevant candidates begin. int64 [queries]."""
        return np.cumsum(self.total) - self.total

    @cached_property
    def query(self) -> IntArray:
        """Whose the relevant candidates are, query after query. int64 [relevant candidates]."""
        return np.repeat(np.arange(len(self.total)), self.total)

    @cached_property
    def candidate(self) -> IntArray:
        """The relevant candidates, by number, query after query. int64 [relevant candidates]."""
        return np.flatnonzero(self.relevant) - self.gains.shape[1] * self.query

    @cached_property
    def hits(self) -> IntArray:
        """Of each relevant candidate of a ranking: relevant ones of its query up to it. int64 [relevant candidates]."""
        return np.arange(1, len(self.query) + 1) - np.repeat(self.starts, self.total)

    @cached_property
    def best(self) -> tuple[FloatArray, IntArray]:
        """The eleven largest gains of each query, largest first, and candidates that have them."""
        count = self.gains.shape[1]
        width = min(NDCG_CUTOFF + 1, count)
        found = np.empty((len(self.gains), width), dtype=np.int64)
        # Where eleven candidates share the largest gain, which is usual, nothing needs to be sorted.
        largest = self.gains.max(axis=1)
        at_most = np.flatnonzero(self.gains[self.query, self.candidate] == largest[self.query])
        number = np.bincount(self.query[at_most], minlength=len(self.gains))
        plenty = number >= width
        starts = np.cumsum(number) - number
        found[plenty] = self.candidate[at_most[starts[plenty, None] + np.arange(width)]]
        if not plenty.all():
            rest = self.gains[~plenty]
            cut = count - width
            found[~plenty] = np.argpartition(rest, cut, axis=1)[:, cut:] if cut else np.arange(width)
        values = np.take_along_axis(self.gains, found, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        return np.take_along_axis(values, order, axis=1), np.take_along_axis(found, order, axis=1)


@dataclass(frozen=True)
class Ranking:
    """All candidates of some queries, nearest first.

    Attributes
    ----------
    places
        int64 [queries, ranks], where the candidates are in an array [queries, candidates] that is laid out flat.
    candidates
        how many there are.
    rank
        int64 [relevant candidates], their ranks from 0, query after query.
    precision
        float64 [relevant candidates], precision at these ranks.
    """

    places: IntArray
    candidates: int
    rank: IntArray
    precision: FloatArray

    def at(self, query: IntArray, rank: IntArray) -> IntArray:
        """The candidates at some ranks of some queries."""
        return self.places[query, rank] - self.candidates * query


def rank_candidates(similarity: FloatArray, wanted: Wanted, *, own: IntArray | None = None) -> Ranking:
    """Rank the candidates of each query; equal similarities (see `ranking_keys`) go to the lower number.

    Parameters
    ----------
    similarity
        float64 [queries, candidates], overwritten.
    wanted
        what the queries are to find.
    own
        int64 [queries], the candidate that is the query itself and is left out; None for none.
    """
    queries, candidates = similarity.shape
    keys = ranking_keys(similarity, own=own)
    keys.sort(axis=1)
    places = candidates_of(keys if own is None else keys[:, :-1], candidates)
    places += candidates * np.arange(queries)[:, None]
    rank = np.flatnonzero(wanted.relevant.reshape(-1)[places]) - places.shape[1] * wanted.query
    return Ranking(places, candidates, rank, wanted.hits / (rank + 1.0))


@dataclass(frozen=True)
class Ranked:
    """What the figures need of the rankings of some queries.

    Attributes
    ----------
    order
        int64 [queries, at least 10 or all ranks], the nearest candidates.
    gains
        float64, their gains.
    best, best_candidates, total
        of `Wanted`.
    first
        int64 [queries], rank of the first relevant candidate, from 0; 0 where there is none.
    precisions
        float64 [queries], sum of the precision at the ranks of the relevant candidates.
    """

    order: IntArray
    gains: FloatArray
    best: FloatArray
    best_candidates: IntArray
    total: IntArray
    first: IntArray
    precisions: FloatArray

    @property
    def relevant(self) -> BoolArray:
        """Which of the nearest candidates are relevant."""
        return self.gains > 0


def ranked(ranking: Ranking, wanted: Wanted, *, nearest: int = NDCG_CUTOFF) -> Ranked:
    """What the figures need: so many of the `nearest` candidates, at least ten, and how the relevant ones rank."""
    order = ranking.places[:, :nearest] - ranking.candidates * np.arange(len(ranking.places))[:, None]
    first = np.zeros(len(order), dtype=np.int64)
    found = wanted.total > 0
    first[found] = ranking.rank[wanted.starts[found]]
    return Ranked(
        order,
        np.take_along_axis(wanted.gains, order, axis=1),
        *wanted.best,
        wanted.total,
        first,
        np.asarray(np.bincount(wanted.query, ranking.precision, minlength=len(order)), dtype=np.float64),
    )


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
    scores["mrr", None] = 1.0 / (1 + ranked.first)
    ideal = discounted(ranked.best)
    scores["ndcg", NDCG_CUTOFF] = np.divide(
        discounted(ranked.gains), ideal, out=np.full(len(total), np.nan), where=ideal > 0
    )
    scores["map", None] = ranked.precisions / np.maximum(total, 1)
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
        wanted = Wanted(gains, gains > 0)
        ranking = rank_candidates(rows[queries] @ rows.T, wanted, own=queries)
        for key, values in ranking_scores(ranked(ranking, wanted)).items():
            scores[key][queries] = values
    return scores


def discounted(gains: FloatArray) -> FloatArray:
    """Discounted cumulative gain of the first NDCG_CUTOFF columns. [q]."""
    total = np.zeros(len(gains))
    # Rank by rank, because a matrix product would add in an order that depends on the block.
    for rank, gain in enumerate(gains.T[:NDCG_CUTOFF], start=1):
        total += gain / np.log2(rank + 1)
    return total
