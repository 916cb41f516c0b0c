"""Check of the labels: few enough look wrong that the figures can be trusted."""

import dagster as dg

from medembed_pipeline.evaluation.inputs import WHY_EMPTY
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import private_errors
from medembed_pipeline.settings import load_settings

SETTINGS = load_settings()


@dg.asset_check(asset="label_review", required_resource_keys={"lake"})
def few_labels_look_wrong(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Warns when more than [label_review] wrong_share_warning of the judged notes look wrong, or none is judged."""
    with private_errors():
        lake: Lake = context.resources.lake.open()
        facts = lake.table("label_review").footer.facts
        if WHY_EMPTY in facts:
            return dg.AssetCheckResult(
                passed=True,
                severity=dg.AssetCheckSeverity.WARN,
                description="no note has a specialty, so there is no label to judge",
                metadata={"looks_wrong": 0, "notes_judged": 0},
            )
        judged, wrong, share = facts["notes_judged"], facts["looks_wrong"], facts["label_error_rate"]
        limit = SETTINGS.label_review.wrong_share_warning
        description = (
            "no specialty has enough notes to judge its labels; land more labelled notes"
            if share is None
            else f"{wrong} of {judged} labels look wrong ({share:.1%}); the first rows of label_review name them"
        )
        return dg.AssetCheckResult(
            passed=share is not None and share <= limit,
            severity=dg.AssetCheckSeverity.WARN,
            description=description,
            metadata={"looks_wrong": wrong, "notes_judged": judged, "warning_above": limit},
        )
