"""Holm against closed testing by brute force; the tests with a margin against what they promise."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline.evaluation.jackknife import mean_jackknife, standard_errors
from medembed_pipeline.evaluation.significance import (
    MarginTest,
    groups_to_decide,
    holm_adjusted,
    margin_test,
)

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=7)


def closed_testing(p_values: list[float]) -> list[float]:
    """Holm's method is the closure of Bonferroni: a hypothesis falls when every set that holds it falls."""
    rows = range(len(p_values))
    sets = [chosen for size in range(1, len(p_values) + 1) for chosen in combinations(rows, size)]
    return [
        max(min(1.0, len(chosen) * min(p_values[row] for row in chosen)) for chosen in sets if row in chosen)
        for row in rows
    ]


@settings(deadline=None)
@given(P_VALUES)
def test_holm_is_closed_testing_with_bonferroni(p_values: list[float]) -> None:
    assert holm_adjusted(p_values) == pytest.approx(closed_testing(p_values), abs=1e-12)


@settings(deadline=None)
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


def of_notes(values: np.ndarray, tolerance: float = 0.0) -> MarginTest:
    """Of one figure whose groups hold one note each."""
    found = mean_jackknife(values, range(len(values)))
    (error,), (degrees,) = standard_errors(found)
    return margin_test(
        float(found.value[0]), float(error), len(values), tolerance=tolerance, degrees=float(degrees)
    )


@pytest.mark.parametrize("tolerance", [0.0, 0.1])
def test_it_is_the_t_test_of_the_notes_against_the_limit(tolerance: float) -> None:
    values = np.random.default_rng(3).normal(-0.1, 0.3, size=30)
    error = float(values.std(ddof=1) / np.sqrt(30))
    found = margin_test(float(values.mean()), error, 30, tolerance=tolerance)
    for p_value, alternative in ((found.worse, "less"), (found.kept, "greater")):
        expected = stats.ttest_1samp(values, -tolerance, alternative=alternative).pvalue
        floor = 0.5**30 if alternative == "less" else (1 - 2 * tolerance) ** 30
        assert p_value == pytest.approx(max(expected, floor), rel=1e-6)


def test_a_clear_fall_is_found_and_a_clear_gain_is_not() -> None:
    fall = -0.4 + 0.1 * np.random.default_rng(0).normal(size=60)
    assert of_notes(fall).worse < 0.002 and of_notes(fall, 0.1).kept > 0.99
    assert of_notes(-fall).worse > 0.99 and of_notes(-fall, 0.1).kept < 0.01
    assert of_notes(fall, tolerance=0.8).worse > 0.99


def test_a_fall_of_the_tolerance_itself_is_not_worse() -> None:
    # 0.1 + 0.2 is not 0.3: how a sum is rounded must not decide.
    assert of_notes(np.full(30, -0.3), tolerance=0.1 + 0.2).worse == 1.0
    assert of_notes(np.full(30, -(0.1 + 0.2)), tolerance=0.3).worse == 1.0
    assert of_notes(np.full(30, -0.051), tolerance=0.05).worse < 0.01


@pytest.mark.parametrize("groups", [2, 3, 5, 8])
def test_few_groups_never_prove_more_than_a_sign_test_could(groups: int) -> None:
    assert of_notes(np.full(groups, -1.0)).worse == 0.5**groups


@pytest.mark.parametrize(("groups", "shown"), [(5, False), (28, False), (29, True), (100, True)])
def test_groups_of_which_none_changed_are_kept_only_where_a_fall_would_have_been_met(
    groups: int, shown: bool
) -> None:
    """A tenth of the groups that fall by one half are a mean fall of 0.05: such a one is missed 0.9 ** groups times."""
    found = of_notes(np.zeros(groups), tolerance=0.05)
    assert found.kept == pytest.approx(0.9**groups) and (found.kept <= 0.05) is shown


