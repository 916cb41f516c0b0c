"""Checks of the group `triage`: its cases could be learned from, and the rules of its verdict. They warn."""

from collections.abc import Iterator

import dagster as dg

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import private_errors
from medembed_pipeline.settings import load_settings
from medembed_pipeline.triage.evidence import RULES
from medembed_pipeline.verdict.checks import rule_results

SETTINGS = load_settings()
VERDICT = "triage_verdict"

if SETTINGS.images.enabled:

    @dg.asset_check(asset="triage_predictions", required_resource_keys={"lake"})
    def triage_could_be_learned(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        """Warns when there are cases, and nothing or not every arm could be learned; says what is needed."""
        with private_errors():
            lake: Lake = context.resources.lake.open()
            facts = lake.table("triage_predictions").footer.facts
            why = facts.get("why_empty")
            absent = [f"{one['arm']}: {one['why']}" for one in facts.get("absent", [])]
            return dg.AssetCheckResult(
                passed=not facts["cases"] or (why is None and not absent),
                severity=dg.AssetCheckSeverity.WARN,
                description=why or "; ".join(absent) or None,
                metadata={
                    name: int(facts[name])
                    for name in (
                        "cases",
                        "taking_part",
                        "without_note",
                        "without_picture",
                        "of_levels_left_out",
                    )
                },
            )

    @dg.multi_asset_check(
        specs=[dg.AssetCheckSpec(name, asset=VERDICT, description=what) for name, what in RULES.items()],
        required_resource_keys={"lake"},
    )
    def triage_rules(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        """One check per rule, as the table triage_verdict says; what was not judged does not pass."""
        with private_errors():
            lake: Lake = context.resources.lake.open()
            table = lake.table(VERDICT)
            yield from rule_results(table, RULES, str(table.footer.facts["sentence"]))
