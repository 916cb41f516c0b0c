"""Checks of the embeddings: a unit vector for every note."""

import dagster as dg
import numpy as np

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import private_errors
from medembed_pipeline.lake.tables import vectors

TOLERANCE = 1e-3


def _unit_vectors_check(asset: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset,
        name=f"{asset}_are_unit_vectors",
        additional_deps=["cleaned_notes"],
        blocking=True,
        required_resource_keys={"lake"},
        description="Every note has one vector, finite and of length 1.",
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with private_errors():
            lake: Lake = context.resources.lake.open()
            table = lake.table(asset).read()
            missing = set(lake.table("cleaned_notes").strings("note_id")) ^ set(
                table.column("note_id").to_pylist()
            )
            lengths = np.linalg.norm(vectors(table.column("embedding")), axis=1)
            off = int((~(np.abs(lengths - 1) < TOLERANCE)).sum())
            return dg.AssetCheckResult(
                passed=not missing and not off,
                description=f"{len(missing)} notes without vector or vectors without note; {off} not of length 1",
                metadata={"unmatched": len(missing), "not_of_length_one": off},
            )

    return check


baseline_embeddings_are_unit_vectors = _unit_vectors_check("baseline_embeddings")
tuned_embeddings_are_unit_vectors = _unit_vectors_check("tuned_embeddings")
