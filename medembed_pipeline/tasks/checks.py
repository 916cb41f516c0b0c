"""Checks of `task_metrics`: every task could be measured, and every one was kept."""

from typing import Any

import dagster as dg

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import private_errors


@dg.asset_check(asset="task_metrics", required_resource_keys={"lake"})
def every_task_was_measured(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Every task could be read, and has its figures (else a warning that says why not)."""
    problems = [one["problem"] for one in _tasks(context) if one["problem"]]
    return dg.AssetCheckResult(
        passed=not problems,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(problems) or None,
        metadata={"not_measured": len(problems)},
    )


@dg.asset_check(asset="task_metrics", required_resource_keys={"lake"})
def tuned_model_keeps_every_task(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Every paired difference has its interval above the tolerated fall (else a warning)."""
    measured = [one for one in _tasks(context) if not one["problem"]]
    # A task without an interval is not shown to be kept.
    lost = [one for one in measured if one["ci_low"] is None or one["ci_low"] < -one["tolerance"]]
    return dg.AssetCheckResult(
        passed=not lost,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(map(_words, lost or measured)) or "no task was measured",
        metadata={"not_shown_to_be_kept": ", ".join(one["name"] for one in lost) or "none"},
    )


def _tasks(context: dg.AssetCheckExecutionContext) -> list[dict[str, Any]]:
    with private_errors():
        lake: Lake = context.resources.lake.open()
        records: list[dict[str, Any]] = lake.table("task_metrics").footer.facts["tasks"]
        return records


def _words(one: dict[str, Any]) -> str:
    ends = "" if one["ci_low"] is None else f" [{one['ci_low']:+.3f}, {one['ci_high']:+.3f}]"
    return (
        f"{one['name']} ({one['metric']}) {one['baseline']:.3f} -> {one['tuned']:.3f}, "
        f"{one['difference']:+.3f}{ends}, {one['tolerance']:g} is tolerated"
    )
