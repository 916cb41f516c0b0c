"""Checks of the metrics: honest, and a gain."""

import dagster as dg

from medembed_pipeline.evaluation.inputs import WHY_EMPTY
from medembed_pipeline.evaluation.metric_names import metric_key, metric_label
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import private_errors
from medembed_pipeline.settings import load_settings

SETTINGS = load_settings()


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
