"""The error of a mean is s / sqrt(n); intervals cover what they should; what cannot be known has none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline.evaluation.jackknife import (
    Jackknife,
    difference,
    group_numbers,
    groups_needed,
    intervals,
    joined,
    mean_jackknife,
    mean_of_columns,
    pooled,
    ratio_jackknife,
    standard_errors,
)

SCORES = st.lists(st.floats(-5, 5), min_size=2, max_size=30)


def error_of(found: Jackknife) -> list[float]:
    errors: list[float] = standard_errors(found)[0].tolist()
    return errors


@settings(deadline=None)
@given(SCORES)
def test_the_error_of_a_mean_is_that_of_the_textbook(scores: list[float]) -> None:
    found = mean_jackknife(scores, range(len(scores)))
    error, degrees = standard_errors(found)
    assert found.value[0] == pytest.approx(np.mean(scores), abs=1e-12)
    assert error[0] == pytest.approx(np.std(scores, ddof=1) / np.sqrt(len(scores)), abs=1e-9)
    assert found.groups.tolist() == [len(scores)] and 1 <= degrees[0] <= len(scores) - 1
    for row in range(len(scores)):
        assert found.left_out[row, 0] == pytest.approx(np.mean(np.delete(scores, row)), abs=1e-9)


def test_the_interval_of_a_mean_is_students_where_its_scores_are_normal() -> None:
    scores = np.random.default_rng(0).normal(3, 2, size=40)
    found = intervals(mean_jackknife(scores, range(40)), confidence=0.9)
    # Fewer degrees of freedom than 39, as the sample's squares differ by chance; the normal scores have about so many.
    assert 15 < found.degrees[0] <= 39
    expected = stats.t.interval(0.9, found.degrees[0], scores.mean(), scores.std(ddof=1) / np.sqrt(40))
    assert (found.low[0], found.high[0]) == pytest.approx(expected)


@given(st.integers(2, 12), st.integers(2, 40), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_groups_leave_as_a_whole_in_every_column(group_count: int, count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    scores, groups = random.normal(size=count), random.integers(group_count, size=count)
    scores[random.random(count) < 0.2] = np.nan
    columns = (random.random((count, 3)) < 0.6).astype(float)
    found = mean_jackknife(scores, groups, columns)
    for number, group in enumerate(dict.fromkeys(groups.tolist())):
        for column in range(3):
            kept = scores[(groups != group) & (columns[:, column] > 0) & np.isfinite(scores)]
            expected = kept.mean() if len(kept) else np.nan
            assert found.left_out[number, column] == pytest.approx(expected, nan_ok=True)
    for column in range(3):
        behind = groups[(columns[:, column] > 0) & np.isfinite(scores)]
        assert found.groups[column] == len(set(behind.tolist()))


def test_scores_that_do_not_fit_their_groups_are_refused() -> None:
    with pytest.raises(EvaluationError, match="for 3 groups"):
        mean_jackknife([1.0, 2.0], ["a", "b", "c"])


def test_copies_of_a_group_add_no_certainty() -> None:
    scores = np.random.default_rng(1).normal(size=12)
    single = mean_jackknife(scores, range(12))
    copies = mean_jackknife(np.repeat(scores, 5), np.repeat(np.arange(12), 5))
    assert error_of(copies) == pytest.approx(error_of(single))
    assert copies.groups.tolist() == [12]


def test_a_few_large_groups_are_worth_fewer_degrees_of_freedom() -> None:
    random = np.random.default_rng(2)
    groups = np.repeat(np.arange(30), [40, 40, *[1] * 28])
    scores = random.normal(size=30)[groups]
    _, degrees = standard_errors(mean_jackknife(scores, groups))
    assert degrees[0] < 5
    _, degrees = standard_errors(mean_jackknife(random.normal(size=30), range(30)))
    assert degrees[0] > 10


def test_ratio_with_candidates_that_leave() -> None:
    """Three groups: sums of their queries' scores, and what their candidates are worth to the others."""
    sums = np.array([[2.0], [1.0], [3.0]])
    sizes = np.array([[4.0], [2.0], [3.0]])
    effect, lost = np.array([[0.5], [0.0], [-0.25]]), np.array([[1.0], [0.0], [0.0]])
    found = ratio_jackknife(sums, sizes, effect=effect, lost=lost, squared_effects=np.array([0.81]))
    assert found.value.tolist() == [6 / 9]
    assert found.left_out[:, 0] == pytest.approx([3.5 / 4, 5 / 7, 3.25 / 6])
    assert found.double_counted == pytest.approx([0.01]) and found.groups.tolist() == [3]
    whole = ratio_jackknife(sums, sizes, lost=np.array([[5.0], [0], [0]]))
    assert np.isnan(whole.left_out[0]).all() and np.isnan(error_of(whole)).all()
    nothing = ratio_jackknife(np.zeros((2, 1)), np.zeros((2, 1)), squared_effects=np.zeros(1))
    assert np.isnan(nothing.value).all() and nothing.double_counted.tolist() == [0.0]