@pytest.mark.parametrize("size", [6, 12, 40])
def test_at_the_limit_worse_is_found_about_as_often_as_it_may(size: int) -> None:
    random = np.random.default_rng(size)
    found = [of_notes(random.integers(-3, 2, size=size) * 0.2, tolerance=0.2).worse for _ in range(2000)]
    # 0.05, with three standard errors, and a little for figures in steps.
    assert 0.02 <= np.mean(np.array(found) <= 0.05) <= 0.07


@pytest.mark.parametrize("size", [12, 40, 100])
def test_at_the_limit_kept_is_found_about_as_often_as_it_may(size: int) -> None:
    random = np.random.default_rng(size)
    found = [of_notes(random.normal(-0.05, 0.2, size=size), tolerance=0.05).kept for _ in range(2000)]
    assert np.mean(np.array(found) <= 0.05) <= 0.065


@pytest.mark.parametrize("size", [4, 12, 24])
def test_a_small_sample_that_missed_the_few_that_fell_is_not_kept(size: int) -> None:
    """A tenth of the notes fall by one half: the true fall is the tolerance, and many samples show nothing of it."""
    random = np.random.default_rng(size)
    found = [of_notes(-0.5 * (random.random(size) < 0.1), tolerance=0.05).kept for _ in range(500)]
    assert np.mean(np.array(found) <= 0.05) <= 0.065


def test_fewer_degrees_of_freedom_prove_less() -> None:
    few, many = (margin_test(-0.2, 0.08, 20, tolerance=0.0, degrees=number) for number in (3, 19))
    assert few.worse > many.worse == margin_test(-0.2, 0.08, 20, tolerance=0.0).worse


@pytest.mark.parametrize(
    ("value", "error", "groups"), [(np.nan, 0.1, 5), (-0.5, np.nan, 5), (-0.5, 0.0, 1), (-0.5, 0.1, 0)]
)
def test_what_cannot_be_tested_is_nan(value: float, error: float, groups: int) -> None:
    assert np.isnan(margin_test(value, error, groups, tolerance=0.1)).all()
    assert groups_to_decide(value, error, groups, tolerance=0.1, significance=0.05) is None


def test_a_negative_tolerance_is_refused() -> None:
    with pytest.raises(EvaluationError, match=r"tolerance = -0.1"):
        margin_test(0.1, 0.1, 5, tolerance=-0.1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=20), st.floats(0, 0.5), st.floats(0, 0.4))
def test_a_larger_tolerance_never_makes_a_fall_worse_nor_less_kept(
    values: list[float], tolerance: float, more: float
) -> None:
    small, large = (of_notes(np.array(values), limit) for limit in (tolerance, tolerance + more))
    for found in (small, large):
        assert all(0 <= p_value <= 1 for p_value in found) and found.worse + found.kept >= 1 - 1e-9
    assert large.worse >= small.worse - 1e-12 and large.kept <= small.kept + 1e-12


@settings(max_examples=80, deadline=None)
@given(
    st.floats(-0.8, 0.8),
    st.floats(0.001, 0.4),
    st.integers(2, 60),
    st.floats(0.005, 0.3),
    st.floats(0.01, 0.2),
)
def test_so_many_groups_decide_where_their_size_and_spread_are_the_same(
    value: float, error: float, groups: int, tolerance: float, significance: float
) -> None:
    needed = groups_to_decide(value, error, groups, tolerance=tolerance, significance=significance)
    if needed is None:
        assert abs(value + tolerance) < 1e-6
        return
    assert needed > groups

    def decided(number: int) -> bool:
        # Many degrees of freedom, so that only the spread and the floors count.
        found = margin_test(value, error * (groups / number) ** 0.5, number, tolerance=tolerance, degrees=1e9)
        return min(found) <= significance + 1e-12

    assert decided(needed)
    if needed > groups + 1:
        assert not decided(needed - 1)


def test_a_fall_of_nothing_cannot_be_excluded_by_any_number() -> None:
    assert groups_to_decide(0.2, 0.1, 20, tolerance=0.0, significance=0.05) is None
    assert groups_to_decide(-0.2, 0.2, 20, tolerance=0.0, significance=0.05) == 55
