"""The deciding rules of the verdict as asset checks: they warn, and stop nothing."""

from collections.abc import Iterator

import dagster as dg

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import private_errors
from medembed_pipeline.verdict.outcomes import RULES

ASSET = "release_verdict"


@dg.multi_asset_check(
    specs=[dg.AssetCheckSpec(name, asset=ASSET, description=what) for name, what in RULES.items()],
    required_resource_keys={"lake"},
)
def release_rules(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """One check per deciding rule, as the table release_verdict says; what was not judged does not pass."""
    with private_errors():
        lake: Lake = context.resources.lake.open()
        rows = {row["rule"]: row for row in lake.table(ASSET).read().to_pylist()}
        for name in RULES:
            row = rows[name]
            numbers = {
                key: row[key] for key in ("value", "threshold", "ci_low", "ci_high") if row[key] is not None
            }
            yield dg.AssetCheckResult(
                check_name=name,
                asset_key=ASSET,
                # A rule that this corpus cannot show, or that is switched off, is no reason to warn.
                passed=bool(row["passed"]) or row["kind"] == "information",
                severity=dg.AssetCheckSeverity.WARN,
                description=row["reason"],
                metadata={**numbers, "evidence": row["evidence"], "judged": row["passed"] is not None},
            )
