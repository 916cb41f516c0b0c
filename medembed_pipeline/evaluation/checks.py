"""Checks of the metrics: honest, and a gain."""

import dagster as dg

from medembed_pipeline.evaluation.found_elsewhere import FOUND_ELSEWHERE
from medembed_pipeline.evaluation.inputs import WHY_EMPTY
from medembed_pipeline.evaluation.metric_names import metric_key, metric_label
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import private_errors
from medembed_pipeline.settings import load_settings

SETTINGS = load_settings()

LEAST_RECALL = 0.95
"""Of the exact neighbours: maps and diagnostics of the approximate ones then look alike."""


@dg.asset_check(asset="neighbors", required_resource_keys={"lake"})
def neighbors_found_elsewhere_are_nearest(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Where another engine has found the neighbours, it has nearly all that the exact search finds (else a warning)."""
    with private_errors():
        lake: Lake = context.resources.lake.open()
        found = lake.table("neighbors").footer.facts.get(FOUND_ELSEWHERE)
        if found is None:
            return dg.AssetCheckResult(passed=True, description="all neighbours are exact")
        recalls = {model: facts["recall"] for model, facts in found.items()}
        searched = ", ".join(f"{model}: {facts['searched_notes']}" for model, facts in found.items())
        return dg.AssetCheckResult(
            passed=all(recall is None or recall >= LEAST_RECALL for recall in recalls.values()),
            severity=dg.AssetCheckSeverity.WARN,
            description="share of the exact neighbours that the other engine has found: "
            + ", ".join(
                f"{model}: {'of none' if value is None else f'{value:.3f}'}"
                for model, value in recalls.items()
            )
            + f"; expected {LEAST_RECALL} or more. Notes that it lacks, searched exactly: {searched}",
            metadata={model: dg.MetadataValue.json(facts) for model, facts in found.items()},
        )


@dg.asset_check(asset="embedding_metrics", required_resource_keys={"lake"})
def tuned_model_is_better(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """The whole interval of the paired difference in the verdict's main metric lies above zero (else a warning)."""
    with private_errors():
        lake: Lake = context.resources.lake.open()
        table = lake.table("embedding_metrics")
        rows = table.read().to_pylist()
        if not rows:
            return dg.AssetCheckResult(
                passed=True,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"nothing to compare: {table.footer.facts[WHY_EMPTY]}; the verdict goes by the passages",
            )
        metric, k = metric_key(SETTINGS.verdict.main_metric)
        wanted = {"model": "difference", "scope": "all", "metric": metric, "k": k}
        gain = next(row for row in rows if all(row[name] == value for name, value in wanted.items()))
        return dg.AssetCheckResult(
            passed=gain["ci_low"] > 0,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{metric_label(SETTINGS.verdict.main_metric)} {gain['value']:+.3f} "
            f"[{gain['ci_low']:+.3f}, {gain['ci_high']:+.3f}], {gain['n']} notes",
            metadata={"difference": gain["value"], "ci_low": gain["ci_low"], "ci_high": gain["ci_high"]},
        )
