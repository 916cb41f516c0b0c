"""Retrieval figures with everything an interval needs: what each query scores, and what each candidate does to it.

Leaving out a candidate moves up those behind it, and nothing else. So the change of a query's score is read off its
ranking, for all candidates at once, and no figure is computed from scratch. Where several candidates of one group leave
together, what each does to the best possible order (nDCG) and to average precision is added up; the rest is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np

from medembed_pipeline.evaluation.effects import (
    Effects,
    Leading,
    average_precision_effects,
    gain_effects,
    leading_candidates,
    precision_effects,
    reciprocal_rank_effects,
)
from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline.evaluation.jackknife import Jackknife, ratio_jackknife
from medembed_pipeline.evaluation.metric_names import MetricKey
from medembed_pipeline.evaluation.pieces import pieces
from medembed_pipeline.evaluation.retrieval import (
    NDCG_CUTOFF,
    PRECISION_CUTOFFS,
    RETRIEVAL_METRICS,
    Ranked,
    Wanted,
    rank_candidates,
    ranked,
    ranking_scores,
)
from medembed_pipeline.evaluation.vectors import PER_BLOCK, FloatArray, IntArray, rows_per_block
from medembed_pipeline.threads import in_threads

Similarities = Callable[[IntArray], FloatArray]
"""Queries, by number, -> float64 [those, candidates], a fresh array."""

MOST_QUERIES = 512
"""Of a block: more make its products no faster, and leave a core without work at the end."""

AVERAGE_PRECISION: MetricKey = ("map", None)

_Part = TypeVar("_Part", Ranked, Leading)


@dataclass(frozen=True)
class BlockSums:
    """What a block of queries adds to the figures.

    Attributes
    ----------
    queries
        int64 [q], those that have something to find.
    sole
        int64 [q], the only group that has what a query is to find, where it is not the query's own; else -1.
    scores
        by model and metric, float64 [q].
    effects
        by model and metric but `map`, what groups do to the queries of each column: places in an array [columns,
        groups] that is laid out flat, each once, and sums.
    average_effects
        by model the same of `map`, float64 [columns, groups]: it depends on every candidate.
    squares
        by model or contrast and metric, float64 [columns], see `ratio_jackknife`.
    """

    queries: IntArray
    sole: IntArray
    scores: dict[str, dict[MetricKey, FloatArray]]
    effects: dict[str, dict[MetricKey, tuple[IntArray, FloatArray]]]
    average_effects: dict[str, FloatArray]
    squares: dict[str, dict[MetricKey, FloatArray]]


Scored = Callable[[IntArray], BlockSums | None]
"""Queries, by number -> what they add; None where none of them has anything to find."""

Blocks = Callable[[Scored, Iterable[IntArray]], Iterable[BlockSums | None]]
"""Applies a function to blocks of queries: its results in their order."""


def ranking_figures(
    similarities: Mapping[str, Similarities],
    gains: Similarities,
    *,
    query_groups: IntArray,
    candidate_groups: IntArray,
    scopes: FloatArray | None = None,
    own_candidate: IntArray | None = None,
    contrasts: Sequence[tuple[str, str]] = (),
    blocks: Blocks | None = None,
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
    blocks
        how blocks of queries are scored; by default in threads of this process.

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
    scorer = BlockScorer(
        similarities,
        gains,
        query_groups=query_groups,
        candidate_groups=candidate_groups,
        scopes=scopes,
        own_candidate=own_candidate,
        contrasts=contrasts,
    )
    columns = scorer.columns
    shape = columns.shape[1], scorer.groups
    names = [*similarities, *(f"{one}-{other}" for one, other in contrasts)]
    sizes, lost = np.zeros(shape[::-1]), np.zeros(shape[::-1])
    sums: dict[str, dict[MetricKey, FloatArray]]
    effects: dict[str, dict[MetricKey, FloatArray]]
    sums = {model: {key: np.zeros(shape[::-1]) for key in RETRIEVAL_METRICS} for model in similarities}
    effects = {model: {key: np.zeros(shape) for key in RETRIEVAL_METRICS} for model in similarities}
    squares = {name: {key: np.zeros(shape[0]) for key in RETRIEVAL_METRICS} for name in names}
    for found in (blocks or in_threads)(scorer.score, in_blocks(query_groups, candidates)):
        if found is None:
            continue
        own_groups, own_columns = query_groups[found.queries], columns[found.queries]
        np.add.at(sizes, own_groups, own_columns)
        leaving = found.sole >= 0
        np.add.at(lost, found.sole[leaving], own_columns[leaving])
        for model in similarities:
            for key, scores in found.scores[model].items():
                np.add.at(sums[model][key], own_groups, own_columns * scores[:, None])
            for key, (places, effect) in found.effects[model].items():
                effects[model][key].reshape(-1)[places] += effect
            effects[model][AVERAGE_PRECISION] += found.average_effects[model]
        for name in names:
            for key, square in found.squares[name].items():
                squares[name][key] += square
    for one, other in contrasts:
        for of_models in (sums, effects):
            of_models[f"{one}-{other}"] = {
                key: of_models[one][key] - of_models[other][key] for key in RETRIEVAL_METRICS
            }
    return {
        name: {
            key: ratio_jackknife(
                sums[name][key],
                sizes,
                effect=effects[name][key].T,
                lost=lost,
                squared_effects=squares[name][key],
            )
            for key in RETRIEVAL_METRICS
        }
        for name in names
    }


class BlockScorer:
    """Scores blocks of queries. Parameters as of `ranking_figures`.

    The products of a block are made at once. What follows is many steps on a few queries at a time, so that what one
    step wrote is near the core when the next one reads it.
    """

    def __init__(
        self,
        similarities: Mapping[str, Similarities],
        gains: Similarities,
        *,
        query_groups: IntArray,
        candidate_groups: IntArray,
        scopes: FloatArray | None = None,
        own_candidate: IntArray | None = None,
        contrasts: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._similarities = similarities
        self._gains = gains
        self._query_groups = query_groups
        self._own_candidate = own_candidate
        self._contrasts = contrasts
        all_queries = np.ones((len(query_groups), 1))
        self.columns = all_queries if scopes is None else np.hstack([all_queries, scopes])
        self.groups = 1 + int(max(query_groups.max(), candidate_groups.max()))
        self._candidate_groups = _CandidateGroups(candidate_groups, self.groups)

    def score(self, block: IntArray) -> BlockSums | None:
        """What a block of queries adds, all of a group among them; see `Scored`."""
        from scipy.sparse import csr_matrix

        # Similarities; as each is ranked, what each group does to the average precision takes their place.
        average = {model: similarity(block) for model, similarity in self._similarities.items()}
        heads: dict[str, list[Ranked]] = {model: [] for model in average}
        leading: dict[str, list[Leading]] = {model: [] for model in average}
        asked: list[IntArray] = []
        soles: list[IntArray] = []
        squares: dict[str, dict[MetricKey, FloatArray]] = {
            name: {AVERAGE_PRECISION: np.zeros(self.columns.shape[1])} for name in self._names()
        }
        step = rows_per_block(PER_BLOCK * 8 * len(self._candidate_groups.of))
        for part in pieces(self._query_groups[block], step):
            gains = self._gains(block[part])
            if self._own_candidate is not None:
                gains[np.arange(len(gains)), self._own_candidate[block[part]]] = 0.0
            relevant = gains > 0
            answered = relevant.any(axis=1)
            effects = {model: similarity[part] for model, similarity in average.items()}
            if not answered.all():
                for effect in effects.values():
                    effect[~answered] = 0.0
                effects = {model: one[answered] for model, one in effects.items()}
            if not answered.any():
                continue
            queries, wanted = block[part][answered], Wanted(gains[answered], relevant[answered])
            asked.append(queries)
            soles.append(self._candidate_groups.sole_group(wanted, self._query_groups[queries]))
            for model, effect in effects.items():
                self._rank(effect, wanted, queries, soles[-1], heads[model], leading[model])
                if not answered.all():
                    average[model][part][answered] = effect
            keys = _Keys(self._query_groups[queries], self.columns[queries])
            for name, effect in self._and_contrasts(effects):
                squares[name][AVERAGE_PRECISION] += keys.squares(effect)
        if not asked:
            return None
        queries, sole = np.concatenate(asked), np.concatenate(soles)
        groups, columns = self._query_groups[queries], self.columns[queries]
        scores: dict[str, dict[MetricKey, FloatArray]] = {}
        changes: dict[str, dict[MetricKey, Any]] = {}
        for model in average:
            found = _joined(heads[model])
            scores[model] = ranking_scores(found)
            changes[model] = self._changes(found, _joined(leading[model]), scores[model], sole, groups)
        keys = _Keys(groups, columns)
        for key in next(iter(changes.values())):
            for name, change in self._and_contrasts({model: one[key] for model, one in changes.items()}):
                squares[name][key] = keys.squares(change)
        # Few queries of a block belong to a column.
        own_columns = csr_matrix(self.columns[block].T)
        by_group = self._candidate_groups.by_group
        return BlockSums(
            queries,
            sole,
            scores,
            {
                model: {key: _entries(columns, change) for key, change in of_model.items()}
                for model, of_model in changes.items()
            },
            {model: by_group(own_columns @ effect) for model, effect in average.items()},
            squares,
        )

    def _names(self) -> list[str]:
        return [*self._similarities, *(f"{one}-{other}" for one, other in self._contrasts)]

    def _and_contrasts(self, of_models: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        yield from of_models.items()
        for one, other in self._contrasts:
            yield f"{one}-{other}", of_models[one] - of_models[other]

    def _rank(
        self,
        similarity: FloatArray,
        wanted: Wanted,
        queries: IntArray,
        sole: IntArray,
        heads: list[Ranked],
        leading: list[Leading],
    ) -> None:
        """Rank some queries' candidates, and overwrite `similarity` by what each group does to average precision.

        A group's effect stands where its first candidate is.
        """
        groups = self._candidate_groups
        own = None if self._own_candidate is None else self._own_candidate[queries]
        ranking = rank_candidates(similarity, wanted, own=own)
        heads.append(ranked(ranking, wanted, nearest=NDCG_CUTOFF + groups.largest))
        leading.append(leading_candidates(ranking, wanted, groups.of, groups.largest))
        rows = np.arange(len(queries))
        if own is not None:
            similarity[rows, own] = 0.0
        similarity.reshape(-1)[ranking.places.reshape(-1)] = average_precision_effects(ranking, wanted)
        groups.add_up(similarity)
        leaving = np.flatnonzero(sole >= 0)
        similarity[leaving, groups.first[sole[leaving]]] = (heads[-1].precisions / wanted.total)[leaving]
        first = groups.first[self._query_groups[queries]]
        similarity[rows[first >= 0], first[first >= 0]] = 0.0

    def _changes(
        self,
        found: Ranked,
        leading: Leading,
        scores: Mapping[MetricKey, FloatArray],
        sole: IntArray,
        own: IntArray,
    ) -> dict[MetricKey, Any]:
        """By how much each score but average precision falls when another group leaves. [queries, groups] each."""
        groups = self._candidate_groups
        effects: dict[MetricKey, Effects] = {
            ("precision", cutoff): precision_effects(found, groups.of, cutoff, cutoff + groups.largest)
            for cutoff in PRECISION_CUTOFFS
        }
        effects["mrr", None] = reciprocal_rank_effects(found.first, leading)
        effects["ndcg", NDCG_CUTOFF] = gain_effects(
            found, groups.of, scores["ndcg", NDCG_CUTOFF], NDCG_CUTOFF + groups.largest
        )
        return {key: _sparse(effect, sole, own, scores[key], self.groups) for key, effect in effects.items()}


def _joined(parts: Sequence[_Part]) -> _Part:
    """What was had of some queries after the other, together."""
    return type(parts[0])(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(parts[0]))
    )


def _entries(columns: FloatArray, change: Any) -> tuple[IntArray, FloatArray]:
    """Sums over the queries of each column, as in `BlockSums.effects`."""
    from scipy.sparse import csr_matrix

    summed = (csr_matrix(columns.T) @ change).tocoo()
    return summed.row.astype(np.int64) * summed.shape[1] + summed.col, summed.data


class _Keys:
    """Sums of what a group does to the queries of one group and column, and of their squares."""

    def __init__(self, groups: IntArray, columns: FloatArray) -> None:
        from scipy.sparse import csr_matrix

        self._columns: Any = columns.T
        self._sums: Any = None
        if len(np.unique(groups)) == len(groups):
            return
        query, column = np.nonzero(columns)
        width = columns.shape[1]
        keys, key_of = np.unique(groups[query] * width + column, return_inverse=True)
        shape = len(keys), len(groups)
        self._sums = csr_matrix((np.ones(len(query)), (key_of.reshape(-1), query)), shape=shape)
        own = keys % width, np.arange(len(keys))
        self._columns = csr_matrix((np.ones(len(keys)), own), shape=(width, len(keys)))

    def squares(self, effect: Any) -> FloatArray:
        """By column, the squares of effects [queries, groups], those on one group's queries summed. [columns]."""
        together = effect if self._sums is None else self._sums @ effect
        if isinstance(together, np.ndarray):
            return np.asarray(self._columns @ np.einsum("ij,ij->i", together, together))
        return np.asarray(self._columns @ np.asarray(together.power(2).sum(axis=1)).reshape(-1))