def test_what_is_counted_twice_is_taken_off_but_two_fifths_stay() -> None:
    base = mean_jackknife([1.0, 2, 4, 7, 3], range(5))
    (plain,) = error_of(base)
    for share, kept in ((0.0, 1.0), (0.3, 0.7), (0.6, 0.4), (5.0, 0.4)):
        found = Jackknife(base.value, base.left_out, np.array([share * plain**2]), base.groups)
        assert error_of(found) == pytest.approx([plain * kept**0.5])


def test_a_difference_is_that_of_the_paired_scores() -> None:
    random = np.random.default_rng(4)
    left, right = random.normal(size=(2, 20))
    right[:3] = left[:3] = np.nan
    one, other = (mean_jackknife(scores, range(20)) for scores in (left, right))
    paired, expected = difference(one, other), mean_jackknife(left - right, range(20))
    assert paired.value == pytest.approx(expected.value) and error_of(paired) == pytest.approx(
        error_of(expected)
    )
    assert paired.groups.tolist() == [17] and paired.double_counted.tolist() == [0.0]
    assert difference(one, other, np.array([0.5])).double_counted.tolist() == [0.5]


def test_the_mean_of_columns_leaves_out_what_is_undefined() -> None:
    scores = np.array([1.0, 2, 3, 5, 8, 13])
    columns = np.array([[1.0, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0]])
    found = mean_of_columns(mean_jackknife(scores, range(6), columns), groups=6)
    assert found.value == pytest.approx([(2 + 26 / 3) / 2]) and found.groups.tolist() == [6]
    assert found.left_out[0] == pytest.approx([(2.5 + 26 / 3) / 2])
    # Two independent means, each of which weighs one half.
    errors = [np.std(part, ddof=1) / 3**0.5 for part in (scores[:3], scores[3:])]
    assert error_of(found)[0] == pytest.approx(np.hypot(*errors) / 2, rel=0.15)
    nothing = mean_of_columns(mean_jackknife(scores, range(6), np.zeros((6, 2))), groups=6)
    assert np.isnan(nothing.value).all() and nothing.groups.tolist() == [0]


