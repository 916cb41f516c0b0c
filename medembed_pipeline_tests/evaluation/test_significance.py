"""Holm against closed testing by brute force; the tests by specialty against what they promise."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from medembed_pipeline.evaluation.bootstrap import group_weights

from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline.evaluation.significance import holm_adjusted, p_values_of_fall

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=7)


def closed_testing(p_values: list[float]) -> list[float]:
    """Holm's method is the closure of Bonferroni: a hypothesis falls when every set that holds it falls."""
    rows = range(len(p_values))
    sets = [chosen for size in range(1, len(p_values) + 1) for chosen in combinations(rows, size)]
    return [
        max(min(1.0, len(chosen) * min(p_values[row] for row in chosen)) for chosen in sets if row in chosen)
        for row in rows
    ]


@given(P_VALUES)
def test_holm_is_closed_testing_with_bonferroni(p_values: list[float]) -> None:
    assert holm_adjusted(p_values) == pytest.approx(closed_testing(p_values), abs=1e-12)


@given(P_VALUES, st.randoms(use_true_random=False))
def test_holm_keeps_the_order_and_lies_between_raw_and_bonferroni(
    p_values: list[float], random: object
) -> None:
    adjusted = holm_adjusted(p_values)
    raw = np.array(p_values)
    assert (adjusted >= raw).all() and (adjusted <= np.minimum(1, raw * len(raw)) + 1e-15).all()
    order = np.argsort(raw, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()
    assert adjusted[order[0]] == min(1.0, raw.min() * len(raw))
    shuffled = list(range(len(raw)))
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert holm_adjusted(raw[shuffled]) == pytest.approx(adjusted[shuffled], abs=0)


def test_known_examples() -> None:
    # R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
    assert holm_adjusted([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm_adjusted([0.2]) == pytest.approx([0.2])
    assert holm_adjusted([]).tolist() == []


def test_what_was_not_tested_does_not_count_as_a_test() -> None:
    adjusted = holm_adjusted([0.02, np.nan, 0.01, np.nan])
    assert adjusted[[0, 2]] == pytest.approx([0.02, 0.02])
    assert np.isnan(adjusted[[1, 3]]).all()


@pytest.mark.parametrize("wrong", [[-0.1], [1.5, 0.2], [np.inf]])
def test_what_is_no_p_value_is_refused(wrong: list[float]) -> None:
    with pytest.raises(EvaluationError, match="from 0 to 1"):
        holm_adjusted(wrong)


def p_of_notes(values: np.ndarray, tolerance: float = 0.0, *, resamples: int = 1000, seed: int = 0) -> float:
    """The p-value of one figure whose groups hold one note each."""
    weights = group_weights(list(range(len(values))), resamples=resamples, seed=seed)
    draws = (weights @ values / len(values))[:, None]
    size = np.array([len(values)])
    return float(p_values_of_fall([values.mean()], draws, size, tolerance=tolerance)[0])


def test_a_clear_fall_is_found_and_a_clear_gain_is_not() -> None:
    random = np.random.default_rng(0)
    fall = -0.4 + 0.1 * random.normal(size=30)
    assert p_of_notes(fall) < 0.002
    assert p_of_notes(-fall) > 0.99
    assert p_of_notes(fall, tolerance=0.8) > 0.99


def test_a_fall_within_the_tolerance_is_none() -> None:
    assert p_of_notes(np.full(30, -0.05), tolerance=0.05) == 1.0
    assert p_of_notes(np.full(30, -0.051), tolerance=0.05) < 0.01


@pytest.mark.parametrize("groups", [2, 3, 5, 8])
def test_few_groups_never_prove_more_than_a_sign_test_could(groups: int) -> None:
    assert p_of_notes(np.full(groups, -1.0)) == pytest.approx(max(0.5**groups, 1 / 1001))


def test_student_and_percentile_are_both_kept(seed: int = 3) -> None:
    from scipy import stats

    values = np.random.default_rng(seed).normal(-0.1, 0.3, size=12)
    by_hand = stats.ttest_1samp(values, 0.0, alternative="less").pvalue
    found = p_of_notes(values, resamples=20_000)
    weights = group_weights(list(range(12)), resamples=20_000, seed=0)
    percentile = (1 + ((weights @ values) >= 0).sum()) / 20_001
    assert found == pytest.approx(max(by_hand, percentile), rel=0.05)


@pytest.mark.parametrize("size", [6, 12, 30])
def test_at_the_limit_it_rejects_about_as_often_as_it_may(size: int) -> None:
    random = np.random.default_rng(size)
    found = [p_of_notes(random.integers(-2, 3, size=size) * 0.2, resamples=400, seed=t) for t in range(600)]
    assert np.mean(np.array(found) <= 0.05) <= 0.085  # 0.05 and three standard errors, and a little


def test_what_cannot_be_tested_is_nan() -> None:
    draws = np.full((100, 4), -0.5)
    draws[:60, 3] = np.nan
    found = p_values_of_fall([np.nan, -0.5, -0.5, -0.5], draws, np.array([5, 1, 5, 5]), tolerance=0.0)
    assert np.isnan(found).tolist() == [True, True, False, True]


def test_shapes_and_tolerance_are_checked() -> None:
    with pytest.raises(EvaluationError, match="tolerance of at least 0"):
        p_values_of_fall([0.1], np.zeros((5, 1)), np.array([3]), tolerance=-0.1)
    with pytest.raises(EvaluationError, match=r"expected \[c\]"):
        p_values_of_fall([0.1], np.zeros((5, 2)), np.array([3]), tolerance=0.0)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=20), st.floats(0, 0.5))
def test_a_larger_tolerance_never_makes_a_fall_more_significant(
    values: list[float], tolerance: float
) -> None:
    figures = np.array(values)
    small, large = (p_of_notes(figures, limit, resamples=200) for limit in (tolerance, tolerance + 0.1))
    assert 0 < small <= 1 and large >= small - 1e-12
