"""The verdict: whether the picture helps, and else which arm to use, by rules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from medembed_pipeline.triage.arms import ARMS, POINTS
from medembed_pipeline.triage.evidence import (
    GAIN,
    LEDGER,
    METER,
    PARTNER,
    SHORTCUTS,
    TOLD,
    UNDER_TRIAGE,
    Evidence,
)
from medembed_pipeline.triage.ledger import AS_IT_IS, BEST_SINGLE, EMAP, SHUFFLED
from medembed_pipeline.triage.scoring import SHOWN
from medembed_pipeline.triage.settings import TriageVerdictSettings
from medembed_pipeline.triage.shortcuts import DIAGNOSIS_MASKED, INPUTS, LEFT_OUT
from medembed_pipeline.verdict.outcomes import Kind, Outcome

Word = Literal["picture_helps", "use_note", "use_picture", "use_metadata", "confounded", "inconclusive"]


def triage_outcomes(evidence: Evidence, settings: TriageVerdictSettings) -> list[Outcome]:
    """Judge every rule of RULES, in its order."""
    return [
        _gain(evidence, settings),
        _partner(evidence),
        _under_triage(evidence),
        *(_shortcut(rule, name, evidence, settings) for rule, name in SHORTCUTS.items()),
        *(_told(rule, name, evidence) for rule, name in TOLD.items()),
        _unseen(evidence),
        _interaction(evidence),
        _calibration(evidence, settings),
    ]


def triage_word(outcomes: Sequence[Outcome], evidence: Evidence, settings: TriageVerdictSettings) -> Word:
    """The verdict.

    `inconclusive` where too few patients are held out; `confounded` where a shortcut explains the result;
    `picture_helps` where the fusion is shown to be better, needs its partner, and gives no more cases too low a level;
    else the best single arm.
    """
    passed = {one.rule: one.passed for one in outcomes if one.kind == "decides"}
    if evidence.patients < settings.smallest_test_groups:
        return "inconclusive"
    if any(passed.get(rule) is False for rule in SHORTCUTS):
        return "confounded"
    if passed.get(GAIN) and passed.get(PARTNER) and passed.get(UNDER_TRIAGE) is not False:
        return "picture_helps"
    words: dict[str, Word] = {"note": "use_note", "picture": "use_picture", "metadata": "use_metadata"}
    return words[evidence.single]


def named_arm(word: str, single: str, fusion: str | None) -> str:
    """The arm that a verdict names; the best single one where it names none (`confounded`, `inconclusive`)."""
    return fusion if word == "picture_helps" and fusion is not None else single


def triage_sentence(outcomes: Sequence[Outcome], evidence: Evidence, settings: TriageVerdictSettings) -> str:
    """The verdict in one sentence, with its numbers, and which arm to use."""
    word = triage_word(outcomes, evidence, settings)
    found = {one.rule: one for one in outcomes}
    reached = "; ".join(
        filter(None, (_reached(evidence, arm) for arm in (evidence.single, evidence.fusion) if arm))
    )
    against = "; ".join(
        one.clause for one in outcomes if one.kind == "decides" and one.passed is not True and one.clause
    )
    if word == "picture_helps":
        return f"The picture helps: {_lower_first(found[GAIN].reason)} No shortcut explains it."
    if word == "confounded":
        caught = "; ".join(found[rule].clause for rule in SHORTCUTS if found[rule].passed is False)
        return (
            f"Confounded: {caught}. What the arms reach ({reached}) cannot be told from that; use none of them before "
            f"cases are had in which it does not tell. The best single arm is {evidence.single}."
        )
    if word == "inconclusive":
        return f"Inconclusive: {found[GAIN].clause or against}. The best single arm is {evidence.single} ({reached})."
    return f"Use {ARMS[evidence.single]} alone: {against} ({reached})."


def _reached(evidence: Evidence, arm: str) -> str:
    row = evidence.of_ledger(arm)
    if row is None:
        return ""
    interval = "" if math.isnan(row["ci_low"]) else f" [{row['ci_low']:.3f}, {row['ci_high']:.3f}]"
    return f"{ARMS[arm]} {SHOWN[evidence.figure]} {row['value']:.3f}{interval}"


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _gain(evidence: Evidence, settings: TriageVerdictSettings) -> Outcome:
    """Holds: the whole interval above zero. Broken: below. Else not judged."""
    nothing = float("nan")
    if evidence.fusion is None:
        why = evidence.why_no_fusion or "no arm sees note and picture"
        return Outcome(GAIN, "decides", None, nothing, 0.0, f"There is no fusion: {why}.", LEDGER, clause=why)
    row = evidence.of_ledger(evidence.fusion, over=BEST_SINGLE)
    what = ARMS[evidence.single]
    if row is None or math.isnan(row["ci_low"]):
        clause = f"whether a fusion is better than {what} is undefined on these cases"
        return Outcome(GAIN, "decides", None, nothing, 0.0, f"{_upper_first(clause)}.", LEDGER, clause=clause)
    low, high = row["ci_low"], row["ci_high"]
    passed = True if low > 0 else False if high < 0 else None
    single, fused = evidence.of_ledger(evidence.single), evidence.of_ledger(evidence.fusion)
    shown = "" if single is None or fused is None else f" ({single['value']:.3f} to {fused['value']:.3f})"
    reason = (
        f"{_upper_first(ARMS[evidence.fusion])} against {what} alone: {SHOWN[evidence.figure]} {row['value']:+.3f} "
        f"[{low:+.3f}, {high:+.3f}]{shown} on {row['n']} held-out cases of {row['groups']} patients."
    )
    clause = (
        ""
        if passed
        else f"the picture is {'a loss' if passed is False else 'not shown to be a gain'} beside {what}"
    )
    if evidence.single == "picture" and not passed:
        clause = f"the note is {'a loss' if passed is False else 'not shown to be a gain'} beside the picture"
    if clause:
        clause += f" ({row['value']:+.3f} [{low:+.3f}, {high:+.3f}])"
    if row["groups"] < settings.smallest_test_groups:
        passed, clause = (
            None,
            f"only {row['groups']} held-out patients; {settings.smallest_test_groups} are needed",
        )
        reason += f" At least {settings.smallest_test_groups} patients are needed."
    return Outcome(GAIN, "decides", passed, row["value"], 0.0, reason, LEDGER, low, high, clause)


def _partner(evidence: Evidence) -> Outcome:
    """Holds: with another patient's partner, either of the two, it is shown to be worse."""
    rows = [
        row
        for part in ("note", "picture")
        if evidence.fusion is not None
        and (row := evidence.of_ledger(evidence.fusion, f"{SHUFFLED}_{part}", AS_IT_IS)) is not None
        and not math.isnan(row["ci_high"])
    ]
    if len(rows) < 2:
        return _undefined(PARTNER, "what a fusion does without its partner", LEDGER)
    worst = max(rows, key=lambda row: row["ci_high"])
    passed = True if worst["ci_high"] < 0 else None
    reason = "; ".join(
        f"with others' {part}s {row['value']:+.3f} [{row['ci_low']:+.3f}, {row['ci_high']:+.3f}]"
        for part, row in zip(("note", "picture"), rows, strict=True)
    )
    part = str(worst["variant"]).partition("_")[2]
    clause = "" if passed else f"it is not shown to be worse with others' {part}s"
    return Outcome(
        PARTNER,
        "decides",
        passed,
        worst["value"],
        0.0,
        f"{SHOWN[evidence.figure]} of the fusion {reason}.",
        LEDGER,
        worst["ci_low"],
        worst["ci_high"],
        clause,
    )


