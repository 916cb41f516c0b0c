"""The rules of the gain: of the main metric, or where nothing was learned from labels, of the passages.

A model that was trained on passages and anchoring alone promises nothing of specialties. Its gain is looked for in the
passages, and what it does to specialties, where there are any, only must not be a loss.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from medembed_pipeline.evaluation.jackknife import groups_needed
from medembed_pipeline.evaluation.metric_names import metric_key, metric_label
from medembed_pipeline.tasks.table import judgement
from medembed_pipeline.verdict.evidence import Evidence, Figure, Task
from medembed_pipeline.verdict.outcomes import Outcome
from medembed_pipeline.verdict.scopes import standard_error
from medembed_pipeline.verdict.settings import VerdictSettings

GAIN_RULES = ("main_metric_is_better", "passages_are_better")
"""One of them is judged."""

PASSAGES = "passages"
"""Family of the task whose gain counts without labels."""

_TINY = 1e-9


class _Gain(NamedTuple):
    """A figure whose change must be a gain.

    Attributes
    ----------
    rule
        it is judged by.
    label
        of the figure, within a sentence.
    items
        what it is a mean over.
    groups
        independent ones behind it.
    evidence
        name of its table.
    """

    rule: str
    label: str
    items: str
    baseline: float
    tuned: float
    change: Figure
    groups: int
    evidence: str


def gain_outcomes(evidence: Evidence, settings: VerdictSettings) -> list[Outcome]:
    """The gain, and where it is judged on passages, that the main metric of labelled notes is kept."""
    if not evidence.judged_on_passages:
        return [main_metric(evidence, settings)]
    return [
        passages(evidence, settings),
        *([main_metric_kept(evidence, settings)] if evidence.scored_notes else []),
    ]


def main_metric(evidence: Evidence, settings: VerdictSettings) -> Outcome:
    """Holds: the interval of the paired difference is above zero. Broken: none of it is."""
    key = metric_key(settings.main_metric)
    before, after, change = (evidence.metric(model, key) for model in ("baseline", "tuned", "difference"))
    gain = _Gain(
        "main_metric_is_better",
        metric_label(settings.main_metric),
        "held-out notes",
        before.value,
        after.value,
        change,
        evidence.scored_groups,
        "embedding_metrics",
    )
    return _judged(gain, evidence, settings)


def passages_of(evidence: Evidence) -> Task | None:
    """The passages of held-out notes; None where the settings leave them out."""
    return next((task for task in evidence.tasks if task.family == PASSAGES), None)


def passages(evidence: Evidence, settings: VerdictSettings) -> Outcome:
    """As `main_metric`, of the passages of held-out notes; what was not measured shows no gain."""
    found = passages_of(evidence)
    if found is None or found.problem:
        missing = "[tasks] families leaves them out" if found is None else found.problem.removesuffix(".")
        return Outcome(
            "passages_are_better",
            "decides",
            None,
            math.nan,
            0.0,
            f"Without labels the gain is judged on passages, and they were not measured: {missing}.",
            "task_metrics",
            clause=f"without labels only passages can show a gain, and they were not measured ({missing})",
        )
    gain = _Gain(
        "passages_are_better",
        f"the {metric_label(found.metric)} of passages",
        "passages of held-out notes",
        found.baseline,
        found.tuned,
        Figure(found.difference, found.ci_low, found.ci_high, found.n, found.groups, found.degrees),
        found.groups,
        "task_metrics",
    )
    return _judged(gain, evidence, settings)


def _judged(gain: _Gain, evidence: Evidence, settings: VerdictSettings) -> Outcome:
    change, label = gain.change, gain.label
    passed: bool | None = None
    found = (
        f"{_capital(label)} goes from {gain.baseline:.3f} to {gain.tuned:.3f} on {change.n} {gain.items}, by "
        f"{change.value:+.3f} [{change.ci_low:+.3f}, {change.ci_high:+.3f}] at {evidence.confidence:.0%} confidence"
    )
    if math.isnan(change.ci_low) or math.isnan(change.ci_high):
        clause = f"{label} on {change.n} {gain.items} has no interval to judge by"
        reason = f"{_capital(clause)}: its notes are too few, or near-duplicates of one another."
    elif gain.groups < settings.smallest_test_groups:
        clause = f"{gain.groups} independent held-out notes are too few, {settings.smallest_test_groups} are needed"
        reason = f"{found}; but {clause}."
    elif gain.baseline >= 1 - _TINY and change.ci_high <= _TINY and change.value >= -_TINY:
        clause = f"{label} of the baseline is 1 already, nothing can be above it"
        reason = f"{found}: {clause}."
    elif change.ci_low > 0:
        passed, clause, reason = True, "", f"{found}: the whole interval is above zero."
    elif change.ci_high <= 0:
        passed, clause = False, f"the whole interval of {label} is at or below zero"
        reason = f"{found}: {clause}."
    else:
        clause = f"the interval of {label} includes zero"
        error = standard_error(change.ci_low, change.ci_high, change.degrees, confidence=evidence.confidence)
        needed = groups_needed(change.value, error, change.groups, confidence=evidence.confidence)
        more = ""
        if needed:
            items = math.ceil(needed * change.n / change.groups)
            more = f"; for a change of this size about {items} {gain.items} would tell"
        reason = f"{found}: {clause}{more}."
    return Outcome(
        gain.rule,
        "decides",
        passed,
        change.value,
        0.0,
        reason,
        gain.evidence,
        change.ci_low,
        change.ci_high,
        clause,
    )


def main_metric_kept(evidence: Evidence, settings: VerdictSettings) -> Outcome:
    """Holds: a fall beyond the tolerance is excluded. Broken: it fell by more, and that it fell at all is certain.

    No rule where it is neither and the labelled notes are too few to judge: then the corpus cannot show it.
    """
    key, label = metric_key(settings.main_metric), metric_label(settings.main_metric)
    before, after, change = (evidence.metric(model, key) for model in ("baseline", "tuned", "difference"))
    tolerance = settings.specialty_tolerance
    state = judgement(change.value, change.ci_low, change.ci_high, tolerance)
    enough = evidence.scored_groups >= settings.smallest_test_groups
    if math.isnan(change.value):
        found = f"{label} is undefined on {evidence.scored_notes} labelled held-out notes"
    else:
        interval = "" if math.isnan(change.ci_low) else f" [{change.ci_low:+.3f}, {change.ci_high:+.3f}]"
        found = (
            f"{label}, which nothing was learned for, goes from {before.value:.3f} to {after.value:.3f} on {change.n} "
            f"labelled held-out notes, by {change.value:+.3f}{interval}"
        )
    if state == "kept":
        clause, reason = "", f"{found}. It is kept within {tolerance:g}."
    elif state == "lost":
        clause = f"{label} fell by {-change.value:.3f}, {tolerance:g} is tolerated"
        reason = f"{found}. Only a fall of {tolerance:g} is tolerated."
    else:
        clause = f"{label} may have fallen by more than {tolerance:g}"
        reason = f"{found}. A fall of {tolerance:g} cannot be excluded"
        reason += "." if enough else ", with so few of them nothing can be judged."
    return Outcome(
        "main_metric_is_kept",
        "decides" if enough or state == "lost" else "information",
        {"kept": True, "lost": False, "unclear": None}[state],
        change.value,
        -tolerance,
        reason,
        "embedding_metrics",
        change.ci_low,
        change.ci_high,
        clause,
    )


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
