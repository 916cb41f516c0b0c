"""The rules of the classifier's verdict as asset checks: they warn, and stop nothing, least of all the checkpoint."""

from collections.abc import Iterator

import dagster as dg

from medembed_pipeline.classification.rules import RULES
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import private_errors
from medembed_pipeline.verdict.checks import rule_results

VERDICT = "classifier_verdict"


@dg.multi_asset_check(
    specs=[dg.AssetCheckSpec(name, asset=VERDICT, description=what) for name, what in RULES.items()],
    required_resource_keys={"lake"},
)
def classifier_rules(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """One check per rule, as the table classifier_verdict says; what was not judged does not pass."""
    with private_errors():
        lake: Lake = context.resources.lake.open()
        table = lake.table(VERDICT)
        yield from rule_results(table, RULES, str(table.footer.facts["sentence"]))


@dg.asset_check(
    asset="specialty_classifier", additional_deps=["label_probabilities"], required_resource_keys={"lake"}
)
def enough_labels_are_predicted(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Warns when labels have too few train notes to be predicted, and names them; or when nothing was learned."""
    with private_errors():
        lake: Lake = context.resources.lake.open()
        facts = lake.table("label_probabilities").footer.facts
        rare = facts["labels_not_predicted"]
        named = ", ".join(f"{one['label']} ({one['train_notes']})" for one in rare)
        description = f"not predicted, with their train notes: {named}" if rare else None
        return dg.AssetCheckResult(
            passed=not rare and "why_empty" not in facts,
            severity=dg.AssetCheckSeverity.WARN,
            description=facts.get("why_empty", description),
            metadata={"predicted": facts["labels"], "not_predicted": len(rare)},
        )