def _under_triage(evidence: Evidence) -> Outcome:
    """Broken: more cases are shown to be given too low a level. No rule where levels have no order."""
    if not evidence.levels.ordered:
        return _information(UNDER_TRIAGE, "The levels have no order.", LEDGER)
    row = None
    if evidence.fusion is not None:
        row = evidence.of_ledger(evidence.fusion, over=BEST_SINGLE, figure="under_triage")
    if row is None or math.isnan(row["ci_low"]):
        return _undefined(UNDER_TRIAGE, "the change of under-triage", LEDGER)
    passed = not row["ci_low"] > 0
    reason = (
        f"Of the cases above the lowest level, {row['value']:+.1%} [{row['ci_low']:+.1%}, {row['ci_high']:+.1%}] are "
        f"given too low a level, against {ARMS[evidence.single]} alone."
    )
    clause = "" if passed else f"more cases are given too low a level ({row['value']:+.1%})"
    return Outcome(
        UNDER_TRIAGE,
        "decides",
        passed,
        row["value"],
        0.0,
        reason,
        LEDGER,
        row["ci_low"],
        row["ci_high"],
        clause,
    )


def _shortcut(rule: str, name: str, evidence: Evidence, settings: TriageVerdictSettings) -> Outcome:
    """Broken: it is shown to be above shuffled levels, and has a large share of what the compared arm has above them.

    Of masked words it is the other way round: what is lost without them is shown, and is a large share.
    """
    rows = evidence.of_meter(name)
    limit = settings.largest_shortcut_share
    if not rows:
        return _information(rule, f"There is nothing to score: {INPUTS[name]}.", METER)
    row = rows[0]
    if any(math.isnan(row[key]) for key in ("share", "ci_low", "difference_low")):
        return _undefined(rule, f"what {INPUTS[name]} tells", METER)
    masked = name == DIAGNOSIS_MASKED
    share = 1.0 - row["share"] if masked else row["share"]
    shown = row["difference_high"] < 0 if masked else row["ci_low"] > row["floor"]
    passed = not (shown and share >= limit)
    label = SHOWN[evidence.figure]
    if masked:
        reason = (
            f"{_upper_first(INPUTS[name])}: {label} {row['value']:.3f}, with them {row['reference']:.3f}; they make "
            f"{share:.0%} of what the words tell, and {limit:.0%} is the limit."
        )
        clause = f"{share:.0%} of what the words of the note tell rests on words that name a disease"
    else:
        reason = (
            f"{_upper_first(INPUTS[name])}: {label} {row['value']:.3f} [{row['ci_low']:.3f}, {row['ci_high']:.3f}], "
            f"with shuffled levels {row['floor']:.3f}; that is {share:.0%} of what "
            f"{ARMS[evidence.compared]} reaches above them ({row['reference']:.3f}), and {limit:.0%} is the limit."
        )
        clause = (
            f"{INPUTS[name]} has {label} {row['value']:.3f} [{row['ci_low']:.3f}, {row['ci_high']:.3f}], {share:.0%} "
            f"of what {ARMS[evidence.compared]} reaches above shuffled levels"
        )
    return Outcome(rule, "decides", passed, share, limit, reason, METER, clause="" if passed else clause)


