"""Checks of the group `images`: little was rejected, cases are whole, and nothing crosses splits."""

import dagster as dg
import numpy as np

from medembed_pipeline.images.case_groups import count_case_crossings
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import private_errors
from medembed_pipeline.lake.tables import vectors
from medembed_pipeline.settings import load_settings

SETTINGS = load_settings()
TOLERANCE = 1e-3

if SETTINGS.images.enabled:

    @dg.asset_check(asset="rejected_images", required_resource_keys={"lake"})
    def few_pictures_are_rejected(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        """Warns when many of the landed pictures, or rows that join them, cannot be used."""
        with private_errors():
            lake: Lake = context.resources.lake.open()
            table = lake.table("rejected_images")
            rows, pictures = table.rows, int(table.footer.facts["pictures"])
            share = rows / max(pictures, rows, 1)
            reasons = "; ".join(f"{one['reason']}: {one['files']}" for one in table.footer.facts["reasons"])
            return dg.AssetCheckResult(
                passed=share <= SETTINGS.images.rejected_share_warning,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"{rows} rejected, {pictures} pictures landed. {reasons}".strip(),
                metadata={"rejected": rows, "pictures": pictures},
            )

    @dg.asset_check(asset="paired_cases", required_resource_keys={"lake"})
    def cases_have_both_partners(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        """Warns of pictures without a note, notes without a picture, and cases without a patient."""
        with private_errors():
            lake: Lake = context.resources.lake.open()
            facts = lake.table("paired_cases").footer.facts
            lacking = {
                name: int(facts[name]) for name in ("without_note", "without_picture", "without_patient")
            }
            return dg.AssetCheckResult(
                passed=not any(lacking.values()),
                severity=dg.AssetCheckSeverity.WARN,
                description=f"of {facts['cases']} cases: "
                + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in lacking.items()),
                metadata=lacking,
            )

    @dg.asset_check(
        asset="case_splits",
        additional_deps=["paired_cases", "raw_images"],
        blocking=True,
        required_resource_keys={"lake"},
    )
    def no_case_crosses_splits(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        """No patient, no picture and no note lies in two splits; found from pixels and words, from no hash and no
        group."""
        with private_errors():
            lake: Lake = context.resources.lake.open()
            table = lake.table("case_splits")
            splits = table.read(["case_id", "split"]).to_pydict()
            counts = count_case_crossings(
                lake.table("paired_cases").read(["case_id", "patient", "image_id", "note"]),
                lake.table("raw_images").read(["image_id", "detail"]),
                dict(zip(splits["case_id"], splits["split"], strict=True)),
                float(table.footer.recipe.settings["CaseSplitSettings"]["note_similarity"]),
            )
            return dg.AssetCheckResult(
                passed=not any(counts.values()),
                description="; ".join(f"{count} {what.replace('_', ' ')}" for what, count in counts.items()),
                metadata=counts,
            )

    @dg.asset_check(
        asset="image_embeddings",
        additional_deps=["raw_images"],
        blocking=True,
        required_resource_keys={"lake"},
    )
    def image_embeddings_are_unit_vectors(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        """Every different picture has one vector, finite and of length 1."""
        with private_errors():
            lake: Lake = context.resources.lake.open()
            table = lake.table("image_embeddings").read()
            ids = table.column("image_id").to_pylist()
            wanted = set(lake.table("raw_images").strings("image_id"))
            lengths = np.linalg.norm(vectors(table.column("embedding")), axis=1)
            off = int((~(np.abs(lengths - 1) < TOLERANCE)).sum())
            unmatched = len(wanted ^ set(ids)) + len(ids) - len(set(ids))
            return dg.AssetCheckResult(
                passed=not unmatched and not off,
                description=f"{unmatched} pictures without a vector of their own; {off} vectors not of length 1",
                metadata={"unmatched": unmatched, "not_of_length_one": off},
            )
