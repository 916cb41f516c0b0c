"""Figures without each group against brute force: the group is really taken out, and the rest is ranked and scored
again by loops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline.evaluation.jackknife import Jackknife
from medembed_pipeline.evaluation.rankings import ranking_figures
from medembed_pipeline.evaluation.retrieval import RETRIEVAL_METRICS, MetricKey
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray

MODELS = ("first", "second")
CONTRAST = "first-second"
EXACT_IN_GROUPS = [key for key in RETRIEVAL_METRICS if key[0] in ("precision", "mrr")]
ADDED_UP = [key for key in RETRIEVAL_METRICS if key[0] in ("ndcg", "map")]

Scores = dict[MetricKey, float]


@dataclass(frozen=True)
class Search:
    """Queries, candidates and two models of how similar they are."""

    similarity: dict[str, FloatArray]
    gains: FloatArray
    query_groups: IntArray
    candidate_groups: IntArray
    scopes: FloatArray
    own: IntArray | None

    def figures(self) -> dict[str, dict[MetricKey, Jackknife]]:
        return ranking_figures(
            {model: partial(_rows, matrix) for model, matrix in self.similarity.items()},
            partial(_rows, self.gains),
            query_groups=self.query_groups,
            candidate_groups=self.candidate_groups,
            scopes=self.scopes,
            own_candidate=self.own,
            contrasts=[MODELS],
        )

    def scores(self, model: str, query: int, without: int | None = None) -> Scores | None:
        """One query's scores among the candidates that are left; None where it has nothing to find."""
        left = [
            (-round(float(self.similarity[model][query, candidate]), 9), candidate)
            for candidate in range(len(self.candidate_groups))
            if self.candidate_groups[candidate] != without
            and (self.own is None or candidate != self.own[query])
        ]
        gains = [float(self.gains[query, candidate]) for _, candidate in sorted(left)]
        ranks = [rank for rank, gain in enumerate(gains, 1) if gain > 0]
        if not ranks:
            return None
        found: Scores = {("precision", k): sum(rank <= k for rank in ranks) / k for k in (1, 5, 10)}
        found["mrr", None] = 1 / ranks[0]
        found["map", None] = sum(hits / rank for hits, rank in enumerate(ranks, 1)) / len(ranks)
        best = sorted(gains, reverse=True)
        found["ndcg", 10] = _dcg(gains) / _dcg(best)
        return found

    def brute(self, model: str, without: int | None = None) -> dict[MetricKey, FloatArray]:
        """The figures of all queries and of each scope, without a group."""
        asking = [row for row, group in enumerate(self.query_groups) if group != without]
        scored = {row: self.scores(model, row, without) for row in asking}
        found: dict[MetricKey, FloatArray] = {}
        for key in RETRIEVAL_METRICS:
            columns = []
            for column in range(1 + self.scopes.shape[1]):
                values = [
                    one[key]
                    for row, one in scored.items()
                    if one is not None and (column == 0 or self.scopes[row, column - 1])
                ]
                columns.append(np.mean(values) if values else np.nan)
            found[key] = np.array(columns)
        return found

    def groups(self) -> int:
        return 1 + int(max(self.query_groups.max(), self.candidate_groups.max()))


def _rows(matrix: FloatArray, rows: IntArray) -> FloatArray:
    return np.array(matrix[rows])


def _dcg(gains: list[float]) -> float:
    return float(sum(gain / np.log2(rank + 1) for rank, gain in enumerate(gains[:10], 1)))


def jaccard_gains(queries: FloatArray, candidates: FloatArray) -> FloatArray:
    shared = queries @ candidates.T
    union = np.maximum(queries[:, None, :], candidates[None, :, :]).sum(axis=2)
    return np.asarray(shared / np.maximum(union, 1))


def notes_among_themselves(count: int, seed: int, *, group_size: float = 0.0, labels: int = 4) -> Search:
    """Notes with sets of labels that search each other; half the draws have ties."""
    random = np.random.default_rng(seed)
    sets = (random.random((count, labels)) < 0.35).astype(float)
    sets[sets.sum(axis=1) == 0, 0] = 1
    similarity = {}
    for model in MODELS:
        rows = random.normal(size=(count, 4)) + sets @ np.eye(labels, 4)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        matrix = np.clip(rows @ rows.T, -1, 1)
        similarity[model] = np.round(matrix, 1) if seed % 2 else matrix
    groups = np.arange(count)
    if group_size:
        groups = random.integers(max(1, int(count / group_size)), size=count)
    return Search(similarity, jaccard_gains(sets, sets), groups, groups, sets, np.arange(count))


