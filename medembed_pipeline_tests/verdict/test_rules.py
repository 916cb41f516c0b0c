"""Planted truths turn the verdict, and the reason names what was planted."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from medembed_pipeline.verdict.checklist import information_outcomes
from medembed_pipeline.verdict.evidence import Evidence
from medembed_pipeline.verdict.outcomes import PASSAGES_RULES, RULES, Outcome
from medembed_pipeline.verdict.rules import deciding_outcomes
from medembed_pipeline.verdict.settings import VerdictSettings
from medembed_pipeline.verdict.summary import decide, sentence
from medembed_pipeline_tests.verdict.changes import scope_figure, task_record
from medembed_pipeline_tests.verdict.planted import (
    NO_CROSSINGS,
    NOTHING_SEEN,
    SETTINGS,
    Notes,
    detail_record,
    evidence,
    measured_health,
    planted,
    unit,
)


def judged(found: Evidence, settings: VerdictSettings = SETTINGS) -> tuple[str, dict[str, Outcome], str]:
    """The verdict, the outcomes by rule, and the sentence."""
    outcomes = deciding_outcomes(found, settings)
    return (
        decide(outcomes),
        {outcome.rule: outcome for outcome in outcomes},
        sentence(outcomes, found, settings),
    )


def broken(outcomes: dict[str, Outcome]) -> set[str]:
    return {rule for rule, outcome in outcomes.items() if outcome.passed is False}


@pytest.fixture(scope="module")
def good() -> Notes:
    return planted()


def test_a_clear_gain_is_deployed(good: Notes) -> None:
    verdict, outcomes, text = judged(evidence(good))
    assert verdict == "deploy", {rule: one.reason for rule, one in outcomes.items() if not one.passed}
    assert list(outcomes) == [rule for rule in RULES if rule not in PASSAGES_RULES]
    gain = outcomes["main_metric_is_better"]
    assert gain.ci_low > 0 and f"{gain.value:+.3f}" in text and "96 held-out notes" in text
    assert text.startswith("Deploy: P@5 goes from ")


def test_no_change_is_retrained(good: Notes) -> None:
    same = dataclasses.replace(good, tuned=good.baseline)
    same.health = measured_health(same)
    verdict, outcomes, _ = judged(evidence(same))
    assert verdict == "retrain" and broken(outcomes) == {"main_metric_is_better"}


def test_a_worse_model_is_retrained(good: Notes) -> None:
    worse = dataclasses.replace(good, baseline=good.tuned, tuned=good.baseline)
    worse.health = measured_health(worse)
    verdict, outcomes, text = judged(evidence(worse))
    assert verdict == "retrain" and "main_metric_is_better" in broken(outcomes)
    assert "at or below zero" in text


def test_a_gain_that_could_be_chance_is_inconclusive() -> None:
    slight = planted(gain=0.0, seed=4)
    random = np.random.default_rng(0)
    slight.tuned = unit(slight.baseline + 0.05 * random.normal(size=slight.baseline.shape) / 7)
    slight.health = measured_health(slight)
    found = evidence(slight)
    change = found.metric("difference", ("precision", 5))
    assert change.ci_low <= 0 < change.ci_high
    verdict, outcomes, text = judged(found)
    assert verdict == "inconclusive" and broken(outcomes) == set()
    assert "the interval of P@5 includes zero" in text


def test_a_model_made_worse_for_one_specialty_names_it() -> None:
    found = evidence(planted(gain=1.0, harmed="Specialty 3", specialties=14))
    assert found.metric("difference", ("precision", 5)).ci_low > 0
    verdict, outcomes, text = judged(found)
    assert verdict == "retrain" and "no_specialty_is_worse" in broken(outcomes)
    harm = outcomes["no_specialty_is_worse"]
    assert "Specialty 3" in harm.reason and "Specialty 3 (-" in text and ", but " in text
    assert not any(f"Specialty {number}" in harm.reason for number in (0, 2, 4, 5, 6, 7, 8, 9))
    # The row shows the figure and the interval of that specialty's row in embedding_metrics.
    row = found.metric("difference", ("precision", 5), "Specialty 3")
    assert (harm.value, harm.ci_low, harm.ci_high) == pytest.approx((row.value, row.ci_low, row.ci_high))
    assert harm.threshold == -SETTINGS.specialty_tolerance and harm.evidence == "embedding_metrics"


def test_a_larger_tolerance_lets_the_same_harm_pass() -> None:
    notes = planted(gain=1.0, harmed="Specialty 3", specialties=14)
    settings = SETTINGS.model_copy(update={"specialty_tolerance": 1.0})
    _, outcomes, _ = judged(evidence(notes, settings), settings)
    assert outcomes["no_specialty_is_worse"].passed


def test_a_collapsed_specialty_is_named_though_its_metric_is_better(good: Notes) -> None:
    rows = good.tuned.copy()
    own = [row for row, names in enumerate(good.specialties) if names == ["Specialty 2"]]
    rows[own] = unit(rows[own[0]] + 1e-3 * np.random.default_rng(1).normal(size=(len(own), rows.shape[1])))
    collapsed = dataclasses.replace(good, tuned=rows)
    collapsed.health = measured_health(collapsed)
    found = evidence(collapsed)
    assert found.metric("difference", ("precision", 5)).ci_low > 0
    verdict, outcomes, text = judged(found)
    assert verdict == "retrain" and "no_specialty_collapsed" in broken(outcomes)
    assert "Specialty 2" in outcomes["no_specialty_collapsed"].reason and "Specialty 2 collapsed" in text


def test_a_space_of_few_directions_is_found(good: Notes) -> None:
    flat = dataclasses.replace(good, tuned=unit(good.tuned * np.r_[np.ones(3), np.full(45, 0.02)]))
    flat.health = measured_health(flat)
    verdict, outcomes, _ = judged(evidence(flat))
    assert verdict == "retrain" and "effective_rank_is_kept" in broken(outcomes)


def test_a_planted_hub_is_found() -> None:
    notes = planted(gain=0.2, specialties=12, notes=14)
    # All notes share a direction, and three notes are nothing but that direction: near to everything.
    shared = unit(np.random.default_rng(1).normal(size=(1, 48)))
    rows = unit(shared + notes.tuned)
    rows[[0, 20, 40]] = unit(shared + 0.01 * notes.tuned[[0, 20, 40]])
    hubs = dataclasses.replace(notes, tuned=rows)
    hubs.health = measured_health(hubs)
    before, after, _ = hubs.health["hubness_skew", ""]
    assert after > SETTINGS.largest_hub_skew > before
    verdict, outcomes, text = judged(evidence(hubs))
    assert verdict == "retrain" and "no_hub_alarm" in broken(outcomes)
    assert outcomes["no_hub_alarm"].evidence == "embedding_diagnostics" and "neighbours of everything" in text


@pytest.mark.parametrize(
    ("before", "after", "passed"), [(1.0, 3.5, False), (4.0, 3.5, True), (2.0, 3.0, True)]
)
def test_a_hub_alarm_needs_a_skew_above_the_limit_that_grew(
    good: Notes, before: float, after: float, passed: bool
) -> None:
    notes = dataclasses.replace(good, health={**good.health, ("hubness_skew", ""): (before, after, 96)})
    assert judged(evidence(notes))[1]["no_hub_alarm"].passed is passed


def test_notes_that_no_search_finds_are_an_alarm(good: Notes) -> None:
    notes = dataclasses.replace(good, health={**good.health, ("unreachable_share", ""): (0.05, 0.4, 96)})
    verdict, outcomes, text = judged(evidence(notes))
    assert verdict == "retrain" and broken(outcomes) == {"notes_stay_reachable"}
    assert "40% of the notes are found by no search" in text


def test_lost_detail_is_an_alarm_and_the_worst_kind_counts(good: Notes) -> None:
    notes = dataclasses.replace(good, detail=[detail_record(), detail_record("sample_name", share=0.25)])
    _, outcomes, text = judged(evidence(notes))
    assert broken(outcomes) == {"detail_is_kept"} and "sample name" in outcomes["detail_is_kept"].reason
    assert outcomes["detail_is_kept"].value == pytest.approx(0.25) and "25% of it is left" in text


@pytest.mark.parametrize("records", [[], [detail_record(share=None)], [detail_record(share=0.1, notes=4)]])
def test_detail_that_a_corpus_cannot_show_forbids_nothing(good: Notes, records: list[dict[str, Any]]) -> None:
    verdict, outcomes, _ = judged(evidence(dataclasses.replace(good, detail=records)))
    assert verdict == "deploy"
    assert (outcomes["detail_is_kept"].kind, outcomes["detail_is_kept"].passed) == ("information", None)


@pytest.mark.parametrize("kind", list(NO_CROSSINGS))
def test_a_leak_between_the_splits_is_retrained(good: Notes, kind: str) -> None:
    verdict, outcomes, text = judged(evidence(good, crossings={**NO_CROSSINGS, kind: 2}))
    assert verdict == "retrain" and broken(outcomes) == {"splits_do_not_leak"}
    assert outcomes["splits_do_not_leak"].value == 2 and f"2 {kind.replace('_', ' ')}" in text


@pytest.mark.parametrize("kind", list(NOTHING_SEEN))
def test_a_scored_note_that_was_trained_on_is_retrained(good: Notes, kind: str) -> None:
    verdict, outcomes, _ = judged(evidence(good, trained_on={**NOTHING_SEEN, kind: 1}))
    assert verdict == "retrain" and broken(outcomes) == {"scored_notes_are_unseen"}
    assert outcomes["scored_notes_are_unseen"].evidence == "note_splits"


def test_the_leakage_estimates_own_finding_counts_too(good: Notes) -> None:
    verdict, outcomes, text = judged(evidence(good, seen_share=0.125))
    assert verdict == "retrain" and broken(outcomes) == {"scored_notes_are_unseen"} and "12.5%" in text
    assert outcomes["scored_notes_are_unseen"].evidence == "leakage_estimate"


@pytest.mark.parametrize(
    "figure", ["effective_rank", "hubness_skew", "unreachable_share", "specialty_spread"]
)
def test_a_health_figure_that_is_missing_is_never_a_pass(good: Notes, figure: str) -> None:
    health = {key: value for key, value in good.health.items() if key[0] != figure}
    verdict, outcomes, text = judged(evidence(dataclasses.replace(good, health=health)))
    assert verdict == "inconclusive" and broken(outcomes) == set()
    unjudged = [one for one in outcomes.values() if one.kind == "decides" and one.passed is None]
    assert len(unjudged) == 1 and "undefined" in text


def test_a_tiny_test_set_is_inconclusive_however_large_the_gain() -> None:
    tiny = planted(specialties=3, notes=4, gain=2.0)
    verdict, outcomes, text = judged(evidence(tiny))
    assert verdict == "inconclusive"
    assert outcomes["main_metric_is_better"].passed is None
    assert "12 independent held-out notes are too few, 20 are needed" in text


def test_copies_of_one_note_are_one_observation(good: Notes) -> None:
    copies = dataclasses.replace(good, groups=["one"] * 48 + ["two"] * 48)
    assert judged(evidence(copies))[0] == "inconclusive"
    single = dataclasses.replace(good, groups=["one"] * 96)
    found = evidence(single)
    assert np.isnan(found.metric("difference", ("precision", 5)).ci_low)
    verdict, outcomes, text = judged(found)
    assert verdict == "inconclusive" and "no interval" in text
    assert outcomes["no_specialty_is_worse"].passed is None


def test_a_tiny_test_set_does_not_hide_a_leak() -> None:
    tiny = planted(specialties=3, notes=4, gain=2.0)
    assert judged(evidence(tiny, crossings={**NO_CROSSINGS, "texts_in_two_splits": 1}))[0] == "retrain"


def test_one_specialty_only_is_inconclusive_since_nothing_can_be_told_apart() -> None:
    verdict, outcomes, text = judged(evidence(planted(specialties=1, notes=40)))
    assert verdict == "inconclusive" and "1 already" in text
    assert outcomes["main_metric_is_better"].passed is None


@pytest.mark.parametrize("metric", ["precision@1", "precision@10", "mrr", "ndcg@10", "map"])
def test_any_main_metric_can_decide(good: Notes, metric: str) -> None:
    settings = VerdictSettings.model_validate({"main_metric": metric})
    found = evidence(good, settings)
    verdict, outcomes, _ = judged(found, settings)
    assert verdict == "deploy"
    name, _, k = metric.partition("@")
    row = found.metric("difference", (name, int(k) if k else None))
    assert outcomes["main_metric_is_better"].value == row.value > 0


def test_models_of_different_dimensions_are_judged() -> None:
    notes = planted(dimensions=48, tuned_dimensions=40, gain=1.0)
    assert judged(evidence(notes))[0] == "deploy"


def test_every_reason_is_a_sentence_that_names_a_table(good: Notes) -> None:
    found = evidence(
        good,
        slices=[scope_figure("site=A", 0.1, 0.02, 60), scope_figure("site=B", -0.02, 0.3, 4)],
        tasks=[task_record("kept"), task_record("lost", difference=-0.2), task_record("none", problem="No.")],
    )
    tables = {
        *("embedding_metrics", "slice_metrics", "task_metrics", "embedding_diagnostics"),
        *("note_splits", "leakage_estimate", "neighbors", "label_review"),
    }
    for outcome in [*deciding_outcomes(found, SETTINGS), *information_outcomes(found)]:
        assert outcome.evidence in tables
        assert outcome.reason[0].isupper() and outcome.reason.endswith("."), outcome.reason
        assert "nan" not in outcome.reason.casefold(), outcome.reason


def test_the_published_checklist_is_judged_on_the_tuned_model_and_decides_nothing(good: Notes) -> None:
    found = evidence(good)
    outcomes = {outcome.rule: outcome for outcome in information_outcomes(found)}
    assert {outcome.kind for outcome in outcomes.values()} == {"information"}
    rows = good.tuned.astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    similarity = rows @ rows.T
    same = np.array([[a == b for b in good.specialties] for a in good.specialties])
    off = ~np.eye(len(rows), dtype=bool)
    own, others = similarity[same & off], similarity[~same]
    ranked = -np.sort(-np.where(off, similarity, -np.inf), axis=1)
    first = np.where(off, similarity, -np.inf).argmax(axis=1)
    expected = {
        "published_margin": own.mean() - others.mean(),
        "published_right_at_rank_one": same[np.arange(len(rows)), first].mean(),
        "published_rank_gap": (ranked[:, 0] - ranked[:, 1]).mean(),
        "published_own_pair_similarity": own.mean(),
        "published_other_pair_similarity": others.mean(),
        "label_ceiling": found.metric("tuned", ("precision", 5)).value,
        "memory_under_split_by_row": 0.4,
    }
    for rule, value in expected.items():
        assert outcomes[rule].value == pytest.approx(value, abs=1e-5), rule
    for rule, above, limit in (
        ("published_margin", True, 0.25),
        ("published_separation", True, 2.0),
        ("published_right_at_rank_one", True, 0.85),
        ("published_rank_gap", True, 0.1),
        ("published_own_pair_similarity", True, 0.8),
        ("published_other_pair_similarity", False, 0.6),
    ):
        one = outcomes[rule]
        assert one.threshold == limit
        assert one.passed is bool(one.value > limit if above else one.value < limit)


def test_information_that_was_not_measured_is_left_out_or_not_judged(good: Notes) -> None:
    found = dataclasses.replace(
        evidence(good), leak_facts={"memorization_share_by_row": None}, label_facts={}, rank_gap=float("nan")
    )
    outcomes = {outcome.rule: outcome for outcome in information_outcomes(found)}
    assert "label_ceiling" not in outcomes and "memory_under_split_by_row" not in outcomes
    assert outcomes["published_rank_gap"].passed is None
