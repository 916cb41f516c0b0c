"""Spearman's correlation without each group, against scipy on what remains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from medembed_pipeline.evaluation.jackknife import intervals
from medembed_pipeline.tasks.spearman import spearman_jackknife


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000), count=st.integers(6, 40), levels=st.integers(2, 6), groups=st.integers(2, 12)
)
def test_each_left_out_figure_is_scipys(seed: int, count: int, levels: int, groups: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.integers(levels, size=count).astype(float)
    similarities = np.round(generator.random(count), 1)
    numbers = np.unique(generator.integers(groups, size=count), return_inverse=True)[1]
    found = spearman_jackknife(scores, similarities, numbers)
    assert found.value[0] == pytest.approx(_scipy(scores, similarities), nan_ok=True)
    for group in range(numbers.max() + 1):
        kept = numbers != group
        expected = _scipy(scores[kept], similarities[kept])
        assert found.left_out[group, 0] == pytest.approx(expected, nan_ok=True)
    assert found.groups.tolist() == [numbers.max() + 1]


def _scipy(scores: np.ndarray, similarities: np.ndarray) -> float:
    if len(scores) < 2 or len(set(scores)) < 2 or len(set(similarities)) < 2:
        return float("nan")
    return float(spearmanr(scores, similarities).statistic)


def test_the_interval_is_that_of_the_textbook_on_a_large_sample() -> None:
    """Near independence the standard error is 1 / sqrt(n - 1)."""
    generator = np.random.default_rng(3)
    scores, similarities = generator.standard_normal((2, 800))
    error = intervals(spearman_jackknife(scores, similarities, np.arange(800))).error[0]
    assert error == pytest.approx(1 / np.sqrt(799), rel=0.1)


def test_similarities_that_float32_cannot_tell_apart_are_equal() -> None:
    scores = np.array([1.0, 2.0, 3.0, 4.0])
    near = np.array([0.1, 0.5, 0.5 + 1e-13, 0.9])
    same = np.array([0.1, 0.5, 0.5, 0.9])
    groups = np.arange(4)
    assert spearman_jackknife(scores, near, groups).value == spearman_jackknife(scores, same, groups).value
