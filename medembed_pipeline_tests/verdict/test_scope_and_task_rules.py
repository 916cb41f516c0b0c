"""The rules of specialties, slices and tasks: what each decides, and that its sentence says what was not judged."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource
from medembed_pipeline.verdict.assets import release_verdict
from medembed_pipeline.verdict.checks import release_rules
from medembed_pipeline.verdict.evidence import Evidence, Task
from medembed_pipeline.verdict.gain import main_metric
from medembed_pipeline.verdict.outcomes import PASSAGES_RULES, RULES, TASKS_RULE, Outcome
from medembed_pipeline.verdict.rules import (
    deciding_outcomes,
    slice_harm,
    specialty_harm,
    task_outcomes,
)
from medembed_pipeline.verdict.scopes import ScopeFigure, scope_tests
from medembed_pipeline.verdict.summary import decide, sentence
from medembed_pipeline_tests.verdict.changes import scope_figure, task_record
from medembed_pipeline_tests.verdict.planted import SETTINGS, Notes, evidence, fill_lake, planted


@pytest.fixture(scope="module")
def good() -> Notes:
    return planted()


@pytest.fixture(scope="module")
def found(good: Notes) -> Evidence:
    return evidence(good)


def with_specialties(found: Evidence, *figures: ScopeFigure) -> Evidence:
    """Other specialties; each figure stands for as many scored notes as it has queries, all different."""
    tests = scope_tests(
        figures,
        confidence=found.confidence,
        tolerance=SETTINGS.specialty_tolerance,
        significance=SETTINGS.significance,
    )
    sets = [[one.name] for one in figures for _ in range(one.queries)]
    return dataclasses.replace(found, specialties=tests, specialty_sets=sets)


def with_tasks(found: Evidence, *records: dict[str, Any]) -> Evidence:
    return dataclasses.replace(found, tasks=[Task.from_record(record) for record in records])


def test_the_specialties_sentence_says_how_many_were_judged_and_names_the_others_that_fell(
    found: Evidence,
) -> None:
    some = with_specialties(
        found,
        scope_figure("Cardiology", 0.05, 0.02, 60),
        scope_figure("Urology", 0.02, 0.02, 60),
        scope_figure("Hematology", -0.03, 0.06, 10),
        scope_figure("Podiatry", -0.10, 0.15, 20),
        scope_figure("Neurology", 0.01, 0.2, 10),
    )
    rule = specialty_harm(some, SETTINGS)
    assert rule.passed and rule.clause == ""
    assert "2 of 5 specialties were judged (75% of the notes)" in rule.reason
    not_judged = rule.reason.split("Not judged, and lower: ")[1]
    # The lowest first, each with the notes that it has and that it would take.
    named = re.findall(r"(\w+) \((-0\.\d+), (\d+) notes, about (\d+) would tell\)", not_judged)
    assert [(name, change, notes) for name, change, notes, _ in named] == [
        ("Podiatry", "-0.100", "20"),
        ("Hematology", "-0.030", "10"),
    ]
    needed = {test.name: test.queries_needed for test in some.specialties}
    assert {name: int(number) for name, *_, number in named} == {
        name: needed[name] for name in ("Podiatry", "Hematology")
    }
    assert "Neurology" not in rule.reason and "The mean over all specialties changed by +" in rule.reason


def test_specialties_that_were_not_judged_and_did_not_fall_are_counted(found: Evidence) -> None:
    rule = specialty_harm(
        with_specialties(found, scope_figure("A", 0.1, 0.02, 60), scope_figure("B", 0.0, 0.0, 5)), SETTINGS
    )
    assert rule.passed and "None of the 1 that were not judged is lower." in rule.reason


@pytest.mark.parametrize("groups", range(3, 9))
def test_a_collapse_of_a_small_specialty_is_never_a_pass(found: Evidence, groups: int) -> None:
    large = [scope_figure(f"large {number}", 0.1, 0.02, 60) for number in range(30)]
    rule = specialty_harm(
        with_specialties(found, *large, scope_figure("Podiatry", -0.8, 0.0, groups)), SETTINGS
    )
    assert rule.passed is not True and "Podiatry (-0.800" in rule.clause and "Podiatry" in rule.reason
    assert rule.value == -0.8


def test_a_specialty_that_is_worse_is_named_before_one_that_fell_more_by_chance(found: Evidence) -> None:
    rule = specialty_harm(
        with_specialties(
            found, scope_figure("Worse", -0.2, 0.02, 60), scope_figure("Chance", -0.24, 0.2, 10)
        ),
        SETTINGS,
    )
    assert rule.passed is False and rule.value == -0.2
    assert "significantly worse for Worse (-0.200" in rule.clause and "Chance" not in rule.clause
    assert "Not judged, and lower: Chance (-0.240" in rule.reason


def test_specialties_that_may_have_fallen_on_average_are_not_passed(found: Evidence) -> None:
    """No specialty is shown to be worse; the mean over them is not shown to be kept either."""
    rows = found.metrics.to_pylist()
    for row in rows:
        if (row["model"], row["scope"], row["metric"]) == ("difference", "macro", "precision"):
            row |= {"value": -0.03, "ci_low": -0.07, "ci_high": 0.01}
    metrics = type(found.metrics).from_pylist(rows, schema=found.metrics.schema)
    rule = specialty_harm(dataclasses.replace(found, metrics=metrics), SETTINGS)
    assert rule.passed is None and "the mean of P@5 over the specialties may have fallen" in rule.clause
    assert "changed by -0.030 [-0.070, +0.010], which may be below -0.05." in rule.reason


def test_without_a_specialty_of_its_own_figure_nothing_is_judged(found: Evidence) -> None:
    rule = specialty_harm(dataclasses.replace(found, specialties=[]), SETTINGS)
    assert rule.passed is None and rule.kind == "decides" and math.isnan(rule.value)


def test_slices_are_judged_like_specialties_and_no_slice_is_no_rule(good: Notes, found: Evidence) -> None:
    none = slice_harm(found, SETTINGS)
    assert (none.kind, none.passed) == ("information", None)

    def rule(*figures: ScopeFigure) -> Outcome:
        return slice_harm(evidence(good, slices=figures), SETTINGS)

    kept = rule(scope_figure("site=A", 0.1, 0.02, 60), scope_figure("site=B", -0.04, 0.1, 12))
    assert (kept.kind, kept.passed, kept.evidence) == ("decides", True, "slice_metrics")
    assert "1 of 2 slices were judged" in kept.reason and "site=B (-0.040, 12 notes" in kept.reason
    worse = rule(scope_figure("site=A", 0.1, 0.02, 60), scope_figure("sex=f", -0.2, 0.02, 60))
    assert worse.passed is False and "significantly worse for sex=f (-0.200" in worse.clause
    open_rule = rule(scope_figure("site=A", 0.1, 0.02, 60), scope_figure("site=B", -0.8, 0.0, 3))
    assert open_rule.passed is None and "too few notes to judge a slice that fell far" in open_rule.clause


def task_rule(found: Evidence, **changes: Any) -> Outcome:
    (outcome,) = task_outcomes(with_tasks(found, task_record(**changes)))
    assert outcome.rule == "keeps_everyday_words" and outcome.evidence == "task_metrics"
    return outcome


def test_a_task_within_its_tolerance_is_kept(found: Evidence) -> None:
    rule = task_rule(found, difference=-0.02, error=0.01)
    assert rule.passed and rule.clause == "" and (rule.value, rule.threshold) == (-0.02, -0.05)
    assert "Everyday words (MRR) goes from 0.600 to 0.580" in rule.reason
    assert "word matching reaches 0.500" in rule.reason and "It is kept within 0.05." in rule.reason
    # The end of the interval at the limit itself still holds.
    assert task_rule(found, difference=0.0, error=0.05 / 1.971957).passed


def test_a_task_that_fell_by_more_than_is_tolerated_is_broken(found: Evidence) -> None:
    rule = task_rule(found, difference=-0.1, error=0.02)
    assert rule.passed is False and "everyday words (MRR) fell by 0.100, 0.05 is tolerated" in rule.clause


@pytest.mark.parametrize(("difference", "error"), [(-0.04, 0.02), (-0.1, 0.08), (0.0, 0.04), (-0.05, 0.01)])
def test_a_task_that_may_have_fallen_is_not_judged_and_says_how_many_items_would_tell(
    found: Evidence, difference: float, error: float
) -> None:
    rule = task_rule(found, difference=difference, error=error)
    assert rule.passed is None and "may have fallen by more than 0.05" in rule.clause
    told = re.search(r"about (\d+) items would tell", rule.reason)
    # None where it lies on the limit itself, whatever their number.
    assert (told is None) if difference == -0.05 else (told is not None and int(told.group(1)) > 200)


def test_so_many_items_do_tell(found: Evidence) -> None:
    told = re.search(r"about (\d+) items", task_rule(found, difference=-0.04, error=0.02).reason)
    assert told is not None
    more = int(told.group(1))
    smaller = 0.02 * (200 / more) ** 0.5
    assert task_rule(found, difference=-0.04, error=smaller * 0.99, groups=more).passed
    assert task_rule(found, difference=-0.04, error=smaller * 1.05, groups=more).passed is None


def test_a_task_that_was_not_measured_is_never_a_pass(found: Evidence) -> None:
    rule = task_rule(found, problem="The task file has no items.")
    assert (rule.kind, rule.passed) == ("decides", None) and math.isnan(rule.value)
    assert rule.reason == "Not measured: The task file has no items."
    assert rule.clause == "everyday words could not be measured"


def test_a_task_that_only_informs_decides_nothing(found: Evidence) -> None:
    lost = task_record("a", difference=-0.5, decides=False)
    unmeasured = task_record("b", problem="No.", decides=False)
    outcomes = deciding_outcomes(with_tasks(found, lost, unmeasured), SETTINGS)
    assert decide(outcomes) == "deploy"
    rules = {one.rule: one for one in outcomes}
    assert (rules["keeps_a"].kind, rules["keeps_a"].passed) == ("information", False)
    assert rules["keeps_b"].kind == "information"


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "deploy"),
        ({"difference": -0.3}, "retrain"),
        ({"error": 0.1}, "inconclusive"),
        ({"problem": "No."}, "inconclusive"),
    ],
)
def test_every_task_decides_for_itself(found: Evidence, change: dict[str, Any], verdict: str) -> None:
    several = with_tasks(found, task_record("one"), task_record("two", **change), task_record("three"))
    outcomes = deciding_outcomes(several, SETTINGS)
    assert [one.rule for one in outcomes][len(RULES) - len(PASSAGES_RULES) :] == [
        "keeps_one",
        "keeps_two",
        "keeps_three",
    ]
    assert decide(outcomes) == verdict
    if verdict != "deploy":
        assert "two" in sentence(outcomes, several, SETTINGS)


def test_a_gain_that_could_be_chance_says_how_many_notes_would_tell(found: Evidence) -> None:
    rows = found.metrics.to_pylist()
    half = 0.05 * 1.985251  # of Student's t with 95 degrees of freedom
    for row in rows:
        if (row["model"], row["scope"], row["metric"], row["k"]) == ("difference", "all", "precision", 5):
            row |= {"value": 0.02, "ci_low": 0.02 - half, "ci_high": 0.02 + half, "n": 120, "groups": 96}
            row["degrees"] = 95.0
    metrics = type(found.metrics).from_pylist(rows, schema=found.metrics.schema)
    rule = main_metric(dataclasses.replace(found, metrics=metrics), SETTINGS)
    assert rule.passed is None and rule.clause == "the interval of P@5 includes zero"
    told = re.search(r"for a change of this size about (\d+) held-out notes would tell", rule.reason)
    # The error falls with the square root: 96 groups times (1.96 * 0.05 / 0.02) squared, 1.25 notes each.
    assert told is not None and int(told.group(1)) == pytest.approx(
        1.25 * 96 * (1.959964 * 0.05 / 0.02) ** 2, abs=3
    )


@pytest.mark.parametrize(
    ("changes", "passed", "told"),
    [
        ([], True, "0 of 0 tasks are kept"),
        ([{}, {"difference": -0.5, "decides": False}], True, "1 of 1 tasks are kept"),
        ([{}, {"difference": -0.5}, {"problem": "No."}], False, "1 of 3 tasks are kept; not: task_1, task_2"),
    ],
)
def test_one_check_is_over_all_tasks(
    good: Notes, tmp_path: Path, changes: list[dict[str, Any]], passed: bool, told: str
) -> None:
    lake = Lake(str(tmp_path))
    records = [task_record(f"task_{number}", **change) for number, change in enumerate(changes)]
    slices = [scope_figure("site=A", 0.1, 0.02, 60), scope_figure("site=B", -0.3, 0.02, 60)]
    fill_lake(lake, good, tasks=records, slices=slices)
    result = dg.materialize([release_verdict, release_rules], resources={"lake": LakeResource(url=lake.url)})
    checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert checks[TASKS_RULE].passed is passed and checks[TASKS_RULE].description == told
    assert checks[TASKS_RULE].severity == dg.AssetCheckSeverity.WARN
    # Slices are read from their table, and decide.
    assert not checks["no_slice_is_worse"].passed
    assert "site=B" in str(checks["no_slice_is_worse"].description)
    facts = lake.table("release_verdict").footer.facts
    assert facts["verdict"] == "retrain" and [one["name"] for one in facts["slice_tests"]] == [
        "site=A",
        "site=B",
    ]
