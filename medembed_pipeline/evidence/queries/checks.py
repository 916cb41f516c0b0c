"""Check of the ledger: it adds up to the metrics."""

import dagster as dg

from medembed_pipeline.evaluation.inputs import WHY_EMPTY
from medembed_pipeline.evaluation.metrics_table import MODELS
from medembed_pipeline.lake import compute as pc
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import private_errors

LARGEST_DIFFERENCE = 1e-9
FIGURES = (("precision", 10, "precision"), ("map", None, "average_precision"))


@dg.asset_check(asset="query_results", additional_deps=["embedding_metrics"], required_resource_keys={"lake"})
def ledger_agrees_with_metrics(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """The means of the ledger's columns are P@10 and MAP of embedding_metrics (error), if of the same vectors."""
    with private_errors():
        lake: Lake = context.resources.lake.open()
        ledger, metrics = lake.table("query_results"), lake.table("embedding_metrics")
        inputs, measured = ledger.footer.recipe.inputs, metrics.footer.recipe.inputs
        if any(inputs[name] != measured[name] for name in inputs.keys() & measured.keys()):
            return dg.AssetCheckResult(
                passed=False,
                severity=dg.AssetCheckSeverity.WARN,
                description="embedding_metrics is of other notes or vectors than the ledger; materialize both",
            )
        if WHY_EMPTY in metrics.footer.facts:
            return dg.AssetCheckResult(
                # A ledger beside metrics of no note would be of other notes.
                passed=not ledger.rows,
                severity=dg.AssetCheckSeverity.ERROR,
                description=f"nothing to compare: {metrics.footer.facts[WHY_EMPTY]}",
            )
        published = {
            (row["model"], row["metric"], row["k"]): row["value"]
            for row in metrics.read().to_pylist()
            if row["scope"] == "all"
        }
        rows = ledger.read([f"{column}_{model}" for _, _, column in FIGURES for model in MODELS])
        differences = {}
        for model in MODELS:
            for metric, k, column in FIGURES:
                mean = pc.mean(rows[f"{column}_{model}"]).as_py()
                value = published[model, metric, k]
                undefined = mean is None and value != value
                differences[f"{metric}_{model}"] = 0.0 if undefined else abs((mean or 0.0) - value)
        return dg.AssetCheckResult(
            # Written so that NaN fails.
            passed=all(difference <= LARGEST_DIFFERENCE for difference in differences.values()),
            severity=dg.AssetCheckSeverity.ERROR,
            description=f"largest difference to embedding_metrics: {max(differences.values()):.1e}",
            metadata=differences,
        )