def queries_and_candidates(queries: int, candidates: int, seed: int) -> Search:
    """A search of a task: graded gains, queries that share groups with one another and with some candidates."""
    random = np.random.default_rng(seed)
    gains = random.choice([0, 0, 0, 1, 0.5, 1 / 3], size=(queries, candidates))
    similarity = {model: random.uniform(-1, 1, size=(queries, candidates)) for model in MODELS}
    if seed % 2:
        similarity = {model: np.round(matrix, 1) for model, matrix in similarity.items()}
    candidate_groups = random.permutation(candidates + 3)[:candidates]
    query_groups = random.integers(candidates + 3, size=queries)
    scopes = (random.random((queries, 2)) < 0.5).astype(float)
    return Search(similarity, gains, query_groups, candidate_groups, scopes, None)


def assert_is_brute(search: Search, keys: list[MetricKey] | None = None) -> None:
    found = search.figures()
    keys = list(RETRIEVAL_METRICS) if keys is None else keys
    assert set(found) == {*MODELS, CONTRAST}
    for without in (None, *range(search.groups())):
        expected = {model: search.brute(model, without) for model in MODELS}
        expected[CONTRAST] = {key: expected["first"][key] - expected["second"][key] for key in keys}
        for name, figures in found.items():
            for key in keys:
                value = figures[key].value if without is None else figures[key].left_out[without]
                np.testing.assert_allclose(
                    value, expected[name][key], atol=1e-9, err_msg=f"{name} {key} without {without}"
                )


