"""Check of the similarity evidence: it tells of the same pairs as the metrics."""

import math

import dagster as dg

from medembed_pipeline.evaluation.inputs import WHY_EMPTY
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import private_errors

TOLERANCE = 1e-6


@dg.asset_check(
    asset="similarity_evidence",
    additional_deps=["embedding_metrics"],
    required_resource_keys={"lake"},
    description="Margin and separation of both models are those of embedding_metrics.",
)
def similarity_agrees_with_metrics(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    with private_errors():
        lake: Lake = context.resources.lake.open()
        evidence = lake.table("similarity_evidence")
        if WHY_EMPTY in evidence.footer.facts:
            return dg.AssetCheckResult(
                passed=True, description=f"nothing to compare: {evidence.footer.facts[WHY_EMPTY]}"
            )
        found = {
            (row["model"], row["group"]): row["value"]
            for row in evidence.read().to_pylist()
            if row["figure"] == "spread" and row["statistic"] == "value"
        }
        expected = {
            (row["model"], row["metric"]): row["value"]
            for row in lake.table("embedding_metrics").read().to_pylist()
            if row["scope"] == "all" and (row["model"], row["metric"]) in found
        }
        off = sorted(
            f"{model} {metric}"
            for (model, metric), value in expected.items()
            if not math.isclose(found[model, metric], value, rel_tol=0, abs_tol=TOLERANCE)
            and not (math.isnan(found[model, metric]) and math.isnan(value))
        )
        return dg.AssetCheckResult(
            passed=not off and len(expected) == len(found),
            description=f"{len(expected)} figures compared; {'different: ' + ', '.join(off) if off else 'all agree'}",
            metadata={"compared": len(expected), "different": len(off)},
        )