def test_columns_are_taken_out_and_joined_again() -> None:
    found = mean_jackknife([1.0, 2, 4], "abc", np.array([[1.0, 0], [1, 1], [0, 1]]))
    again = joined([found.columns([1]), found.columns([0])]).columns([1, 0])
    for one, other in zip(vars(found).values(), vars(again).values(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert group_numbers(["b", "a", "b", "c"]).tolist() == [0, 1, 0, 2]


def test_one_set_alone_is_itself_among_any_number_of_groups() -> None:
    """Also where every group does the same to the figure, as where all lose a candidate."""
    base = mean_jackknife([0.1, 0.5, 0.9, 0.3], range(4))
    alone = Jackknife(base.value, base.left_out - 0.4, np.array([1e-4]), base.groups)
    expected, found = intervals(alone), intervals(pooled([alone], [np.array([7, 2, 5, 0])], 40))
    for one, other in zip(expected, found, strict=True):
        assert other == pytest.approx(one)


def test_pooled_sets_have_the_spread_of_their_draws_and_of_their_groups() -> None:
    """Sets of half the groups, drawn anew each time: with many of them only the groups' own spread is left."""
    random = np.random.default_rng(5)
    truth, errors, values = 1.0, [], []
    for _ in range(200):
        scores = random.normal(truth, 1, size=40)
        sets = [random.choice(40, size=20, replace=False) for _ in range(10)]
        found = pooled([mean_jackknife(scores[chosen], chosen) for chosen in sets], sets, 40)
        values.append(float(found.value[0]))
        errors.append(error_of(found)[0])
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.15)
    # Two sets that differ: half their distance is the error of their mean.
    flat = [mean_jackknife([value] * 5, range(5)) for value in (0.2, 0.6)]
    both = pooled(flat, [np.arange(5), np.arange(5)], 5)
    assert both.value == pytest.approx([0.4]) and error_of(both) == pytest.approx([0.2 * 0.8**0.5])


def test_a_set_in_which_a_figure_is_undefined_is_left_out_of_the_mean() -> None:
    sets = [mean_jackknife(scores, range(3)) for scores in ([1.0, 2, 3], [np.nan] * 3, [3.0, 4, 5])]
    found = pooled(sets, [np.arange(3)] * 3, 3)
    assert found.value.tolist() == [3.0]


@pytest.mark.parametrize(("count", "confidence"), [(5, 0.95), (30, 0.9), (30, 0.95)])
def test_intervals_of_normal_means_cover(count: int, confidence: float) -> None:
    random = np.random.default_rng(count)
    draws = 1500
    hit = 0
    for _ in range(draws):
        found = intervals(
            mean_jackknife(random.normal(2, 3, size=count), range(count)), confidence=confidence
        )
        hit += bool(found.low[0] <= 2 <= found.high[0])
    slack = 3 * math.sqrt(confidence * (1 - confidence) / draws)
    assert confidence - slack <= hit / draws <= min(1.0, confidence + slack + 0.02)


@settings(deadline=None)
@given(SCORES, st.floats(0.6, 0.99))
def test_intervals_hold_the_figure_and_stay_within_its_range(scores: list[float], confidence: float) -> None:
    found = mean_jackknife(scores, range(len(scores)))
    value = float(found.value[0])
    for low, high in ((-5.0, 5.0), (-math.inf, math.inf), (-5.0, math.inf)):
        ends = intervals(found, confidence=confidence, lowest=low, highest=high)
        assert low - 1e-9 <= ends.low[0] <= value + 1e-9 and value - 1e-9 <= ends.high[0] <= high + 1e-9


def test_near_the_end_of_its_range_an_interval_reaches_further_to_the_other_side() -> None:
    found = intervals(mean_jackknife([1.0] * 38 + [0.6, 0.7], range(40)), lowest=0.0, highest=1.0)
    value = (38 + 1.3) / 40
    assert value - found.low[0] > 1.5 * (found.high[0] - value) > 0


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_where_all_groups_have_the_end_of_the_range_the_interval_is_binomial(value: float) -> None:
    found = intervals(mean_jackknife([value] * 12, range(12)), lowest=0.0, highest=1.0)
    expected = stats.binomtest(int(12 * value), 12).proportion_ci(0.95, method="exact")
    assert (found.low[0], found.high[0]) == pytest.approx((expected.low, expected.high))


def test_one_group_has_no_interval() -> None:
    for groups in ([0] * 5, []):
        found = intervals(mean_jackknife([0.5] * len(groups), groups), lowest=0.0, highest=1.0)
        assert np.isnan([*found.low, *found.high, *found.error, *found.degrees]).all()


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, -0.5])
def test_a_confidence_out_of_range_is_refused(confidence: float) -> None:
    with pytest.raises(EvaluationError, match="between 0 and 1"):
        intervals(mean_jackknife([1.0, 2.0], "ab"), confidence=confidence)


@settings(deadline=None)
@given(st.floats(0.001, 1), st.floats(0.001, 1), st.integers(2, 500))
def test_so_many_groups_have_an_interval_that_touches_zero(value: float, error: float, groups: int) -> None:
    needed = groups_needed(-value, error, groups)
    assert needed == groups_needed(value, error, groups)
    assert needed is not None and needed >= groups

    def reach(number: int) -> float:
        return 1.959964 * error * math.sqrt(groups / number)

    assert reach(needed) <= value + 1e-6
    if needed > groups:
        assert reach(needed - 1) > value - 1e-6


def test_no_number_of_groups_is_enough_for_no_change() -> None:
    for value, error, groups in ((0.0, 0.1, 10), (0.1, math.nan, 10), (math.nan, 0.1, 10), (0.1, 0.1, 1)):
        assert groups_needed(value, error, groups) is None
