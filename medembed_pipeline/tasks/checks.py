"""Checks of `task_metrics`: every task was asked, and the tuned model has kept what it knew."""

from typing import Any

import dagster as dg

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import private_errors


def _records(context: dg.AssetCheckExecutionContext) -> list[dict[str, Any]]:
    lake: Lake = context.resources.lake.open()
    records: list[dict[str, Any]] = lake.table("task_metrics").footer.facts["tasks"]
    return records


@dg.asset_check(asset="task_metrics", required_resource_keys={"lake"})
def every_task_was_asked(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """No task failed, and there was something to ask in each (else a warning with file, row and id)."""
    with private_errors():
        without = [one for one in _records(context) if one["problem"]]
        return dg.AssetCheckResult(
            passed=not without,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(f"{one['name']}: {one['problem']}" for one in without) or None,
        )


@dg.asset_check(asset="task_metrics", required_resource_keys={"lake"})
def deciding_tasks_are_kept(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Each deciding task, for itself: the interval of its change lies above minus the tolerance (else a warning)."""
    with private_errors():
        deciding = [one for one in _records(context) if one["decides"]]
        wrong = [one for one in deciding if one["judgement"] != "kept"]
        return dg.AssetCheckResult(
            passed=not wrong,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(map(_words, wrong or deciding)) or "no task decides",
            metadata={"not_kept": ", ".join(one["name"] for one in wrong) or "none"},
        )


def _words(one: dict[str, Any]) -> str:
    if one["problem"]:
        return f"{one['name']}: not measured"
    interval = "no interval" if one["ci_low"] is None else f"[{one['ci_low']:+.3f}, {one['ci_high']:+.3f}]"
    change = "undefined" if one["difference"] is None else f"{one['difference']:+.3f}"
    figures = f"{one['metric']} {change} {interval}, tolerance {one['tolerance']:g}"
    return f"{one['name']}: {one['judgement']}, {figures}"
