"""Checks of the snapshot."""

import dagster as dg

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import private_errors
from medembed_pipeline.verdict.released import released_version


@dg.asset_check(
    asset="served_snapshot",
    required_resource_keys={"lake"},
    description="The snapshot is of the released checkpoint, of today's notes, and has their splits and filters.",
)
def served_snapshot_is_of_the_released_checkpoint(
    context: dg.AssetCheckExecutionContext,
) -> dg.AssetCheckResult:
    """Compare the table with the pointer and the tables themselves."""
    with private_errors():
        lake: Lake = context.resources.lake.open()
        table = lake.table("served_snapshot")
        versions = dict(zip(table.strings("part"), table.strings("version"), strict=True))
        released = released_version(lake)
        if released is None:
            return dg.AssetCheckResult(
                passed=not versions, description="No checkpoint was released yet; nothing is served."
            )
        wrong = [] if versions.get("checkpoint") == released else ["checkpoint"]
        for name in ("cleaned_notes", "note_splits", "raw_transcriptions"):
            if versions.get(name) != lake.table(name).data_version:
                wrong.append(name)
        told = (
            f"not of now: {', '.join(wrong)}"
            if wrong
            else f"{table.footer.facts['notes']} notes by {released}"
        )
        return dg.AssetCheckResult(
            passed=not wrong,
            severity=dg.AssetCheckSeverity.WARN,
            description=told,
            metadata={"snapshot": str(table.footer.facts["snapshot"])},
        )
