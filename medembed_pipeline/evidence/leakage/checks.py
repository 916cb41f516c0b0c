"""Checks of the leakage estimate: it measures the same thing as the metrics, and the held-out notes are held out."""

import math

import dagster as dg

from medembed_pipeline.evaluation.inputs import WHY_EMPTY
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import private_errors

TOLERANCE = 1e-9
VECTORS = ("baseline_embeddings", "tuned_embeddings")


@dg.asset_check(
    asset="leakage_estimate", additional_deps=["embedding_metrics"], required_resource_keys={"lake"}
)
def leakage_estimate_agrees_with_the_metrics(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """The figures of the held-out protocol are those of embedding_metrics, and nothing in them was trained on."""
    with private_errors():
        lake: Lake = context.resources.lake.open()
        table, metrics = lake.table("leakage_estimate"), lake.table("embedding_metrics")
        protocol = table.footer.facts["held_out_protocol"]
        measured = [row for row in table.read().to_pylist() if row["protocol"] == protocol]
        expected = {
            (row["model"], row["metric"], row["k"]): row["value"]
            for row in metrics.read().to_pylist()
            if row["scope"] == "all"
        }
        seen = any(row["seen_share"] > 0 for row in measured)
        pool, notes = table.footer.facts["pool"], table.footer.facts["held_out_notes"]
        inputs = (table.footer.recipe.inputs, metrics.footer.recipe.inputs)
        apart, compared = 0, 0
        if any(inputs[0].get(name) != inputs[1].get(name) for name in VECTORS):
            told = "embedding_metrics was made from other vectors; nothing is compared"
        elif WHY_EMPTY in table.footer.facts:
            told = f"nothing to compare: {table.footer.facts[WHY_EMPTY]}"
        elif pool < notes:
            told = (
                f"{protocol} is a sample of {pool} of {notes} held-out notes, so its figures only come near"
            )
        else:
            compared = len(measured)
            apart = sum(
                not _equal(row["value"], expected.get((row["model"], row["metric"], row["k"]), math.nan))
                for row in measured
            )
            told = f"{compared - apart} of {compared} figures are those of embedding_metrics"
        return dg.AssetCheckResult(
            passed=not apart and not seen, description=told, metadata={"figures_compared": compared}
        )


def _equal(one: float, other: float) -> bool:
    return abs(one - other) <= TOLERANCE or (math.isnan(one) and math.isnan(other))
