"""Checks of the group `image_text`: the controls behave, and every pair could be measured."""

import dagster as dg

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import private_errors
from medembed_pipeline.settings import load_settings

SETTINGS = load_settings()
ROUNDING = 1e-6

if SETTINGS.images.enabled:

    @dg.asset_check(asset="image_text_metrics", required_resource_keys={"lake"})
    def every_pair_was_measured(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        """Warns of pairs without a figure by labels, and says what is needed."""
        with private_errors():
            lake: Lake = context.resources.lake.open()
            facts = lake.table("image_text_metrics").footer.facts
            absent = facts["absent"] if facts["pictures"] else []
            return dg.AssetCheckResult(
                passed=not absent,
                severity=dg.AssetCheckSeverity.WARN,
                description="; ".join(f"{one['pair_id']}: {one['why']}" for one in absent) or None,
                metadata={"pairs_without_figures": len(absent)},
            )

    @dg.asset_check(asset="image_text_metrics", required_resource_keys={"lake"})
    def controls_behave(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        """With the sides swapped an AUC is one less what it was; dealt at random, 0.5 is among the deals (else a
        warning)."""
        with private_errors():
            lake: Lake = context.resources.lake.open()
            rows = lake.table("image_text_metrics").read().to_pylist()
            auc = {(row["model"], row["arm"], row["pair_id"]): row for row in rows if row["figure"] == "auc"}
            wrong = 0
            for (model, arm, pair), row in auc.items():
                if arm == "sides_swapped":
                    wrong += abs(row["value"] + auc[model, "as_written", pair]["value"] - 1) > ROUNDING
                if arm == "shuffled":
                    wrong += not row["ci_low"] <= 0.5 <= row["ci_high"]
            return dg.AssetCheckResult(
                passed=not wrong,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"{wrong} controls are not what they must be",
                metadata={"wrong": wrong},
            )
