"""Checks of the group `notes`: nothing lost, nothing left over, nothing that leaks."""

import dagster as dg

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import private_errors
from medembed_pipeline.notes.crossings import count_crossings, count_patient_crossings
from medembed_pipeline.notes.identity_columns import raw_columns, read_identity_columns
from medembed_pipeline.notes.landing import named_columns
from medembed_pipeline.settings import load_settings

SETTINGS = load_settings()
EMPTY_PATIENTS_SHARE = 0.05
LARGE_GROUP_SHARE = 0.05
LARGE_GROUP_NOTES = 20


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


@dg.asset_check(asset="cleaned_notes", required_resource_keys={"lake"})
def notes_are_told_apart(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Warns when a column that [landing] names is in no file, or when over 5% of the rows name no patient."""
    with private_errors():
        lake: Lake = context.resources.lake.open()
        facts = lake.table("cleaned_notes").footer.facts
        empty, missing = facts["rows_without_patient"], facts["identity_columns_missing"]
        share = empty / max(1, facts["rows"])
        found = ", ".join(f"{row['column']} as the {row['what']}" for row in facts["identity_columns"])
        said = [f"read: {found}" if found else "no column of patients, dates or note ids was found"]
        if missing:
            said.append(f"no file has the column that [landing] names as {missing}")
        if empty:
            said.append(f"{empty} rows ({share:.1%}) name no patient; their notes stand alone")
        if facts["rows_with_unreadable_date"]:
            said.append(f"{facts['rows_with_unreadable_date']} rows have a date that cannot be read")
        return dg.AssetCheckResult(
            passed=not missing and share <= EMPTY_PATIENTS_SHARE,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(said),
            metadata={"rows_without_patient": empty, "share": share, "warning_above": EMPTY_PATIENTS_SHARE},
        )


@dg.asset_check(asset="note_splits", required_resource_keys={"lake"})
def groups_are_small(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Warns when one group holds over 5% of the notes: a column may hold something else than it is read as."""
    with private_errors():
        lake: Lake = context.resources.lake.open()
        splits = lake.table("note_splits")
        largest = int(splits.footer.facts["largest_group"])
        return dg.AssetCheckResult(
            passed=largest <= max(LARGE_GROUP_NOTES, LARGE_GROUP_SHARE * splits.rows),
            severity=dg.AssetCheckSeverity.WARN,
            description=f"the largest group has {largest} of {splits.rows} notes",
            metadata={"largest_group": largest},
        )


@dg.asset_check(
    asset="note_splits", additional_deps=["cleaned_notes"], blocking=True, required_resource_keys={"lake"}
)
def nothing_crosses_splits(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """No text and no near-duplicate of a text lies in two splits; found from the texts, not from the groups."""
    with private_errors():
        lake: Lake = context.resources.lake.open()
        notes = lake.table("cleaned_notes")
        crossings = count_crossings(
            notes.read(["note_id", "text"]),
            lake.table("note_splits").read(),
            float(notes.footer.recipe.settings["CleaningSettings"]["near_duplicate_threshold"]),
        )
        return dg.AssetCheckResult(
            passed=not any(crossings.values()),
            description="; ".join(f"{count} {what}" for what, count in crossings.items()),
            metadata=crossings,
        )


@dg.asset_check(
    asset="note_splits",
    additional_deps=["raw_transcriptions", "cleaned_notes"],
    blocking=True,
    required_resource_keys={"lake"},
)
def no_patient_crosses_splits(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """No patient has notes in two splits; found from the rows as they landed, not from the groups."""
    with private_errors():
        lake: Lake = context.resources.lake.open()
        raw = lake.table("raw_transcriptions")
        wanted = named_columns(raw.footer.recipe)
        rows = raw.read(["row_id", *raw_columns(raw.schema, wanted)])
        patients = read_identity_columns(rows, wanted).patients
        notes = lake.table("cleaned_notes").read(["note_id", "source_rows"]).to_pydict()
        splits = lake.table("note_splits").read(["note_id", "split"]).to_pydict()
        counts = count_patient_crossings(
            zip(rows.column("row_id").to_pylist(), patients, strict=True),
            dict(zip(notes["note_id"], notes["source_rows"], strict=True)),
            dict(zip(splits["note_id"], splits["split"], strict=True)),
        )
        return dg.AssetCheckResult(
            passed=not counts["patients_in_two_splits"],
            description=f"{counts['patients_in_two_splits']} of {counts['patients']} patients lie in two splits",
            metadata=counts,
        )
