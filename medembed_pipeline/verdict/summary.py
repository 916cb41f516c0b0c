"""The verdict itself: from the outcomes of the rules to a word, a sentence and a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa

from medembed_pipeline.evaluation.metric_names import metric_key, metric_label
from medembed_pipeline.verdict.evidence import Evidence, Figure
from medembed_pipeline.verdict.gain import GAIN_RULES, passages_of
from medembed_pipeline.verdict.outcomes import TASK_PREFIX, VERDICT_SCHEMA, Outcome
from medembed_pipeline.verdict.settings import VerdictSettings

_DECIMALS = 9

Verdict = Literal["deploy", "retrain", "inconclusive"]


def decide(outcomes: Sequence[Outcome]) -> Verdict:
    """`retrain` where any deciding rule is broken, else `inconclusive` where any was not judged, else `deploy`."""
    passed = [outcome.passed for outcome in outcomes if outcome.kind == "decides"]
    if False in passed:
        return "retrain"
    return "deploy" if passed and None not in passed else "inconclusive"


def sentence(outcomes: Sequence[Outcome], evidence: Evidence, settings: VerdictSettings) -> str:
    """The verdict in one plain sentence with its numbers; it says so where it was judged on passages."""
    verdict = decide(outcomes)
    found = _main_metric_found(evidence, settings)
    if evidence.judged_on_passages:
        why = "no label was learned from" if evidence.scored_notes else "no held-out note has a specialty"
        besides = f"; {found}" if evidence.scored_notes else ""
        found = f"judged on passages, since {why}: {_passages_found(evidence)}{besides}"
    if verdict == "deploy":
        return f"Deploy: {found}, {', '.join(_kept(outcomes))}, and there is no alarm."
    against = [
        outcome.clause
        for outcome in outcomes
        if outcome.kind == "decides" and outcome.passed is (False if verdict == "retrain" else None)
    ]
    gain = next(outcome for outcome in outcomes if outcome.rule in GAIN_RULES)
    return f"{verdict.capitalize()}: {found}{', but ' if gain.passed else '; '}{'; '.join(against)}."


def _kept(outcomes: Sequence[Outcome]) -> list[str]:
    """What holds besides the gain, in a few words each."""
    deciding = {outcome.rule for outcome in outcomes if outcome.kind == "decides"}
    tasks = sum(rule.startswith(TASK_PREFIX) for rule in deciding)
    return [
        *(["which is kept"] if "main_metric_is_kept" in deciding else []),
        "no specialty is significantly worse"
        if "no_specialty_is_worse" in deciding
        else "there are no specialties to judge",
        f"each of {tasks} tasks is kept" if tasks else "no task was asked",
    ]


def _main_metric_found(evidence: Evidence, settings: VerdictSettings) -> str:
    key, label = metric_key(settings.main_metric), metric_label(settings.main_metric)
    before, after, change = (evidence.metric(model, key) for model in ("baseline", "tuned", "difference"))
    if math.isnan(before.value) or math.isnan(after.value):
        return f"{label} is undefined on {evidence.scored_notes} held-out notes"
    return f"{label} {_course(before.value, after.value, change, f'{change.n} held-out notes')}"


def _passages_found(evidence: Evidence) -> str:
    found = passages_of(evidence)
    if found is None or math.isnan(found.difference):
        return "they were not measured"
    change = Figure(found.difference, found.ci_low, found.ci_high)
    what = f"the {metric_label(found.metric)} with which a passage finds its note"
    return f"{what} {_course(found.baseline, found.tuned, change, f'{found.n} passages')}"


def _course(before: float, after: float, change: Figure, items: str) -> str:
    interval = (
        "" if math.isnan(change.ci_low) else f", interval {change.ci_low:+.3f} to {change.ci_high:+.3f}"
    )
    return f"goes from {before:.3f} to {after:.3f} on {items} ({change.value:+.3f}{interval})"


def verdict_table(outcomes: Sequence[Outcome]) -> pa.Table:
    """The outcomes as a table with VERDICT_SCHEMA, in their order; NaN becomes null."""

    def cell(value: Any) -> Any:
        if not isinstance(value, float):
            return value
        # Further down, a matrix product depends on the number of threads.
        return round(value, _DECIMALS) if math.isfinite(value) else None

    rows = [{name: cell(getattr(outcome, name)) for name in VERDICT_SCHEMA.names} for outcome in outcomes]
    return pa.Table.from_pylist(rows, schema=VERDICT_SCHEMA)


def verdict_lines(
    facts: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], released: str | None
) -> list[str]:
    """What the terminal shows of a verdict.

    Parameters
    ----------
    facts
        of the table release_verdict.
    rows
        of the same.
    released
        where the released checkpoint lies, None where there is none.

    Returns
    -------
    list[str]
        The sentence, a line per deciding rule that does not hold, and what is released.
    """
    lines = [f"Verdict: {facts['sentence']}"]
    lines += [
        f"  {'broken' if row['passed'] is False else 'not judged'}  {row['rule']} ({row['evidence']}): {row['reason']}"
        for row in rows
        if row["kind"] == "decides" and row["passed"] is not True
    ]
    if released is None:
        lines.append("released     no checkpoint has been released yet")
    else:
        stays = "" if facts["verdict"] == "deploy" else " (an earlier verdict's; it stays)"
        lines.append(f"released     {released}{stays}")
    return lines
