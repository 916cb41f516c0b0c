"""Checks of the group `notes`: nothing lost, nothing left over, nothing that leaks."""

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import private_errors
from medembed_pipeline.notes.duplicates import duplicate_pairs, signatures
from medembed_pipeline.notes.merging import text_keys
from medembed_pipeline.settings import load_settings

SETTINGS = load_settings()


@dg.asset_check(asset="raw_transcriptions", blocking=True, required_resource_keys={"lake"})
def every_row_is_accounted_for(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Rows read from the landing files = rows kept + rows rejected."""
    with private_errors():
        lake: Lake = context.resources.lake.open()
        raw, rejected = lake.table("raw_transcriptions"), lake.table("rejected_rows")
        read = int(raw.footer.facts["rows_read"])
        return dg.AssetCheckResult(
            passed=read == raw.rows + rejected.rows,
            description=f"{read} rows read = {raw.rows} kept + {rejected.rows} rejected?",
            metadata={"read": read, "kept": raw.rows, "rejected": rejected.rows},
        )


@dg.asset_check(asset="raw_transcriptions", blocking=True, required_resource_keys={"lake"})
def enough_rows_are_kept(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Fails when no row is left; warns when more than [landing] rejected_share_warning are rejected."""
    with private_errors():
        lake: Lake = context.resources.lake.open()
        kept, rejected = lake.table("raw_transcriptions").rows, lake.table("rejected_rows").rows
        share = rejected / max(1, kept + rejected)
        limit = SETTINGS.landing.rejected_share_warning
        return dg.AssetCheckResult(
            passed=kept > 0 and share <= limit,
            severity=dg.AssetCheckSeverity.WARN if kept else dg.AssetCheckSeverity.ERROR,
            description=f"{rejected} of {kept + rejected} rows rejected ({share:.1%}); see the table rejected_rows",
            metadata={"rejected_share": share, "warning_above": limit},
        )


@dg.asset_check(
    asset="note_splits", additional_deps=["cleaned_notes"], blocking=True, required_resource_keys={"lake"}
)
def nothing_crosses_splits(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """No text and no near-duplicate of a text lies in two splits; found anew from the texts, not from the groups."""
    with private_errors():
        lake: Lake = context.resources.lake.open()
        notes = lake.table("cleaned_notes")
        splits = lake.table("note_splits").read()
        table = notes.read(["note_id", "text", "duplicate_group"])
        crossings = count_crossings(
            table, splits, float(notes.footer.recipe.settings["CleaningSettings"]["near_duplicate_threshold"])
        )
        return dg.AssetCheckResult(
            passed=not any(crossings.values()),
            description="; ".join(f"{count} {what}" for what, count in crossings.items()),
            metadata=crossings,
        )


def count_crossings(notes: pa.Table, splits: pa.Table, threshold: float) -> dict[str, int]:
    """Count what lies in two splits, or in none.

    Args:
        notes: columns note_id, text, duplicate_group.
        splits: columns note_id, split.
        threshold: Jaccard similarity from which two texts are near-duplicates.
    """
    split_of = dict(
        zip(splits.column("note_id").to_pylist(), splits.column("split").to_pylist(), strict=True)
    )
    ids: list[str] = notes.column("note_id").to_pylist()
    texts: list[str] = notes.column("text").to_pylist()
    own = [split_of.get(note_id) for note_id in ids]

    def spread(keys: list[str]) -> int:
        table = pa.table({"key": keys, "split": own}).group_by("key").aggregate([("split", "count_distinct")])
        return int(pc.sum(pc.greater(table.column("split_count_distinct"), 1)).as_py() or 0)

    pairs = duplicate_pairs(ids, signatures(texts), threshold=threshold)
    left, right = (pairs.column(name).to_pylist() for name in pairs.column_names[:2])
    return {
        "notes_without_split": sum(split is None for split in own),
        "texts_in_two_splits": spread(text_keys(" ".join(text.casefold().split()) for text in texts)),
        "groups_in_two_splits": spread(notes.column("duplicate_group").to_pylist()),
        "near_duplicates_in_two_splits": sum(
            split_of[a] != split_of[b] for a, b in zip(left, right, strict=True)
        ),
    }
