"""Specialties and slices are tested with a margin: what is worse, what is kept, and what so few notes cannot show."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from medembed_pipeline.evaluation.jackknife import intervals, mean_jackknife
from medembed_pipeline.evaluation.metric_names import metric_key
from medembed_pipeline.verdict.evidence import scope_figures
from medembed_pipeline.verdict.inputs import slice_figures, specialties_of
from medembed_pipeline.verdict.scopes import ScopeFigure, ScopeTest, scope_tests, standard_error
from medembed_pipeline_tests.verdict.changes import scope_figure, slice_rows
from medembed_pipeline_tests.verdict.planted import Notes, metric_rows, planted

TOLERANCE, SIGNIFICANCE = 0.05, 0.05


def judged(*figures: ScopeFigure, tolerance: float = TOLERANCE) -> list[ScopeTest]:
    return scope_tests(figures, confidence=0.95, tolerance=tolerance, significance=SIGNIFICANCE)


def figure_of(name: str, changes: list[float], *, baseline: float = 0.8) -> ScopeFigure:
    """A scope with one note per group."""
    found = intervals(mean_jackknife(changes, range(len(changes))))
    ends = (float(found.low[0]), float(found.high[0]))
    return ScopeFigure(
        name,
        baseline,
        float(np.mean(changes)),
        *ends,
        len(changes),
        len(changes),
        float(found.degrees[0]),
    )


@pytest.mark.parametrize("others", [0, 40])
@pytest.mark.parametrize("groups", range(3, 9))
def test_a_total_collapse_is_never_passed_over(groups: int, others: int) -> None:
    """Also among many unharmed specialties, over which Holm corrects."""
    unharmed = [scope_figure(f"other {number}", 0.1, 0.05, 30) for number in range(others)]
    (collapsed, *_) = judged(figure_of("collapsed", [-0.8] * groups), *unharmed)
    assert collapsed.state == "worse" or collapsed.alarming
    uneven = np.random.default_rng(groups).choice([-1.0, -0.8, -0.6], size=groups).tolist()
    (uneven_test, *_) = judged(figure_of("uneven", uneven), *unharmed)
    assert uneven_test.state == "worse" or uneven_test.alarming


@pytest.mark.parametrize("groups", [2, 3, 5, 8, 12, 20])
def test_a_small_specialty_of_which_none_changed_is_not_judged(groups: int) -> None:
    (found,) = judged(figure_of("small", [0.0] * groups))
    assert (found.state, found.alarming) == ("not_judged", False)
    assert found.queries_needed is not None and found.queries_needed > groups


def test_a_large_specialty_is_kept_or_worse() -> None:
    random = np.random.default_rng(2)
    harmed = (random.normal(-0.2, 0.3, size=80)).tolist()
    gained = (random.normal(0.05, 0.2, size=80)).tolist()
    near = (random.normal(-0.05, 0.3, size=80)).tolist()
    found = {
        test.name: test
        for test in judged(
            figure_of("harmed", harmed),
            figure_of("unchanged", [0.0] * 80),
            figure_of("gained", gained),
            figure_of("near the limit", near),
        )
    }
    states = {name: test.state for name, test in found.items()}
    assert states == {
        "harmed": "worse",
        "unchanged": "kept",
        "gained": "kept",
        "near the limit": "not_judged",
    }
    assert not any(test.alarming for test in found.values())
    # By a plain t test of the notes, against the limit.
    assert found["harmed"].p_worse == pytest.approx(
        stats.ttest_1samp(harmed, -TOLERANCE, alternative="less").pvalue, abs=1e-6
    )
    assert found["gained"].p_kept == pytest.approx(
        max(stats.ttest_1samp(gained, -TOLERANCE, alternative="greater").pvalue, 0.9**80), abs=1e-6
    )


def test_one_group_or_an_undefined_figure_is_not_judged_and_counts_as_no_test() -> None:
    harmed = scope_figure("harmed", -0.3, 0.06, 9)
    (alone,) = judged(harmed)
    nothing = ScopeFigure("nothing", math.nan, math.nan, math.nan, math.nan, 0, 0, math.nan)
    with_others = judged(scope_figure("one", -0.9, 0.0, 1), harmed, nothing)
    assert [test.state for test in with_others] == ["not_judged", "worse", "not_judged"]
    assert with_others[1] == alone and alone.p_adjusted == alone.p_worse
    assert math.isnan(with_others[0].p_worse) and not with_others[0].alarming


def test_a_fall_that_is_significant_by_itself_but_not_among_many_is_alarming() -> None:
    fallen = scope_figure("fallen", -0.25, 0.08, 12)
    (alone,) = judged(fallen)
    among = judged(fallen, *(scope_figure(f"other {number}", 0.0, 0.05, 30) for number in range(30)))[0]
    assert alone.state == "worse" and 0.01 < alone.p_adjusted < 0.05
    assert (among.state, among.alarming) == ("not_judged", True)
    assert among.p_adjusted == pytest.approx(31 * alone.p_worse, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-1, 1), st.floats(0.001, 0.5), st.integers(2, 200)), min_size=1, max_size=12
    ),
    st.floats(0, 0.3),
)
def test_the_states_exclude_each_other(scopes: list[tuple[float, float, int]], tolerance: float) -> None:
    figures = [scope_figure(str(number), *scope) for number, scope in enumerate(scopes)]
    for one, found in zip(figures, judged(*figures, tolerance=tolerance), strict=True):
        assert found.p_adjusted >= found.p_worse
        assert (found.state == "worse") == (found.p_adjusted <= SIGNIFICANCE)
        if found.state == "worse":
            assert one.difference < -tolerance
        if found.state == "kept":
            assert one.difference > -tolerance and found.p_kept <= SIGNIFICANCE
        if found.alarming:
            assert found.state == "not_judged" and one.difference < -tolerance
        if found.queries_needed is not None:
            assert found.queries_needed > one.queries


def test_the_error_is_read_back_from_the_interval() -> None:
    one = scope_figure("any", 0.1, 0.037, 14, confidence=0.9)
    assert standard_error(one.ci_low, one.ci_high, one.degrees, confidence=0.9) == pytest.approx(0.037)
    assert math.isnan(standard_error(math.nan, 1.0, 3.0, confidence=0.9))


def test_notes_needed_grow_with_the_notes_of_a_group() -> None:
    few = judged(scope_figure("few", -0.02, 0.1, 20))[0]
    copies = judged(scope_figure("copies", -0.02, 0.1, 20, queries=60))[0]
    assert few.queries_needed is not None
    assert copies.queries_needed == pytest.approx(3 * few.queries_needed, abs=3)


@pytest.mark.parametrize("metric", ["precision@5", "map"])
def test_specialties_are_those_of_the_metrics_table(metric: str) -> None:
    metrics = metric_rows(planted(specialties=4, notes=10))
    name, k = metric_key(metric)
    rows = {
        (row["model"], row["scope"]): row
        for row in metrics.to_pylist()
        if (row["metric"], row["k"]) == (name, k)
    }
    found = scope_figures(metrics, (name, k), specialties_of(metrics))
    assert [one.name for one in found] == [f"Specialty {number}" for number in range(4)]
    for one in found:
        change = rows["difference", one.name]
        assert one.baseline == rows["baseline", one.name]["value"]
        assert (one.difference, one.ci_low, one.ci_high) == (
            change["value"],
            change["ci_low"],
            change["ci_high"],
        )
        assert (one.queries, one.groups, one.degrees) == (10, 10, change["degrees"])


def test_slices_are_read_from_their_table() -> None:
    figures = [scope_figure("sex=f", 0.1, 0.02, 40, queries=50), scope_figure("site=A", -0.1, 0.1, 9)]
    assert slice_figures(slice_rows(figures[::-1]), ("precision", 5)) == figures
    assert slice_figures(slice_rows(figures), ("precision", 10)) == []
    assert slice_figures(slice_rows(figures, "map", None), ("map", None)) == figures


def test_only_the_harmed_specialty_is_worse() -> None:
    metrics = metric_rows(planted(gain=1.0, harmed="Specialty 4", specialties=8))
    found = judged(*scope_figures(metrics, ("precision", 5), specialties_of(metrics)))
    assert [test.name for test in found if test.state == "worse"] == ["Specialty 4"]


def test_near_duplicates_prove_no_more_than_one_note() -> None:
    notes: Notes = planted(gain=1.0, harmed="Specialty 4", specialties=8)
    notes.groups = [names[0] + str(row % 2) for row, names in enumerate(notes.specialties)]
    metrics = metric_rows(notes)
    found = judged(*scope_figures(metrics, ("precision", 5), specialties_of(metrics)))
    worst = min(found, key=lambda test: test.difference)
    assert worst.name == "Specialty 4" and worst.groups == 2 and worst.p_worse >= 0.25


def test_no_alarm_without_harm_over_many_corpora() -> None:
    alarms = 0
    for seed in range(25):
        metrics = metric_rows(planted(gain=0.0, seed=seed))
        figures = scope_figures(metrics, ("precision", 5), specialties_of(metrics))
        alarms += any(test.state == "worse" for test in judged(*figures, tolerance=0.0))
    assert alarms <= 4
