"""Retrieval figures with everything an interval needs: what each query scores, and what each candidate does to it.

Leaving out a candidate moves up those behind it, and nothing else. So the change of a query's score is read off its
ranking, for all candidates at once, and no figure is computed from scratch. Where several candidates of one group leave
together, what each does to the best possible order (nDCG) and to average precision is added up; the rest is exact.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from medembed_pipeline.evaluation.effects import (
    Effects,
    average_precision_effects,
    gain_effects,
    precision_effects,
    reciprocal_rank_effects,
)
from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline.evaluation.jackknife import Jackknife, ratio_jackknife
from medembed_pipeline.evaluation.metric_names import MetricKey
from medembed_pipeline.evaluation.retrieval import (
    BYTES_PER_CANDIDATE,
    NDCG_CUTOFF,
    PRECISION_CUTOFFS,
    RETRIEVAL_METRICS,
    Ranked,
    best_candidates,
    rank_candidates,
    ranking_scores,
)
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray, rows_per_block

Similarities = Callable[[IntArray], FloatArray]
"""Queries, by number, -> float64 [those, candidates], a fresh array."""


def ranking_figures(
    similarities: Mapping[str, Similarities],
    gains: Similarities,
    *,
    query_groups: IntArray,
    candidate_groups: IntArray,
    scopes: FloatArray | None = None,
    own_candidate: IntArray | None = None,
    contrasts: Sequence[tuple[str, str]] = (),
) -> dict[str, dict[MetricKey, Jackknife]]:
    """Every figure of `ranking_scores`, for several models on the same queries and candidates.

    Parameters
    ----------
    similarities
        by model: queries -> similarity of each to every candidate.
    gains
        queries -> gain of every candidate for each, 0 where it is not relevant; the same for all models.
    query_groups
        int64 [queries], group of each query, from 0.
    candidate_groups
        int64 [candidates], in the same numbering. A group leaves with its queries and candidates.
    scopes
        float64 [queries, s], 1.0 where a query belongs to the scope; figures of its queries among all candidates.
    own_candidate
        int64 [queries], the candidate that is the query itself and is never ranked.
    contrasts
        pairs (model, other) whose paired difference is wanted.

    Returns
    -------
    dict[str, dict[MetricKey, Jackknife]]
        By model, and by "model-other" for each contrast: metric -> figures, column 0 over all queries, then the
        scopes. Queries without a relevant candidate take no part.

    Raises
    ------
    EvaluationError
        there is no query, or no candidate to rank.
    """
    queries, candidates = len(query_groups), len(candidate_groups)
    if not queries or candidates < 1 + (own_candidate is not None):
        raise EvaluationError(
            f"{queries} queries and {candidates} candidates: expected at least one query and one candidate to find."
        )
    columns = np.ones((queries, 1)) if scopes is None else np.hstack([np.ones((queries, 1)), scopes])
    groups = 1 + int(max(query_groups.max(), candidate_groups.max()))
    by_group = _CandidateGroups(candidate_groups, groups)
    names = [*similarities, *(f"{one}-{other}" for one, other in contrasts)]
    sums = {name: _Sums(groups, columns.shape[1]) for name in names}
    sizes, lost = np.zeros((groups, columns.shape[1])), np.zeros((groups, columns.shape[1]))

    def score(block: IntArray) -> _Scored | None:
        return _score_block(block, similarities, gains, query_groups, by_group, own_candidate, contrasts)

    for scored in _in_threads(score, _blocks(query_groups, candidates)):
        if scored is None:
            continue
        own_groups, own_columns = query_groups[scored.queries], columns[scored.queries]
        np.add.at(sizes, own_groups, own_columns)
        leaving = scored.sole >= 0
        np.add.at(lost, scored.sole[leaving], own_columns[leaving])
        keyed = _keys(own_groups, own_columns) if len(np.unique(own_groups)) < len(own_groups) else None
        for name in names:
            sums[name].add(own_groups, own_columns, scored.scores[name], scored.changes[name], keyed)
    return {
        name: {
            key: ratio_jackknife(
                sums[name].own[key],
                sizes,
                effect=sums[name].effect[key],
                lost=lost,
                squared_effects=sums[name].squared[key],
            )
            for key in RETRIEVAL_METRICS
        }
        for name in names
    }


@dataclass(frozen=True)
class _Scored:
    """A block of queries that have something to find: their scores, and what each group does to them.

    Attributes
    ----------
    queries
        int64 [q].
    sole
        int64 [q], see `_CandidateGroups.sole_group`.
    scores
        by model or contrast and metric, float64 [q].
    changes
        likewise, [q, groups], sparse or dense.
    """

    queries: IntArray
    sole: IntArray
    scores: dict[str, dict[MetricKey, FloatArray]]
    changes: dict[str, dict[MetricKey, Any]]


def _score_block(
    block: IntArray,
    similarities: Mapping[str, Similarities],
    gains: Similarities,
    query_groups: IntArray,
    by_group: _CandidateGroups,
    own_candidate: IntArray | None,
    contrasts: Sequence[tuple[str, str]],
) -> _Scored | None:
    """None where no query of the block has anything to find."""
    wanted = gains(block)
    if own_candidate is not None:
        wanted[np.arange(len(block)), own_candidate[block]] = 0.0
    answered = (wanted > 0).any(axis=1)
    if not answered.any():
        return None
    block, wanted = block[answered], wanted[answered]
    own = None if own_candidate is None else own_candidate[block]
    scores: dict[str, dict[MetricKey, FloatArray]] = {}
    changes: dict[str, dict[MetricKey, Any]] = {}
    sole = by_group.sole_group(wanted, query_groups[block])
    best = best_candidates(wanted)
    for model, similarity in similarities.items():
        ranked = rank_candidates(
            similarity(block), wanted, best, own=own, first=NDCG_CUTOFF + by_group.largest
        )
        scores[model] = ranking_scores(ranked)
        changes[model] = _changes(ranked, scores[model], sole, query_groups[block], by_group)
    for one, other in contrasts:
        name = f"{one}-{other}"
        scores[name] = {key: scores[one][key] - scores[other][key] for key in RETRIEVAL_METRICS}
        changes[name] = {key: changes[one][key] - changes[other][key] for key in RETRIEVAL_METRICS}
    return _Scored(block, sole, scores, changes)


def _in_threads(
    function: Callable[[IntArray], _Scored | None], blocks: Iterable[IntArray]
) -> Iterator[_Scored | None]:
    """The function of each block, in order; one block a core, so products of matrices keep to one core each."""
    from threadpoolctl import threadpool_limits

    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with threadpool_limits(1), ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[_Scored | None]] = deque()
        for block in blocks:
            waiting.append(pool.submit(function, block))
            # No more than is being worked on: a finished block is large.
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class _Sums:
    """What `ratio_jackknife` needs of one model, by metric."""

    def __init__(self, groups: int, columns: int) -> None:
        self.own = {key: np.zeros((groups, columns)) for key in RETRIEVAL_METRICS}
        self.effect = {key: np.zeros((groups, columns)) for key in RETRIEVAL_METRICS}
        self.squared = {key: np.zeros(columns) for key in RETRIEVAL_METRICS}

    def add(
        self,
        groups: IntArray,
        columns: FloatArray,
        scores: Mapping[MetricKey, FloatArray],
        effects: Mapping[MetricKey, Any],
        keyed: _Keys | None,
    ) -> None:
        """Add a block of queries; `effects` are [queries, groups], `keyed` is there where queries share groups."""
        for key in RETRIEVAL_METRICS:
            np.add.at(self.own[key], groups, columns * scores[key][:, None])
            # Average precision depends on every candidate; the other figures on few, so theirs are sparse.
            together = effects[key] if keyed is None else keyed.sums @ effects[key]
            weights = columns.T if keyed is None else keyed.columns
            by_column = weights @ together
            self.effect[key] += (by_column if isinstance(by_column, np.ndarray) else by_column.toarray()).T
            if isinstance(together, np.ndarray):
                squares = np.einsum("ij,ij->i", together, together)
            else:
                squares = np.asarray(together.power(2).sum(axis=1)).reshape(-1)
            self.squared[key] += weights @ squares


@dataclass(frozen=True)
class _Keys:
    """Queries of a block by group and column: [keys, queries] sums them, [columns, keys] says whose they are."""

    sums: Any
    columns: Any


def _keys(groups: IntArray, columns: FloatArray) -> _Keys:
    from scipy.sparse import csr_matrix

    query, column = np.nonzero(columns)
    width = columns.shape[1]
    keys, key_of = np.unique(groups[query] * width + column, return_inverse=True)
    ones = np.ones(len(query))
    sums = csr_matrix((ones, (key_of.reshape(-1), query)), shape=(len(keys), len(groups)))
    own = csr_matrix((np.ones(len(keys)), (keys % width, np.arange(len(keys)))), shape=(width, len(keys)))
    return _Keys(sums, own)


class _CandidateGroups:
    """Candidates in the order of their groups, so that sums by group are sums of slices."""

    def __init__(self, groups: IntArray, count: int) -> None:
        self.of = groups
        self.count = count
        self.largest = int(np.bincount(groups).max())
        order = np.argsort(groups, kind="stable")
        self._place = np.empty(len(groups), dtype=np.int64)
        self._place[order] = np.arange(len(groups))
        self._present, self._starts = np.unique(groups[order], return_index=True)

    def sums(self, order: IntArray, values: FloatArray) -> FloatArray:
        """Values [queries, ranks] of ranked candidates, summed by group. [queries, groups]."""
        summed = np.zeros((len(order), self.count))
        if self.largest == 1:
            np.put_along_axis(summed, self.of[order], values, axis=1)
            return summed
        placed = np.zeros((len(order), len(self.of)))
        np.put_along_axis(placed, self._place[order], values, axis=1)
        summed[:, self._present] = np.add.reduceat(placed, self._starts, axis=1)
        return summed

    def sole_group(self, gains: FloatArray, own: IntArray) -> IntArray:
        """The only group that holds a relevant candidate, where it is not the query's own; else -1. [queries]."""
        query, candidate = np.nonzero(gains)
        starts = np.searchsorted(query, np.arange(len(gains)))
        found = self.of[candidate]
        lowest, highest = np.minimum.reduceat(found, starts), np.maximum.reduceat(found, starts)
        return np.where((lowest == highest) & (lowest != own), lowest, -1)