def _told(rule: str, name: str, evidence: Evidence) -> Outcome:
    rows = evidence.of_meter(name)
    if not rows:
        return _information(rule, f"There is nothing to score: {INPUTS[name]}.", METER)
    row = rows[0]
    reason = (
        f"{_upper_first(INPUTS[name])}: {SHOWN[evidence.figure]} {row['value']:.3f} [{row['ci_low']:.3f}, "
        f"{row['ci_high']:.3f}], beside {row['reference']:.3f}."
    )
    return Outcome(
        rule,
        "information",
        None,
        row["value"],
        row["reference"],
        reason,
        METER,
        row["ci_low"],
        row["ci_high"],
    )


def _unseen(evidence: Evidence) -> Outcome:
    """For information; it misses where a source is shown to fall."""
    rows = [row for row in evidence.of_meter(LEFT_OUT) if not math.isnan(row["difference_low"])]
    if not rows:
        return _information(
            "holds_on_unseen_sources", "No source has enough held-out patients of two levels.", METER
        )
    worst = min(rows, key=lambda row: (row["difference"], row["scope"]))
    fallen = [row for row in rows if row["difference_high"] < 0]
    reason = (
        f"Of {len(rows)} sources that {ARMS[evidence.compared]} was fitted without, {len(fallen)} are shown to fall; "
        f"the most by {worst['difference']:+.3f} [{worst['difference_low']:+.3f}, {worst['difference_high']:+.3f}] to "
        f"{worst['value']:.3f}."
    )
    return Outcome(
        "holds_on_unseen_sources",
        "information",
        not fallen,
        worst["difference"],
        0.0,
        reason,
        METER,
        worst["difference_low"],
        worst["difference_high"],
    )


def _interaction(evidence: Evidence) -> Outcome:
    row = evidence.of_ledger(evidence.fusion, EMAP, AS_IT_IS) if evidence.fusion is not None else None
    if row is None or math.isnan(row["ci_high"]):
        return _information("note_and_picture_interact", "There is no fusion to look into.", LEDGER)
    assert evidence.fusion is not None
    other = evidence.of_ledger(evidence.fusion, over=POINTS)
    against = "it adds up by how it is made"
    if other is not None:
        against = (
            f"against points that are added up it is {other['value']:+.3f} "
            f"[{other['ci_low']:+.3f}, {other['ci_high']:+.3f}]"
        )
    # Points may add up where the scores of the levels that follow from their sum do not: so these are asked, too.
    if row["ci_high"] < 0 and other is not None and other["ci_low"] > 0:
        told = "note and picture do more than add up"
    else:
        told = "nothing shows that note and picture do more than add up"
    reason = (
        f"When note and picture may only add up, {SHOWN[evidence.figure]} of {ARMS[evidence.fusion]} changes by "
        f"{row['value']:+.3f} [{row['ci_low']:+.3f}, {row['ci_high']:+.3f}]; {against}: {told}."
    )
    return Outcome(
        "note_and_picture_interact",
        "information",
        None,
        row["value"],
        0.0,
        reason,
        LEDGER,
        row["ci_low"],
        row["ci_high"],
    )


def _calibration(evidence: Evidence, settings: TriageVerdictSettings) -> Outcome:
    row = evidence.of_ledger(evidence.compared, figure="calibration_error")
    if row is None:
        return _information(
            "triage_is_calibrated", "The calibration error is undefined on these cases.", LEDGER
        )
    limit = settings.largest_calibration_error
    reason = f"The expected calibration error of the likeliest level is {row['value']:.3f}; {limit:g} is the limit."
    return Outcome(
        "triage_is_calibrated",
        "information",
        row["value"] <= limit,
        row["value"],
        limit,
        reason,
        LEDGER,
        row["ci_low"],
        row["ci_high"],
    )


def _information(rule: str, reason: str, evidence: str) -> Outcome:
    kind: Kind = "information"
    return Outcome(rule, kind, None, math.nan, math.nan, reason, evidence)


def _undefined(rule: str, what: str, evidence: str) -> Outcome:
    reason = f"{_upper_first(what)} is undefined on these cases."
    return Outcome(rule, "decides", None, math.nan, math.nan, reason, evidence, clause=f"{what} is undefined")


def _upper_first(text: str) -> str:
    return text[:1].upper() + text[1:]
