"""The classifier's own verdict: deploy, keep, or inconclusive, by rules. It holds back no checkpoint, nor one it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from medembed_pipeline.classification.ladder import PREVALENCE, RUNG_OF, WORDS
from medembed_pipeline.classification.metrics import (
    ALL,
    CROSS_FITTED,
    CROSS_FITTED_LABEL,
    IN_SERVICE,
    LABEL,
)
from medembed_pipeline.classification.scoring import LOWER_IS_BETTER
from medembed_pipeline.classification.serving import CHOICES
from medembed_pipeline.classification.settings import ClassifierVerdictSettings
from medembed_pipeline.verdict.outcomes import Kind, Outcome
from medembed_pipeline.verdict.scopes import ScopeFigure, scope_tests

EVIDENCE = "classification_metrics"

ClassifierVerdict = Literal["deploy", "keep", "inconclusive"]

RULES: Mapping[str, str] = {
    "classifier_beats_chance": "The whole paired interval over how frequent each label is lies above zero.",
    "classifier_beats_words": "The whole paired interval over TF-IDF + logistic regression lies above zero: on "
    "cross-fitted notes where no feature saw a label, and not below zero on held-out notes; else on held-out notes.",
    "classifier_beats_the_one_in_service": "The whole paired interval over the classifier in service lies above zero.",
    "classifier_sets_cover": "The sets hold the share of the true labels that they promise, within the slack.",
    "no_label_is_worse": "F1 of no label is shown to be worse than the tolerance.",
    "classifier_is_calibrated": "The probabilities are as often right as they say.",
}
"""Every rule, in the order of the table, and what it says."""


@dataclass(frozen=True)
class Evidence:
    """What the verdict goes by.

    Attributes
    ----------
    rows
        of the table `classification_metrics`.
    served
        the rung that is served.
    misses
        what its sets promise.
    confidence
        of the intervals.
    in_service
        whether another classifier is in service.
    """

    rows: Sequence[Mapping[str, Any]]
    served: str
    misses: float
    confidence: float
    in_service: bool

    def figure(
        self, metric: tuple[str, int | None], over: str | None = None, *, kind: str = ALL
    ) -> Mapping[str, Any] | None:
        """The row of a figure of the served rung over all held-out notes, or all cross-fitted ones."""
        for row in self.rows:
            same = (row["model"], row["over"], row["scope_kind"], row["metric"], row["k"])
            if same == (self.served, over, kind, *metric):
                return row
        return None

    def labels(self, over: str, *, kind: str = LABEL) -> list[Mapping[str, Any]]:
        """F1 by label against another model, on held-out notes or on cross-fitted ones."""
        return [
            row
            for row in self.rows
            if (row["model"], row["over"], row["scope_kind"], row["metric"])
            == (self.served, over, kind, "f1")
        ]


def classifier_outcomes(evidence: Evidence, settings: ClassifierVerdictSettings) -> list[Outcome]:
    """Judge every rule of RULES, in its order."""
    key, shown = CHOICES[settings.main_metric]
    lower_is_better = key[0] in LOWER_IS_BETTER
    standing = IN_SERVICE if evidence.in_service else WORDS

    def gain(rule: str, over: str, what: str) -> Outcome:
        row = evidence.figure(key, over)
        return _gain(rule, row, what, shown, settings, lower_is_better=lower_is_better)

    if evidence.served == WORDS:
        words = _information(
            "classifier_beats_words",
            "Nothing was better than TF-IDF by its interval on validation notes, so TF-IDF itself is served.",
        )
    else:
        words = gain("classifier_beats_words", WORDS, RUNG_OF[WORDS].shown)
        crossed = evidence.figure(key, WORDS, kind=CROSS_FITTED)
        if crossed is not None:
            many = _gain(
                words.rule, crossed, RUNG_OF[WORDS].shown, shown, settings, lower_is_better=lower_is_better
            )
            words = _gain_of_both(many, words)
    if evidence.in_service:
        service = gain("classifier_beats_the_one_in_service", IN_SERVICE, "the classifier in service")
    else:
        service = _information("classifier_beats_the_one_in_service", "No other classifier is in service.")
    return [
        gain("classifier_beats_chance", PREVALENCE, RUNG_OF[PREVALENCE].shown),
        words,
        service,
        _coverage(evidence, settings),
        _labels(evidence, standing, settings),
        _calibrated(evidence, settings),
    ]


def classifier_verdict_of(outcomes: Sequence[Outcome]) -> ClassifierVerdict:
    """`keep` where any deciding rule is broken, else `inconclusive` where any was not judged, else `deploy`."""
    passed = [outcome.passed for outcome in outcomes if outcome.kind == "decides"]
    if False in passed:
        return "keep"
    return "deploy" if passed and None not in passed else "inconclusive"


def classifier_sentence(
    outcomes: Sequence[Outcome], evidence: Evidence, settings: ClassifierVerdictSettings
) -> str:
    """The verdict in one sentence, with its numbers."""
    verdict = classifier_verdict_of(outcomes)
    key, shown = CHOICES[settings.main_metric]
    row = evidence.figure(key)
    value = "undefined" if row is None or math.isnan(row["value"]) else f"{row['value']:.3f}"
    found = f"{RUNG_OF[evidence.served].shown}, {shown} {value} on {0 if row is None else row['n']} held-out notes"
    wanted = {"deploy": True, "keep": False, "inconclusive": None}[verdict]
    against = [
        outcome.clause for outcome in outcomes if outcome.kind == "decides" and outcome.passed is wanted
    ]
    if verdict == "deploy":
        return f"Deploy: {found}; every rule holds."
    return f"{verdict.capitalize()}: {found}; {'; '.join(filter(None, against))}."


def _gain(
    rule: str,
    row: Mapping[str, Any] | None,
    what: str,
    shown: str,
    settings: ClassifierVerdictSettings,
    *,
    lower_is_better: bool,
) -> Outcome:
    """Holds: the whole interval on the better side of zero. Broken: on the other. Else not judged."""
    if row is None or math.isnan(row["ci_low"]):
        clause = f"whether it is better than {what} is undefined on so few notes"
        return Outcome(
            rule, "decides", None, math.nan, 0.0, f"{shown} is undefined.", EVIDENCE, clause=clause
        )
    low, high = row["ci_low"], row["ci_high"]
    better, worse = (high < 0, low > 0) if lower_is_better else (low > 0, high < 0)
    passed = True if better else False if worse else None
    reason = f"{shown.capitalize()} against {what}: {row['value']:+.3f} [{low:+.3f}, {high:+.3f}] on {row['n']} notes."
    clause = "" if passed else f"{'worse than' if passed is False else 'not shown to be better than'} {what}"
    if row["groups"] < settings.smallest_test_groups:
        passed, clause = None, f"only {row['groups']} held-out groups"
        reason += f" At least {settings.smallest_test_groups} groups are needed."
    return Outcome(rule, "decides", passed, row["value"], 0.0, reason, EVIDENCE, low, high, clause)


def _gain_of_both(crossed: Outcome, held_out: Outcome) -> Outcome:
    """The gain on cross-fitted notes, which the held-out notes must not contradict.

    The held-out notes are among the cross-fitted ones, and they alone are answered by the folder that is served: where
    that is worse for certain, the rule is broken whatever the rung gains elsewhere.
    """
    passed = False if held_out.passed is False else crossed.passed
    clause = held_out.clause if held_out.passed is False else crossed.clause
    contradicted = "contradicts" if held_out.passed is False else "does not contradict"
    reason = (
        f"{crossed.reason[:-1]}, each judged by classifiers that saw nothing of its group. The served one "
        f"{contradicted} that: {held_out.reason}"
    )
    return replace(crossed, passed=passed, clause=clause, reason=reason)


def _coverage(evidence: Evidence, settings: ClassifierVerdictSettings) -> Outcome:
    """Broken: the whole interval lies below the promise. Not judged: below the slack, and not certainly."""
    row, promise = evidence.figure(("covered", None)), 1.0 - evidence.misses
    limit = promise - settings.coverage_slack
    if row is None or math.isnan(row["value"]):
        return _undefined("classifier_sets_cover", limit, "the coverage of the sets")
    value, low, high = row["value"], row["ci_low"], row["ci_high"]
    passed = True if value >= limit else False if high < promise else None
    reason = (
        f"The sets hold {value:.1%} of the true labels [{low:.1%}, {high:.1%}]; {promise:.0%} is promised, and "
        f"{limit:.0%} is the limit."
    )
    clause = "" if passed else f"the sets hold only {value:.1%} of the true labels"
    return Outcome(
        "classifier_sets_cover", "decides", passed, value, limit, reason, EVIDENCE, low, high, clause
    )


def _labels(evidence: Evidence, over: str, settings: ClassifierVerdictSettings) -> Outcome:
    """Broken: F1 of a label is significantly lower, beyond the tolerance; Holm-corrected over the labels.

    Against TF-IDF on cross-fitted notes where there are any: who looks there for a gain has to look for losses, too.
    """
    crossed = evidence.labels(over, kind=CROSS_FITTED_LABEL)
    rows = crossed or evidence.labels(over)
    what = "the classifier in service" if over == IN_SERVICE else RUNG_OF[WORDS].shown
    limit = -settings.label_tolerance
    if evidence.served == over:
        return _information("no_label_is_worse", f"It is compared with {what}, which is served itself.")
    if not rows:
        return _undefined("no_label_is_worse", limit, "the change of every label")
    tests = scope_tests(
        [
            ScopeFigure(
                row["scope"],
                math.nan,
                row["value"],
                row["ci_low"],
                row["ci_high"],
                row["n"],
                row["groups"],
                row["degrees"],
            )
            for row in rows
        ],
        confidence=evidence.confidence,
        tolerance=settings.label_tolerance,
        significance=settings.significance,
    )
    worse = sorted((test for test in tests if test.state == "worse"), key=lambda test: test.difference)
    kept = sum(test.state == "kept" for test in tests)
    lowest = min(tests, key=lambda test: (test.difference, test.name))
    named = ", ".join(f"{test.name} ({test.difference:+.3f}, {test.queries} notes)" for test in worse[:3])
    found = f"significantly worse for {named}" if worse else "no label is significantly worse"
    reason = (
        f"F1 against {what}{' on cross-fitted notes' if crossed else ''}: {found} "
        f"(tolerance {settings.label_tolerance:g}, Holm-corrected over {len(tests)}); {kept} are shown to be kept, "
        f"{len(tests) - kept - len(worse)} could not be judged; the lowest is {lowest.name} ({lowest.difference:+.3f} "
        f"on {lowest.queries} notes)."
    )
    clause = f"significantly worse for {named}" if worse else ""
    return Outcome(
        "no_label_is_worse", "decides", not worse, lowest.difference, limit, reason, EVIDENCE, clause=clause
    )


def _calibrated(evidence: Evidence, settings: ClassifierVerdictSettings) -> Outcome:
    row, limit = evidence.figure(("calibration_error", None)), settings.largest_calibration_error
    top = evidence.figure(("top_calibration_error", None))
    if row is None or top is None or math.isnan(row["value"]):
        return _undefined("classifier_is_calibrated", limit, "the calibration error")
    passed = row["value"] <= limit
    reason = (
        f"The expected calibration error over all pairs of note and label is {row['value']:.3f}, of the likeliest "
        f"label alone {top['value']:.3f}; the limit for the former is {limit:g}."
    )
    clause = "" if passed else f"the probabilities are off by {row['value']:.3f} on average"
    return Outcome(
        "classifier_is_calibrated",
        "decides",
        passed,
        row["value"],
        limit,
        reason,
        EVIDENCE,
        row["ci_low"],
        row["ci_high"],
        clause,
    )


def _information(rule: str, reason: str) -> Outcome:
    kind: Kind = "information"
    return Outcome(rule, kind, None, math.nan, math.nan, reason, EVIDENCE)


def _undefined(rule: str, limit: float, what: str) -> Outcome:
    reason = f"{what[:1].upper()}{what[1:]} is undefined on these notes."
    return Outcome(rule, "decides", None, math.nan, limit, reason, EVIDENCE, clause=f"{what} is undefined")