def _blocks(groups: IntArray, candidates: int) -> Iterator[IntArray]:
    """Queries in blocks that fit into memory, those that are alone in their group first.

    All queries of a group are in one block.
    """
    step = rows_per_block(candidates * 2 * BYTES_PER_CANDIDATE)
    order = np.lexsort((groups, np.bincount(groups)[groups] > 1))
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    first = 0
    while first < len(order):
        later = starts[starts >= first + step]
        stop = int(later[0]) if len(later) else len(order)
        yield order[first:stop]
        first = stop


def _changes(
    ranked: Ranked,
    scores: Mapping[MetricKey, FloatArray],
    sole: IntArray,
    own: IntArray,
    groups: _CandidateGroups,
) -> dict[MetricKey, Any]:
    """By how much each query's score falls when the candidates of each other group leave. [queries, groups] each."""
    effects: dict[MetricKey, Effects] = {
        ("precision", cutoff): precision_effects(ranked, groups.of, cutoff, cutoff + groups.largest)
        for cutoff in PRECISION_CUTOFFS
    }
    effects["mrr", None] = reciprocal_rank_effects(ranked, groups.of)
    effects["ndcg", NDCG_CUTOFF] = gain_effects(
        ranked, groups.of, scores["ndcg", NDCG_CUTOFF], NDCG_CUTOFF + groups.largest
    )
    found = {key: _sparse(effect, sole, own, scores[key], groups.count) for key, effect in effects.items()}
    average = groups.sums(ranked.order, average_precision_effects(ranked))
    rows = np.arange(len(own))
    leaving = sole >= 0
    average[rows[leaving], sole[leaving]] = scores["map", None][leaving]
    average[rows, own] = 0.0
    found["map", None] = average
    return found


def _sparse(effect: Effects, sole: IntArray, own: IntArray, scores: FloatArray, groups: int) -> Any:
    """Effects as a sparse matrix [queries, groups]: without the query's own group, and with that of `sole` whole."""
    from scipy.sparse import csr_matrix

    query, group, value = effect
    kept = (group != sole[query]) & (group != own[query])
    leaving = np.flatnonzero(sole >= 0)
    return csr_matrix(
        (
            np.concatenate([value[kept], scores[leaving]]),
            (np.concatenate([query[kept], leaving]), np.concatenate([group[kept], sole[leaving]])),
        ),
        shape=(len(own), groups),
    )
