"""The deciding rules of the verdict as asset checks: they warn, and stop nothing."""

from collections.abc import Iterable, Iterator

import dagster as dg

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import private_errors
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.verdict.outcomes import RULES, TASK_PREFIX, TASKS_RULE

ASSET = "release_verdict"


@dg.multi_asset_check(
    specs=[
        *(dg.AssetCheckSpec(name, asset=ASSET, description=what) for name, what in RULES.items()),
        dg.AssetCheckSpec(
            TASKS_RULE,
            asset=ASSET,
            description="Every deciding task is shown to be kept within its tolerance.",
        ),
    ],
    required_resource_keys={"lake"},
)
def release_rules(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """One check per deciding rule, as the table release_verdict says; what was not judged does not pass."""
    with private_errors():
        lake: Lake = context.resources.lake.open()
        table = lake.table(ASSET)
        yield from rule_results(table, RULES, "Does not apply to this model and these notes.")
        rows = {row["rule"]: row for row in table.read().to_pylist()}
        tasks = [
            row for name, row in rows.items() if name.startswith(TASK_PREFIX) and row["kind"] == "decides"
        ]
        lost = [row["rule"].removeprefix(TASK_PREFIX) for row in tasks if not row["passed"]]
        yield dg.AssetCheckResult(
            check_name=TASKS_RULE,
            asset_key=ASSET,
            passed=not lost,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{len(tasks) - len(lost)} of {len(tasks)} tasks are kept"
            + (f"; not: {', '.join(lost)}" if lost else ""),
            metadata={"tasks": len(tasks), "not_kept": len(lost)},
        )


def rule_results(table: LakeTable, rules: Iterable[str], absent: str) -> Iterator[dg.AssetCheckResult]:
    """A result per rule of a verdict, as its table says.

    Parameters
    ----------
    table
        with VERDICT_SCHEMA.
    rules
        their names, which are those of the checks.
    absent
        what is said of a rule that the table does not have.
    """
    rows = {row["rule"]: row for row in table.read().to_pylist()}
    for name in rules:
        row = rows.get(name)
        if row is None:
            yield dg.AssetCheckResult(
                check_name=name,
                asset_key=table.name,
                passed=True,
                severity=dg.AssetCheckSeverity.WARN,
                description=absent,
                metadata={"evidence": table.name, "judged": False},
            )
            continue
        numbers = {
            key: row[key] for key in ("value", "threshold", "ci_low", "ci_high") if row[key] is not None
        }
        yield dg.AssetCheckResult(
            check_name=name,
            asset_key=table.name,
            # A rule that these notes or cases cannot show, or that is switched off, is no reason to warn.
            passed=bool(row["passed"]) or row["kind"] == "information",
            severity=dg.AssetCheckSeverity.WARN,
            description=row["reason"],
            metadata={**numbers, "evidence": row["evidence"], "judged": row["passed"] is not None},
        )
