"""Retrieval figures with everything an interval needs: what each query scores, and what each candidate does to it.

Leaving out a candidate moves up those behind it, and nothing else. So the change of a query's score is read off its
ranking, for all candidates at once, and no figure is computed from scratch. Where several candidates of one group leave
together, precision and reciprocal rank are exact; in nDCG and average precision their changes are added up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline.evaluation.jackknife import Jackknife, ratio_jackknife
from medembed_pipeline.evaluation.retrieval import (
    BYTES_PER_CANDIDATE,
    NDCG_CUTOFF,
    PRECISION_CUTOFFS,
    RETRIEVAL_METRICS,
    MetricKey,
    discounted,
    largest,
    ranked_candidates,
    ranking_scores,
)
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray, rows_per_block

Similarities = Callable[[IntArray], FloatArray]
"""Queries, by number, -> float64 [those, candidates], a fresh array."""

_Effects = tuple[IntArray, IntArray, FloatArray]
"""Query, group, and by how much the query's score falls when the group's candidates leave."""

_DISCOUNTS = 1.0 / np.log2(np.arange(2, NDCG_CUTOFF + 2))


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

    Args:
        similarities: by model: queries -> similarity of each to every candidate.
        gains: queries -> gain of every candidate for each, 0 where it is not relevant; the same for all models.
        query_groups: int64 [queries], group of each query, from 0.
        candidate_groups: int64 [candidates], in the same numbering. A group leaves with its queries and candidates.
        scopes: float64 [queries, s], 1.0 where a query belongs to the scope; figures of its queries among all
            candidates.
        own_candidate: int64 [queries], the candidate that is the query itself and is never ranked.
        contrasts: pairs (model, other) whose paired difference is wanted.

    Returns:
        By model, and by "model-other" for each contrast: metric -> figures, column 0 over all queries, then the
        scopes. Queries without a relevant candidate take no part.

    Raises:
        EvaluationError: there is no query, or no candidate to rank.
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
    for block in _blocks(query_groups, candidates):
        wanted = gains(block)
        own = None if own_candidate is None else own_candidate[block]
        if own is not None:
            wanted[np.arange(len(block)), own] = 0.0
        answered = (wanted > 0).any(axis=1)
        block, wanted = block[answered], wanted[answered]
        own = None if own is None else own[answered]
        if not len(block):
            continue
        keyed = _keys(query_groups[block], columns[block])
        sole = by_group.sole_group(wanted, query_groups[block])
        np.add.at(sizes, query_groups[block], columns[block])
        leaving = sole >= 0
        np.add.at(lost, sole[leaving], columns[block[leaving]])
        ideal = largest(wanted, NDCG_CUTOFF + 1)
        changes: dict[str, dict[MetricKey, Any]] = {}
        scores: dict[str, dict[MetricKey, FloatArray]] = {}
        for model, similarity in similarities.items():
            order = ranked_candidates(similarity(block), own=own)
            ranked = np.take_along_axis(wanted, order, axis=1)
            scores[model] = ranking_scores(ranked, ideal)
            changes[model] = _effects(
                order, ranked, wanted, ideal, scores[model], sole, query_groups[block], by_group
            )
        for one, other in contrasts:
            name = f"{one}-{other}"
            scores[name] = {key: scores[one][key] - scores[other][key] for key in RETRIEVAL_METRICS}
            changes[name] = {key: changes[one][key] - changes[other][key] for key in RETRIEVAL_METRICS}
        for name in names:
            sums[name].add(query_groups[block], columns[block], scores[name], changes[name], keyed)
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
        keyed: _Keys,
    ) -> None:
        """Add a block of queries; `effects` are [queries, groups], sparse or dense."""
        for key in RETRIEVAL_METRICS:
            np.add.at(self.own[key], groups, columns * scores[key][:, None])
            # Average precision depends on every candidate; the other figures on few, so theirs are sparse.
            together = keyed.sums @ effects[key]
            by_column = keyed.columns @ together
            squares = np.square(together) if isinstance(together, np.ndarray) else together.power(2)
            self.effect[key] += (by_column if isinstance(by_column, np.ndarray) else by_column.toarray()).T
            self.squared[key] += keyed.columns @ np.asarray(squares.sum(axis=1)).reshape(-1)


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
        self._order = np.argsort(groups, kind="stable")
        self._place = np.empty(len(groups), dtype=np.int64)
        self._place[self._order] = np.arange(len(groups))
        self._present, self._starts = np.unique(groups[self._order], return_index=True)

    def sums(self, order: IntArray, values: FloatArray) -> FloatArray:
        """Values [queries, ranks] of ranked candidates, summed by group. [queries, groups]."""
        placed = np.zeros((len(order), len(self.of)))
        np.put_along_axis(placed, self._place[order], values, axis=1)
        summed = np.zeros((len(order), self.count))
        summed[:, self._present] = (
            placed if len(self._present) == len(self.of) else np.add.reduceat(placed, self._starts, axis=1)
        )
        return summed

    def sole_group(self, gains: FloatArray, own: IntArray) -> IntArray:
        """The only group that holds a relevant candidate, where it is not the query's own; else -1. [queries]."""
        query, candidate = np.nonzero(gains)
        starts = np.searchsorted(query, np.arange(len(gains)))
        found = self.of[candidate]
        lowest, highest = np.minimum.reduceat(found, starts), np.maximum.reduceat(found, starts)
        return np.where((lowest == highest) & (lowest != own), lowest, -1)


