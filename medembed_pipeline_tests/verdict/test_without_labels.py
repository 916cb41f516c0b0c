"""Planted truths of models that learned no labels: judged on passages, and what specialties there are must be kept."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource
from medembed_pipeline.verdict.assets import release_verdict
from medembed_pipeline.verdict.checklist import information_outcomes
from medembed_pipeline.verdict.checks import release_rules
from medembed_pipeline.verdict.evidence import Evidence, Task
from medembed_pipeline.verdict.outcomes import RULES, TASKS_RULE, Outcome
from medembed_pipeline.verdict.rules import deciding_outcomes
from medembed_pipeline.verdict.summary import decide, sentence
from medembed_pipeline_tests.verdict.changes import task_record
from medembed_pipeline_tests.verdict.planted import SETTINGS, Notes, evidence, fill_lake, planted

GAIN = {"difference": 0.1, "error": 0.02}
ABOUT_SPECIALTIES = ("no_specialty_is_worse", "no_slice_is_worse", "no_specialty_collapsed")


@pytest.fixture(scope="module")
def good() -> Notes:
    return planted()


@pytest.fixture(scope="module")
def labelled(good: Notes) -> Evidence:
    """Labelled held-out notes, and a model that learned nothing of their labels."""
    return dataclasses.replace(evidence(good), learned_from_labels=False, held_out_notes=120)


@pytest.fixture(scope="module")
def unlabelled(labelled: Evidence) -> Evidence:
    """What there is to see where no note has a label."""
    health = [row for row in labelled.health.to_pylist() if row["figure"] != "specialty_spread"]
    return dataclasses.replace(
        labelled,
        metrics=labelled.metrics.slice(0, 0),
        scored_notes=0,
        scored_groups=0,
        specialties=[],
        specialty_sets=[],
        health=type(labelled.health).from_pylist(health, schema=labelled.health.schema),
    )


def passages(**changes: Any) -> dict[str, Any]:
    return task_record("passages", family="passages", **changes)


def judged(found: Evidence, *records: dict[str, Any]) -> tuple[str, dict[str, Outcome], str]:
    """The verdict, the outcomes by rule, and the sentence."""
    found = dataclasses.replace(found, tasks=[Task.from_record(record) for record in records])
    outcomes = deciding_outcomes(found, SETTINGS)
    return (
        decide(outcomes),
        {outcome.rule: outcome for outcome in outcomes},
        sentence(outcomes, found, SETTINGS),
    )


def test_a_gain_on_passages_is_deployed_and_the_sentence_says_what_was_judged(unlabelled: Evidence) -> None:
    verdict, outcomes, text = judged(unlabelled, passages(**GAIN), task_record("terms"))
    assert verdict == "deploy", {rule: one.reason for rule, one in outcomes.items() if not one.passed}
    gain = outcomes["passages_are_better"]
    assert gain.passed and gain.value == pytest.approx(0.1) and gain.evidence == "task_metrics"
    assert "main_metric_is_better" not in outcomes and "main_metric_is_kept" not in outcomes
    assert text.startswith(
        "Deploy: judged on passages, since no held-out note has a specialty: the MRR with which a passage finds its "
        "note goes from 0.600 to 0.700 on 200 passages (+0.100, "
    )
    assert "there are no specialties to judge, each of 2 tasks is kept" in text and "P@5" not in text
    assert "None of the 120 scored notes" in outcomes["scored_notes_are_unseen"].reason


def test_rules_about_specialties_say_that_there_are_none(unlabelled: Evidence) -> None:
    _, outcomes, text = judged(unlabelled, passages(**GAIN))
    for rule in ABOUT_SPECIALTIES:
        assert (outcomes[rule].kind, outcomes[rule].passed) == ("information", None), rule
        assert "specialt" in outcomes[rule].reason
    assert information_outcomes(unlabelled) == []
    reasons = [one.reason for one in outcomes.values()]
    assert not any("nan" in one.casefold() for one in [text, *reasons])


@pytest.mark.parametrize(
    ("change", "verdict", "told"),
    [
        (
            {"difference": 0.01, "error": 0.02},
            "inconclusive",
            "the interval of the MRR of passages includes zero",
        ),
        (
            {"difference": -0.02, "error": 0.005},
            "retrain",
            "the whole interval of the MRR of passages is at or below",
        ),
        (
            {"difference": 0.0, "error": 0.0},
            "retrain",
            "the whole interval of the MRR of passages is at or below",
        ),
        ({**GAIN, "groups": 12}, "inconclusive", "12 independent held-out notes are too few, 20 are needed"),
        ({"problem": "no note is long enough"}, "inconclusive", "not measured (no note is long enough)"),
    ],
)
def test_no_gain_on_passages_is_not_deployed(
    unlabelled: Evidence, change: dict[str, Any], verdict: str, told: str
) -> None:
    found, outcomes, text = judged(unlabelled, passages(**change))
    assert found == verdict and told in text
    assert outcomes["passages_are_better"].passed is (False if verdict == "retrain" else None)


def test_passages_that_are_left_out_or_only_inform(unlabelled: Evidence) -> None:
    verdict, outcomes, text = judged(unlabelled, task_record("terms"))
    assert verdict == "inconclusive" and "[tasks] families leaves them out" in text
    assert math.isnan(outcomes["passages_are_better"].value)
    # That their loss need not be a reason does not make their gain less of one.
    assert judged(unlabelled, passages(**GAIN, decides=False))[0] == "deploy"


def test_a_lost_task_is_a_reason_without_labels_too(unlabelled: Evidence) -> None:
    verdict, _, text = judged(unlabelled, passages(**GAIN), task_record("terms", difference=-0.2))
    assert verdict == "retrain" and ", but terms (MRR) fell by 0.200" in text


def test_labels_that_were_not_learned_from_must_be_kept_and_need_no_gain(labelled: Evidence) -> None:
    verdict, outcomes, text = judged(with_change(labelled, 0.0, 0.01), passages(**GAIN))
    assert verdict == "deploy", {rule: one.reason for rule, one in outcomes.items() if not one.passed}
    kept = outcomes["main_metric_is_kept"]
    assert kept.passed and kept.threshold == -SETTINGS.specialty_tolerance
    assert "judged on passages, since no label was learned from: " in text
    assert "P@5 goes from " in text and "which is kept, no specialty is significantly worse" in text


@pytest.mark.parametrize(
    ("change", "error", "passed", "told"),
    [
        (-0.2, 0.02, False, "P@5 fell by 0.200, 0.05 is tolerated"),
        (-0.03, 0.03, None, "P@5 may have fallen by more than 0.05"),
    ],
)
def test_labels_that_are_lost_are_found(
    labelled: Evidence, change: float, error: float, passed: bool | None, told: str
) -> None:
    verdict, outcomes, text = judged(with_change(labelled, change, error), passages(**GAIN))
    assert verdict == ("inconclusive" if passed is None else "retrain") and told in text
    assert outcomes["main_metric_is_kept"].passed is passed


def test_a_few_labels_that_can_show_nothing_forbid_nothing(labelled: Evidence) -> None:
    few = dataclasses.replace(
        with_change(labelled, -0.03, 0.1), scored_groups=5, scored_notes=5, specialties=[]
    )
    verdict, outcomes, _ = judged(few, passages(**GAIN))
    assert verdict == "deploy"
    assert (outcomes["main_metric_is_kept"].kind, outcomes["main_metric_is_kept"].passed) == (
        "information",
        None,
    )
    assert outcomes["no_specialty_is_worse"].kind == "information"


def test_a_model_that_learned_labels_is_judged_on_them(good: Notes) -> None:
    verdict, outcomes, text = judged(evidence(good), passages(difference=0.0))
    assert verdict == "deploy" and text.startswith("Deploy: P@5 goes from ")
    assert "passages_are_better" not in outcomes and outcomes["keeps_passages"].passed


def with_change(found: Evidence, difference: float, error: float) -> Evidence:
    """The main metric changed by so much over all notes."""
    rows = found.metrics.to_pylist()
    for row in rows:
        if (row["scope"], row["metric"], row["k"]) != ("all", "precision", 5):
            continue
        if row["model"] == "difference":
            row |= {"value": difference, "ci_low": difference - 2 * error, "ci_high": difference + 2 * error}
        elif row["model"] == "tuned":
            row["value"] = (
                next(
                    other["value"]
                    for other in rows
                    if (other["model"], other["scope"], other["metric"], other["k"])
                    == ("baseline", "all", "precision", 5)
                )
                + difference
            )
    return dataclasses.replace(
        found, metrics=type(found.metrics).from_pylist(rows, schema=found.metrics.schema)
    )


def test_the_asset_knows_from_the_checkpoint_that_no_label_was_learned(good: Notes, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    fill_lake(lake, good, tasks=[passages(**GAIN)])
    manifest = tmp_path / "checkpoints" / "aaaaaaaaaaaaaaaa" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "counts": {"train_triplets": 0}}))
    result = dg.materialize(
        [release_verdict, release_rules], resources={"lake": LakeResource(url=lake.url)}, raise_on_error=False
    )
    assert result.success
    facts = lake.table("release_verdict").footer.facts
    assert facts["judged_on"] == "passages" and facts["verdict"] == "deploy"
    checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert list(checks) == [*RULES, TASKS_RULE] and all(one.passed for one in checks.values())
    assert "Does not apply" in str(checks["main_metric_is_better"].description)