class _CandidateGroups:
    """The groups of the candidates.

    Attributes
    ----------
    of
        int64 [candidates].
    first
        int64 [groups], the first candidate of each; -1 for none.
    largest
        candidates of the largest group.
    """

    def __init__(self, groups: IntArray, count: int) -> None:
        self.of = groups
        self._present, firsts = np.unique(groups, return_index=True)
        self.first = np.full(count, -1)
        self.first[self._present] = firsts
        sizes = np.bincount(groups, minlength=count)
        self.largest = int(sizes.max())
        order = np.argsort(groups, kind="stable")
        self._several = order[sizes[groups[order]] > 1]
        self._starts = np.flatnonzero(np.diff(groups[self._several], prepend=-1))

    def add_up(self, values: FloatArray) -> None:
        """Put the sum of a group's values, [queries, candidates], where its first candidate is, and 0 at its others."""
        if not len(self._several):
            return
        sums = np.add.reduceat(np.take(values, self._several, axis=1), self._starts, axis=1)
        row_starts = values.shape[1] * np.arange(len(values))[:, None]
        flat = values.reshape(-1)
        flat[row_starts + self._several] = 0.0
        flat[row_starts + self._several[self._starts]] = sums

    def by_group(self, values: FloatArray) -> FloatArray:
        """Values [columns, candidates], each where a group's first candidate is, as [columns, groups]."""
        found = np.zeros((len(values), len(self.first)))
        found[:, self._present] = values[:, self.first[self._present]]
        return found

    def sole_group(self, wanted: Wanted, own: IntArray) -> IntArray:
        """The only group that holds a relevant candidate, where it is not the query's own; else -1. [queries]."""
        found = self.of[wanted.candidate]
        lowest = np.minimum.reduceat(found, wanted.starts)
        highest = np.maximum.reduceat(found, wanted.starts)
        return np.where((lowest == highest) & (lowest != own), lowest, -1)


def in_blocks(groups: IntArray, candidates: int) -> Iterator[IntArray]:
    """Queries in blocks whose products fit into memory, those that are alone in their group first.

    All queries of a group are in one block.
    """
    order = np.lexsort((groups, np.bincount(groups)[groups] > 1))
    for piece in pieces(groups[order], min(MOST_QUERIES, rows_per_block(8 * candidates))):
        yield order[piece]


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
