"""The verdict itself: from the outcomes of the rules to a word, a sentence and a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa

from medembed_pipeline.evaluation.metric_names import metric_key, metric_label
from medembed_pipeline.settings import VerdictSettings
from medembed_pipeline.verdict.evidence import Evidence
from medembed_pipeline.verdict.outcomes import TASK_PREFIX, VERDICT_SCHEMA, Outcome

_DECIMALS = 9

Verdict = Literal["deploy", "retrain", "inconclusive"]


def decide(outcomes: Sequence[Outcome]) -> Verdict:
    """`retrain` where any deciding rule is broken, else `inconclusive` where any was not judged, else `deploy`."""
    passed = [outcome.passed for outcome in outcomes if outcome.kind == "decides"]
    if False in passed:
        return "retrain"
    return "deploy" if passed and None not in passed else "inconclusive"


def sentence(outcomes: Sequence[Outcome], evidence: Evidence, settings: VerdictSettings) -> str:
    """The verdict in one plain sentence with its numbers."""
    verdict = decide(outcomes)
    key, label = metric_key(settings.main_metric), metric_label(settings.main_metric)
    before, after, change = (evidence.metric(model, key) for model in ("baseline", "tuned", "difference"))
    if math.isnan(before.value) or math.isnan(after.value):
        found = f"{label} is undefined on {evidence.scored_notes} held-out notes"
    else:
        found = (
            f"{label} goes from {before.value:.3f} to {after.value:.3f} on {change.n} held-out notes "
            f"({change.value:+.3f}"
        )
        interval = (
            "" if math.isnan(change.ci_low) else f", interval {change.ci_low:+.3f} to {change.ci_high:+.3f}"
        )
        found += f"{interval})"
    if verdict == "deploy":
        tasks = sum(one.rule.startswith(TASK_PREFIX) and one.kind == "decides" for one in outcomes)
        kept = f"each of {tasks} tasks is kept" if tasks else "no task was asked"
        return f"Deploy: {found}, no specialty is significantly worse, {kept}, and there is no alarm."
    against = [
        outcome.clause
        for outcome in outcomes
        if outcome.kind == "decides" and outcome.passed is (False if verdict == "retrain" else None)
    ]
    better = next(outcome for outcome in outcomes if outcome.rule == "main_metric_is_better")
    return f"{verdict.capitalize()}: {found}{', but ' if better.passed else '; '}{'; '.join(against)}."


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

    Args:
        facts: of the table release_verdict.
        rows: of the same.
        released: where the released checkpoint lies, None where there is none.

    Returns:
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