def _blocks(groups: IntArray, candidates: int) -> Iterator[IntArray]:
    """Queries in blocks that fit into memory; all queries of a group are in one block."""
    order = np.argsort(groups, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(groups[order])) + 1, len(order))
    step = rows_per_block(candidates * 2 * BYTES_PER_CANDIDATE)
    start = 0
    while start < len(order):
        within = ends[(ends > start) & (ends <= start + step)]
        stop = int(within[-1]) if len(within) else int(ends[ends > start][0])
        yield order[start:stop]
        start = stop


def _effects(
    order: IntArray,
    ranked: FloatArray,
    gains: FloatArray,
    ideal: FloatArray,
    scores: Mapping[MetricKey, FloatArray],
    sole: IntArray,
    own: IntArray,
    groups: _CandidateGroups,
) -> dict[MetricKey, Any]:
    """By how much each query's score falls when the candidates of each other group leave. [queries, groups] each."""
    relevant = ranked > 0
    total = relevant.sum(axis=1)
    group = groups.of[order]
    effects: dict[MetricKey, _Effects] = {}
    for cutoff in PRECISION_CUTOFFS:
        effects["precision", cutoff] = _precision_effects(group, relevant, cutoff, cutoff + groups.largest)
    effects["mrr", None] = _reciprocal_rank_effects(group, relevant)
    query, candidate, value = _gain_effects(order, ranked, gains, ideal, scores["ndcg", NDCG_CUTOFF])
    effects["ndcg", NDCG_CUTOFF] = query, groups.of[candidate], value
    found = {key: _sparse(effect, sole, own, scores[key], groups.count) for key, effect in effects.items()}
    average = groups.sums(order, _average_precision_effects(relevant, total))
    rows = np.arange(len(order))
    leaving = sole >= 0
    average[rows[leaving], sole[leaving]] = scores["map", None][leaving]
    average[rows, own] = 0.0
    found["map", None] = average
    return found


def _sparse(effect: _Effects, sole: IntArray, own: IntArray, scores: FloatArray, groups: int) -> Any:
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


def _precision_effects(group: IntArray, relevant: BoolArray, cutoff: int, window: int) -> _Effects:
    """A group among the first k that leaves makes room for those behind it."""
    width = min(cutoff, relevant.shape[1])
    near, found = group[:, :window], relevant[:, :window]
    now = relevant[:, :width].sum(axis=1)
    values = np.zeros((len(group), width))
    for rank in range(width):
        stays = near != near[:, rank, None]
        left = found & stays & (np.cumsum(stays, axis=1) <= cutoff)
        values[:, rank] = (now - left.sum(axis=1)) / cutoff
        # A group counts where it is met first.
        values[(near[:, :rank] == near[:, rank, None]).any(axis=1), rank] = 0.0
    query, rank = np.nonzero(values)
    return query, near[query, rank], values[query, rank]


def _reciprocal_rank_effects(group: IntArray, relevant: BoolArray) -> _Effects:
    """Groups before the first relevant candidate hold it back; without its own group, another's is the first."""
    rows, places = np.arange(len(group)), np.arange(relevant.shape[1])
    first = relevant.argmax(axis=1)
    own = group[rows, first]
    of_own = group == own[:, None]
    others = relevant & ~of_own
    second = others.argmax(axis=1)
    held_back = second - (of_own & (places < second[:, None])).sum(axis=1)
    instead = np.where(others[rows, second], 1.0 / (held_back + 1), 0.0)
    query, rank = np.nonzero((places < first[:, None]) & ~of_own)
    pairs, count = np.unique(np.stack([query, group[query, rank]]), axis=1, return_counts=True)
    query = pairs[0]
    before = 1.0 / (first[query] + 1) - 1.0 / (first[query] + 1 - count)
    return (
        np.concatenate([query, rows]),
        np.concatenate([pairs[1], own]),
        np.concatenate([before, 1.0 / (first + 1) - instead]),
    )


