"""The classifier's verdict: which figures make it deploy, keep or inconclusive."""

from __future__ import annotations

from typing import Any

import pytest

from medembed_pipeline.classification.rules import (
    RULES,
    Evidence,
    classifier_outcomes,
    classifier_sentence,
    classifier_verdict_of,
)
from medembed_pipeline.classification.settings import ClassifierVerdictSettings

SETTINGS = ClassifierVerdictSettings()


def row(metric: str, value: float, half: float, over: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "model": "tuned_tfidf",
        "over": over,
        "scope_kind": "all",
        "scope": "all",
        "metric": metric,
        "k": None,
        "value": value,
        "ci_low": value - half,
        "ci_high": value + half,
        "n": 300,
        "groups": 290,
        "degrees": 289.0,
        **more,
    }


def evidence(*changed: dict[str, Any], served: str = "tuned_tfidf", in_service: bool = False) -> Evidence:
    rows = {
        (one["over"], one["scope_kind"], one["scope"], one["metric"]): one
        for one in (
            row("map", 0.9, 0.02),
            row("map", 0.8, 0.02, "prevalence"),
            row("map", 0.03, 0.01, "tfidf"),
            row("map", 0.02, 0.01, "in_service"),
            row("covered", 0.91, 0.02),
            row("calibration_error", 0.005, 0.002),
            row("top_calibration_error", 0.05, 0.02),
            row("f1", 0.02, 0.05, "tfidf", scope_kind="label", scope="Cardiology"),
            row("f1", 0.02, 0.05, "in_service", scope_kind="label", scope="Cardiology"),
            *changed,
        )
    }
    return Evidence([{**one, "model": served} for one in rows.values()], served, 0.1, 0.95, in_service)


def passed(found: Evidence) -> dict[str, bool | None]:
    return {
        outcome.rule: outcome.passed
        for outcome in classifier_outcomes(found, SETTINGS)
        if outcome.kind == "decides"
    }


def verdict(found: Evidence) -> str:
    return classifier_verdict_of(classifier_outcomes(found, SETTINGS))


def test_it_deploys_where_every_rule_holds() -> None:
    found = evidence(in_service=True)
    assert list(passed(found)) == list(RULES)
    assert verdict(found) == "deploy"
    sentence = classifier_sentence(classifier_outcomes(found, SETTINGS), found, SETTINGS)
    assert sentence.startswith("Deploy: ")
    assert "0.900" in sentence


@pytest.mark.parametrize(
    ("changed", "rule", "expected"),
    [
        (row("map", 0.0, 0.01, "tfidf"), "classifier_beats_words", "inconclusive"),
        (row("map", -0.03, 0.01, "tfidf"), "classifier_beats_words", "keep"),
        (row("map", -0.03, 0.01, "in_service"), "classifier_beats_the_one_in_service", "keep"),
        (row("map", 0.0, 0.01, "in_service"), "classifier_beats_the_one_in_service", "inconclusive"),
        (row("map", 0.01, 0.02, "prevalence"), "classifier_beats_chance", "inconclusive"),
        (row("covered", 0.8, 0.02), "classifier_sets_cover", "keep"),
        (row("covered", 0.865, 0.05), "classifier_sets_cover", "inconclusive"),
        (row("calibration_error", 0.08, 0.01), "classifier_is_calibrated", "keep"),
        (
            row("f1", -0.4, 0.05, "in_service", scope_kind="label", scope="Cardiology"),
            "no_label_is_worse",
            "keep",
        ),
    ],
)
def test_each_rule_can_stand_against_it(changed: dict[str, Any], rule: str, expected: str) -> None:
    found = evidence(changed, in_service=True)
    assert passed(found)[rule] is (False if expected == "keep" else None)
    assert verdict(found) == expected
    sentence = classifier_sentence(classifier_outcomes(found, SETTINGS), found, SETTINGS)
    assert sentence.startswith(f"{expected.capitalize()}: ")


def test_few_groups_are_not_judged() -> None:
    found = evidence(row("map", 0.03, 0.01, "tfidf", groups=5))
    assert passed(found)["classifier_beats_words"] is None


def test_words_that_are_served_are_not_compared_with_themselves() -> None:
    assert "classifier_beats_words" not in passed(evidence(served="tfidf"))
    assert verdict(evidence(served="tfidf")) == "deploy"


def test_without_another_in_service_there_is_nothing_to_beat() -> None:
    assert "classifier_beats_the_one_in_service" not in passed(evidence())


def crossed(value: float, half: float, **more: Any) -> dict[str, Any]:
    return row("map", value, half, "tfidf", scope_kind="cross_fitted", **more)


@pytest.mark.parametrize(
    ("many", "held_out", "expected"),
    [
        ((0.02, 0.01), (0.01, 0.03), True),  # too few held-out notes to tell, and nothing against it
        ((0.02, 0.01), (-0.01, 0.03), True),
        ((0.02, 0.01), (-0.05, 0.03), False),  # the folder that is served is worse for certain
        ((0.01, 0.02), (0.05, 0.03), None),  # held-out notes alone do not outvote all of them
        ((-0.02, 0.01), (0.05, 0.03), False),
    ],
)
def test_cross_fitted_notes_judge_the_gain_over_words_unless_held_out_ones_contradict(
    many: tuple[float, float], held_out: tuple[float, float], expected: bool | None
) -> None:
    found = evidence(row("map", *held_out, "tfidf"), crossed(*many))
    assert passed(found)["classifier_beats_words"] is expected
    (outcome,) = (one for one in classifier_outcomes(found, SETTINGS) if one.rule == "classifier_beats_words")
    for value in (many[0], held_out[0]):
        assert f"{value:+.3f}" in outcome.reason
    assert ("does not contradict" in outcome.reason) is (held_out != (-0.05, 0.03))
    assert outcome.value == many[0]


def test_few_cross_fitted_groups_are_not_judged_either() -> None:
    assert passed(evidence(crossed(0.02, 0.01, groups=5)))["classifier_beats_words"] is None


def test_losses_are_looked_for_where_gains_are() -> None:
    worse = row("f1", -0.4, 0.05, "tfidf", scope_kind="cross_fitted_label", scope="Cardiology")
    assert passed(evidence(worse))["no_label_is_worse"] is False
    # Against the one in service there are held-out notes alone.
    assert passed(evidence(worse, in_service=True))["no_label_is_worse"] is True
