"""AUC, silhouette and likeness against scikit-learn and plain sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, silhouette_score

from medembed_pipeline.evaluation.jackknife import group_numbers, intervals
from medembed_pipeline.image_text.scores import auc_jackknife, off_diagonal_mean, silhouette

ITEMS = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from([0.0, 1.0, float("nan")]), st.integers(0, 5)), max_size=40
)


@settings(max_examples=80, deadline=None)
@given(ITEMS)
def test_auc_and_every_auc_without_a_group_are_scikit_learns(items: list[tuple[int, float, int]]) -> None:
    scores = np.array([float(score) for score, _, _ in items])
    sides = np.array([side for _, side, _ in items])
    groups = group_numbers([group for _, _, group in items])
    count = int(groups.max(initial=-1)) + 1
    found = auc_jackknife(scores, sides, groups, count)

    def expected(chosen: np.ndarray) -> float:
        known = chosen & ~np.isnan(sides)
        if len(np.unique(sides[known])) < 2:
            return float("nan")
        return float(roc_auc_score(sides[known], scores[known]))

    assert found.value[0] == pytest.approx(expected(np.ones(len(items), bool)), nan_ok=True)
    for group in range(count):
        assert found.left_out[group, 0] == pytest.approx(expected(groups != group), nan_ok=True)


def test_swapped_sides_give_one_less_and_the_interval_covers_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    truth, covered = 0.7602, 0  # of two normal distributions whose means differ by 1
    for _ in range(200):
        sides = np.repeat([0.0, 1.0], 40)
        scores = random.standard_normal(80) + sides
        found = auc_jackknife(scores, sides, np.arange(80), 80)
        assert auc_jackknife(-scores, sides, np.arange(80), 80).value[0] == pytest.approx(1 - found.value[0])
        ends = intervals(found, lowest=0.0, highest=1.0)
        covered += bool(ends.low[0] <= truth <= ends.high[0])
    assert 0.90 <= covered / 200 <= 0.99


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 6), st.integers(2, 6), st.integers(1, 5))
def test_silhouette_is_scikit_learns_also_of_repeated_rows(
    seed: int, first: int, second: int, repeats: int
) -> None:
    rows = np.random.default_rng(seed).standard_normal((first + second, 5))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    sides = np.array([0] * first + [1] * second)
    expected = silhouette_score(np.repeat(rows, repeats, axis=0), np.repeat(sides, repeats), metric="cosine")
    assert silhouette(rows, sides, repeats=repeats) == pytest.approx(float(expected), abs=1e-9)


def test_repeating_rows_makes_any_clustering_look_better() -> None:
    rows = np.random.default_rng(1).standard_normal((8, 5))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    sides = [0, 1] * 4
    assert silhouette(rows, sides, repeats=50) > silhouette(rows, sides) + 0.05
    assert np.isnan(silhouette(rows[:3], sides[:3])) and np.isnan(off_diagonal_mean(rows[:1]))


def test_the_mean_likeness_is_that_of_different_rows() -> None:
    rows = np.random.default_rng(2).standard_normal((7, 4))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    matrix = rows @ rows.T
    assert off_diagonal_mean(rows) == pytest.approx(matrix[~np.eye(7, dtype=bool)].mean())
