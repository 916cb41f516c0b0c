"""The triage verdict: which figures make the picture help, which arm is to be used else, and what confounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from medembed_pipeline.triage.cases import Levels
from medembed_pipeline.triage.evidence import RULES, SHORTCUTS, Evidence
from medembed_pipeline.triage.ledger import AS_IT_IS, BEST_SINGLE
from medembed_pipeline.triage.rules import (
    triage_outcomes,
    triage_sentence,
    triage_word,
)
from medembed_pipeline.triage.settings import TriageVerdictSettings

SETTINGS = TriageVerdictSettings()


def row(
    arm: str, variant: str, over: str | None, value: float, half: float, figure: str = "auc"
) -> dict[str, Any]:
    return {
        "arm": arm, "variant": variant, "over": over, "figure": figure, "value": value,
        "ci_low": value - half, "ci_high": value + half, "n": 200, "groups": 100,
    }  # fmt: skip


def shortcut(
    name: str, value: float, half: float, reference: float = 0.9, scope: str = "all"
) -> dict[str, Any]:
    apart = value - reference
    return {
        "input": name, "scope": scope, "figure": "auc", "value": value, "ci_low": value - half,
        "ci_high": value + half, "n": 200, "groups": 100, "floor": 0.5, "floor_low": 0.48, "floor_high": 0.53,
        "reference": reference, "difference": apart, "difference_low": apart - half, "difference_high": apart + half,
        "share": (value - 0.5) / (reference - 0.5),
    }  # fmt: skip


def evidence(gain: float = 0.1, *meter: dict[str, Any], half: float = 0.04) -> Evidence:
    ledger = [
        row("note", AS_IT_IS, None, 0.8, 0.04),
        row("gated", AS_IT_IS, None, 0.8 + gain, 0.04),
        row("gated", AS_IT_IS, BEST_SINGLE, gain, half),
        row("gated", AS_IT_IS, BEST_SINGLE, -0.02, 0.03, "under_triage"),
        row("gated", "shuffled_note", AS_IT_IS, -0.3, 0.05),
        row("gated", "shuffled_picture", AS_IT_IS, -0.2, 0.05),
        row("gated", "emap", AS_IT_IS, -0.05, 0.02),
        row("gated", AS_IT_IS, "points", 0.05, 0.02),
        row("gated", AS_IT_IS, None, 0.05, 0.02, "calibration_error"),
    ]
    inputs = {
        "words": shortcut("words", 0.79, 0.05),
        "source": shortcut("source", 0.52, 0.06),
        "view": shortcut("view", 0.5, 0.06),
        "border_only": shortcut("border_only", 0.55, 0.06),
        "centre_blacked_out": shortcut("centre_blacked_out", 0.5, 0.05),
        "diagnosis_words_masked": shortcut("diagnosis_words_masked", 0.78, 0.01, reference=0.79),
        **{one["input"]: one for one in meter},
    }
    return Evidence(ledger, list(inputs.values()), "note", "gated", "", "auc", Levels(("a", "b"), True))


def word(found: Evidence) -> str:
    return triage_word(triage_outcomes(found, SETTINGS), found, SETTINGS)


def sentence(found: Evidence) -> str:
    return triage_sentence(triage_outcomes(found, SETTINGS), found, SETTINGS)


def test_every_rule_has_an_outcome_in_order() -> None:
    assert [one.rule for one in triage_outcomes(evidence(), SETTINGS)] == list(RULES)


def test_the_picture_helps_only_with_the_whole_interval_above_zero() -> None:
    assert word(evidence(0.1)) == "picture_helps"
    assert sentence(evidence(0.1)).startswith(
        "The picture helps: gated fusion of note and picture against the note alone: AUC +0.100 [+0.060, +0.140]"
    )
    for gain in (0.03, -0.1):
        assert word(evidence(gain)) == "use_note"
        assert sentence(evidence(gain)).startswith("Use the note alone: the picture is ")


@pytest.mark.parametrize(
    ("name", "rule"),
    [("source", "source_does_not_tell"), ("view", "view_does_not_tell"), ("border_only", "border_does_not_tell"),
     ("centre_blacked_out", "centre_is_needed")],
)  # fmt: skip
def test_a_shortcut_that_tells_half_of_it_is_named_and_confounds(name: str, rule: str) -> None:
    found = evidence(0.1, shortcut(name, 0.75, 0.05))
    outcomes = {one.rule: one for one in triage_outcomes(found, SETTINGS)}
    assert outcomes[rule].passed is False and word(found) == "confounded"
    assert "has AUC 0.750 [0.700, 0.800], 62% of what" in sentence(found)
    # Not where chance may have done it, nor where it is little of what the arm reaches.
    assert word(evidence(0.1, shortcut(name, 0.75, 0.27))) == "picture_helps"
    assert word(evidence(0.1, shortcut(name, 0.6, 0.02))) == "picture_helps"


def test_a_note_that_rests_on_words_of_diseases_confounds() -> None:
    found = evidence(0.1, shortcut("diagnosis_words_masked", 0.6, 0.05, reference=0.79))
    assert word(found) == "confounded"
    assert "66% of what the words of the note tell rests on words that name a disease" in sentence(found)


def test_a_fusion_that_does_without_its_partner_or_under_triages_does_not_help() -> None:
    alone = evidence()
    ledger = [one for one in alone.ledger if one["variant"] != "shuffled_picture"]
    ledger.append(row("gated", "shuffled_picture", AS_IT_IS, -0.01, 0.05))
    assert word(replace(alone, ledger=ledger)) == "use_note"
    assert "not shown to be worse with others' pictures" in sentence(replace(alone, ledger=ledger))
    ledger = [one for one in alone.ledger if one["figure"] != "under_triage"]
    ledger.append(row("gated", AS_IT_IS, BEST_SINGLE, 0.1, 0.05, "under_triage"))
    assert word(replace(alone, ledger=ledger)) == "use_note"


def test_too_few_patients_and_no_fusion_say_so() -> None:
    few = evidence()
    few = replace(few, ledger=[{**one, "groups": 12} for one in few.ledger])
    assert word(few) == "inconclusive" and "only 12 held-out patients; 20 are needed" in sentence(few)
    none = replace(evidence(), fusion=None, why_no_fusion="3 train patients with picture")
    assert word(none) == "use_note" and "3 train patients with picture" in sentence(none)


def test_an_interaction_is_told_where_the_fusion_is_better_than_points_too() -> None:
    def told(found: Evidence) -> str:
        (one,) = [one for one in triage_outcomes(found, SETTINGS) if one.rule == "note_and_picture_interact"]
        return one.reason

    assert told(evidence()).endswith(": note and picture do more than add up.")
    for variant, over in (("emap", AS_IT_IS), (AS_IT_IS, "points")):
        ledger = [one for one in evidence().ledger if (one["variant"], one["over"]) != (variant, over)]
        weaker = replace(evidence(), ledger=[*ledger, row("gated", variant, over, 0.01, 0.05)])
        assert told(weaker).endswith(": nothing shows that note and picture do more than add up.")


def test_what_was_not_scored_is_no_reason_to_warn() -> None:
    bare = replace(evidence(), meter=[])
    kinds = {one.rule: one.kind for one in triage_outcomes(bare, SETTINGS)}
    assert {kinds[rule] for rule in SHORTCUTS} == {"information"} and word(bare) == "picture_helps"