def _gain_effects(
    order: IntArray, ranked: FloatArray, gains: FloatArray, ideal: FloatArray, scores: FloatArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Query, candidate, effect: one that leaves moves up those behind it, in the ranking and in the best possible order alike."""
    now, without = _without_each(ranked)
    best, best_without = _without_each(ideal)
    width = min(NDCG_CUTOFF, order.shape[1])
    near = order[:, :width]
    # Of equal gains it does not matter which leaves; one that is as large as the eleventh is replaced by its equal.
    place = (ideal[:, None, :] >= ranked[:, :width, None]).sum(axis=2)
    near_ideal = _ideal_without(best, best_without, ideal, ranked[:, :width], place)
    near_value = scores[:, None] - np.divide(
        without[:, :width], near_ideal, out=np.zeros_like(near_ideal), where=near_ideal > 0
    )
    # Candidates further down count where the best possible order holds them among its first ten.
    cut = max(0, gains.shape[1] - NDCG_CUTOFF)
    far = (
        np.argpartition(gains, cut, axis=1)[:, cut:]
        if cut
        else np.tile(np.arange(gains.shape[1]), (len(gains), 1))
    )
    far_gain = np.take_along_axis(gains, far, axis=1)
    far_place = (ideal[:, None, :] >= far_gain[:, :, None]).sum(axis=2)
    far_ideal = _ideal_without(best, best_without, ideal, far_gain, far_place)
    far_value = scores[:, None] - np.divide(
        now[:, None], far_ideal, out=np.zeros_like(far_ideal), where=far_ideal > 0
    )
    counted = (far_gain > 0) & ~(far[:, :, None] == near[:, None, :]).any(axis=2)
    query, column = np.nonzero(np.where(counted, far_value, 0.0))
    near_query, near_column = np.nonzero(near_value)
    return (
        np.concatenate([near_query, query]),
        np.concatenate([near[near_query, near_column], far[query, column]]),
        np.concatenate([near_value[near_query, near_column], far_value[query, column]]),
    )


def _without_each(gains: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Discounted gain of the first ten columns, [q], and without each of them, [q, 10]."""
    wide = np.zeros((len(gains), NDCG_CUTOFF + 1))
    width = min(gains.shape[1], NDCG_CUTOFF + 1)
    wide[:, :width] = gains[:, :width]
    here, moved_up = wide[:, :-1] * _DISCOUNTS, wide[:, 1:] * _DISCOUNTS
    before = np.cumsum(here, axis=1) - here
    behind = np.cumsum(moved_up[:, ::-1], axis=1)[:, ::-1]
    return discounted(gains), before + behind


def _ideal_without(
    best: FloatArray, without: FloatArray, ideal: FloatArray, gains: FloatArray, place: IntArray
) -> FloatArray:
    """The best possible discounted gain without a candidate of such a gain, `place` from 1 in the best order."""
    inside = (gains > 0) & (place <= NDCG_CUTOFF) & (place <= ideal.shape[1])
    return np.where(
        inside, np.take_along_axis(without, np.clip(place - 1, 0, NDCG_CUTOFF - 1), axis=1), best[:, None]
    )


def _average_precision_effects(relevant: BoolArray, total: IntArray) -> FloatArray:
    """Of every ranked candidate; see `_gain_effects`. float64 [queries, ranks].

    With h relevant candidates among the first r ranks, average precision is the sum of h / r over relevant ranks,
    divided by their number R. Without an irrelevant candidate every later term is h / (r - 1); without a relevant
    one it is (h - 1) / (r - 1), its own term is gone, and R is one less.
    """
    ranks = np.arange(1, relevant.shape[1] + 1, dtype=np.float64)
    hits = np.cumsum(relevant, axis=1, dtype=np.float64)
    terms = np.where(relevant, hits / ranks, 0.0)
    whole = terms.sum(axis=1, keepdims=True)
    nearer = ranks - 1.0
    nearer[0] = 1.0  # nothing is before the first rank, so its terms are never asked for
    gain = _behind(terms / nearer)
    fall = _behind(relevant / nearer)
    number = total[:, None].astype(np.float64)
    left = np.divide(whole - terms + gain - fall, number - 1.0, out=np.zeros_like(terms), where=number > 1)
    return np.where(relevant, whole / number - left, -gain / number)


def _behind(values: FloatArray) -> FloatArray:
    """Sums of the columns behind each column."""
    return np.cumsum(values[:, ::-1], axis=1)[:, ::-1] - values