@given(st.integers(2, 26), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_notes_of_their_own_group_are_exact_in_every_figure_and_scope(count: int, seed: int) -> None:
    assert_is_brute(notes_among_themselves(count, seed))


@given(st.integers(2, 14), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_queries_whose_only_relevant_candidate_leaves_take_no_part(count: int, seed: int) -> None:
    """As many labels as notes, so that most labels are shared by two notes or none."""
    assert_is_brute(notes_among_themselves(count, seed, labels=max(2, count)))


@given(st.integers(1, 14), st.integers(1, 26), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_queries_that_search_other_candidates_are_exact(queries: int, candidates: int, seed: int) -> None:
    assert_is_brute(queries_and_candidates(queries, candidates, seed))


@given(st.integers(3, 26), st.floats(1.5, 6), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_groups_of_several_notes_are_exact_in_precision_and_reciprocal_rank(
    count: int, size: float, seed: int
) -> None:
    assert_is_brute(notes_among_themselves(count, seed, group_size=size), EXACT_IN_GROUPS)


@pytest.mark.parametrize("seed", [0, 2])
def test_groups_of_several_notes_are_near_in_the_other_figures(seed: int) -> None:
    search = notes_among_themselves(80, seed, group_size=3)
    found = search.figures()
    exact = {model: [search.brute(model, group) for group in range(search.groups())] for model in MODELS}
    for key in ADDED_UP:
        expected = {model: np.array([one[key] for one in exact[model]]) for model in MODELS}
        expected[CONTRAST] = expected["first"] - expected["second"]
        for name, values in expected.items():
            left_out, spread = found[name][key].left_out, values.std(axis=0)
            assert ((left_out - values).std(axis=0) < 0.3 * spread).all(), (name, key)
            np.testing.assert_allclose(left_out.std(axis=0), spread, rtol=0.15)


@given(st.integers(2, 14), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=12, deadline=None)
def test_what_is_counted_twice_is_what_each_candidate_does_to_each_groups_queries(
    count: int, seed: int, rectangular: bool
) -> None:
    search = queries_and_candidates(count, 9, seed) if rectangular else notes_among_themselves(count, seed)
    found = search.figures()
    columns = np.hstack([np.ones((len(search.query_groups), 1)), search.scopes])
    before = {m: [search.scores(m, row) for row in range(len(columns))] for m in MODELS}
    answered = np.array([one is not None for one in before["first"]])
    if not answered.any():
        return
    for key in RETRIEVAL_METRICS:
        # By model, group of the query, group of the candidates.
        changes = {name: np.zeros((columns.shape[1], search.groups(), search.groups())) for name in found}
        for row in np.flatnonzero(answered):
            for group in range(search.groups()):
                if group == search.query_groups[row]:
                    continue
                change = {}
                for model in MODELS:
                    own, after = before[model][row], search.scores(model, row, group)
                    assert own is not None
                    change[model] = own[key] - (after[key] if after is not None else 0.0)
                change[CONTRAST] = change["first"] - change["second"]
                for name, value in change.items():
                    changes[name][:, search.query_groups[row], group] += columns[row] * value
        number = columns[answered].sum(axis=0)
        for name, effects in changes.items():
            expected = np.square(effects).sum(axis=(1, 2)) / np.maximum(number, 1) ** 2
            np.testing.assert_allclose(found[name][key].double_counted, expected, atol=1e-9)


@given(st.integers(2, 20), st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_the_order_of_queries_and_of_groups_changes_nothing(count: int, seed: int) -> None:
    search = notes_among_themselves(count, seed - seed % 2, group_size=2)
    random = np.random.default_rng(seed)
    order, names = random.permutation(count), random.permutation(search.groups())
    turned = Search(
        {model: matrix[order] for model, matrix in search.similarity.items()},
        search.gains[order],
        names[search.query_groups][order],
        names[search.candidate_groups],
        search.scopes[order],
        order,
    )
    found, other = search.figures(), turned.figures()
    for name, figures in found.items():
        for key, figure in figures.items():
            again = other[name][key]
            np.testing.assert_allclose(again.value, figure.value, atol=1e-12)
            present = names < len(again.left_out)
            np.testing.assert_allclose(again.left_out[names[present]], figure.left_out[present], atol=1e-12)
            np.testing.assert_allclose(again.double_counted, figure.double_counted, atol=1e-12)
            np.testing.assert_array_equal(again.groups, figure.groups)


@pytest.mark.parametrize("group_size", [0.0, 2.5])
def test_small_blocks_change_nothing(group_size: float, monkeypatch: pytest.MonkeyPatch) -> None:
    search = notes_among_themselves(50, 6, group_size=group_size)
    whole = search.figures()
    for step in (1, 7):
        monkeypatch.setattr("medembed_pipeline.evaluation.rankings.rows_per_block", _always(step))
        for name, figures in search.figures().items():
            for key, figure in figures.items():
                np.testing.assert_allclose(figure.left_out, whole[name][key].left_out, atol=1e-12)
                np.testing.assert_allclose(figure.double_counted, whole[name][key].double_counted, atol=1e-12)


def _always(step: int) -> Callable[[int], int]:
    return lambda size: step


def test_more_than_a_first_look_of_candidates_before_the_first_relevant_one() -> None:
    """The reciprocal rank looks at the first ranks, and further only where it must."""
    count = 150
    gains = np.zeros((3, count))
    gains[0, [100, 130]] = 1
    gains[1, [5, 140]] = 1
    gains[2, 149] = 1
    similarity = np.tile(-np.arange(count) / count, (3, 1))
    groups = np.arange(count)
    search = Search(
        {"first": similarity, "second": similarity[:, ::-1].copy()},
        gains,
        np.array([0, 1, 2]),
        groups,
        np.zeros((3, 1)),
        None,
    )
    assert_is_brute(search)


def test_groups_count_those_of_the_queries_that_have_something_to_find() -> None:
    similarity = np.array([[0.9, 0.1], [0.2, 0.3], [0.5, 0.4]])
    gains = np.array([[1.0, 0], [0, 1], [0, 0]])
    search = Search(
        {model: similarity for model in MODELS},
        gains,
        np.array([0, 0, 1]),
        np.array([2, 3]),
        np.array([[1.0], [0], [1]]),
        None,
    )
    found = search.figures()["first"]["mrr", None]
    assert found.value.tolist() == [1.0, 1.0] and found.groups.tolist() == [1, 1]
    assert np.isnan(found.left_out[0]).all() and found.left_out[1].tolist() == [1.0, 1.0]


def test_nothing_to_ask_or_to_find_is_refused() -> None:
    one = np.zeros(1, dtype=np.int64)
    for queries, candidates, own in ((one[:0], one, None), (one, one[:0], None), (one, one, one)):
        with pytest.raises(EvaluationError, match="at least one query and one candidate"):
            ranking_figures(
                {"model": lambda rows: np.zeros((len(rows), 1))},
                lambda rows: np.ones((len(rows), 1)),
                query_groups=queries,
                candidate_groups=candidates,
                own_candidate=own,
            )
