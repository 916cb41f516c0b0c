"""Assets of the group `notes`: what landed, what was rejected, the cleaned notes, their splits."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pyarrow as pa

from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publication import OutdatedWorkError
from medembed_pipeline.lake.publishing import (
    Built,
    asset_work,
    code_version,
    column_schema,
    launchpad_schema,
    launchpad_settings,
)
from medembed_pipeline.lake.store import KeyedStore
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.notes import REVISION
from medembed_pipeline.notes.landing import (
    REJECTED_DESCRIPTIONS,
    ParsedFiles,
    described,
    landed_files,
    landing_version,
    raw_schema,
    write_landing_tables,
)
from medembed_pipeline.notes.merging import (
    CLEANED_NOTES_SCHEMA,
    merge_notes,
    prepare_texts,
    prepared_version,
    text_keys,
)
from medembed_pipeline.notes.reader import ReaderOptions
from medembed_pipeline.notes.row_chunks import REJECTED_SCHEMA
from medembed_pipeline.notes.slices import refuse_unusable_slices, version_with_slices
from medembed_pipeline.notes.splits import NOTE_SPLITS_SCHEMA, assign_splits
from medembed_pipeline.settings import CleaningSettings, LandingSettings, SplitSettings, load_settings

SETTINGS = load_settings()
TEXTS_PER_BLOCK = 2_000


@dg.multi_asset(
    name="landing",
    outs={
        "raw_transcriptions": dg.AssetOut(
            group_name="notes",
            kinds={"parquet"},
            dagster_type=dg.Nothing,
            code_version=code_version(REVISION, SETTINGS.landing),
            metadata=column_schema(raw_schema({})),
            description="Every row that landed and can be used, as it landed, with the file and row it came from.",
        ),
        "rejected_rows": dg.AssetOut(
            group_name="notes",
            kinds={"parquet"},
            dagster_type=dg.Nothing,
            code_version=code_version(REVISION, SETTINGS.landing),
            metadata=column_schema(described(REJECTED_SCHEMA, REJECTED_DESCRIPTIONS)),
            description="Every row or file that could not be used, with the reason and its bytes.",
        ),
    },
    config_schema=launchpad_schema("landing", SETTINGS.landing),
    required_resource_keys={"lake"},
)
def landing(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
    """Read the landing folder; a file parsed before is not parsed again."""
    settings = launchpad_settings(context, LandingSettings)
    with asset_work(context, REVISION, settings) as work:
        files = landed_files(work.lake)
        work.note_input("landing", landing_version(files))
        names = ("raw_transcriptions", "rejected_rows")
        kept = all(work.unchanged(name) is not None for name in names)
        if not kept:
            parsed = ParsedFiles(work.lake, reader_options(settings), REVISION)
            try:
                write_landing_tables(work.lake, files, parsed, work.recipe)
            except OutdatedWorkError:
                if any(work.unchanged(name) is None for name in names):
                    raise
            context.log.info(f"{len(files)} files in the landing folder, {parsed.parsed_now} parsed now")
        results = [work.result(work.lake.table(name), kept=kept) for name in names]
    yield from results


def reader_options(settings: LandingSettings) -> ReaderOptions:
    """The reader's options from the settings."""
    return ReaderOptions(
        text_column=settings.text_column,
        label_column=settings.label_column,
        minimum_characters=settings.minimum_characters,
        maximum_row_bytes=settings.maximum_row_megabytes * 1024**2,
        maximum_file_bytes=int(settings.maximum_file_gigabytes * 1024**3),
    )


@dg.asset(
    group_name="notes",
    kinds={"parquet"},
    deps=["raw_transcriptions"],
    code_version=version_with_slices(code_version(REVISION, SETTINGS.cleaning), SETTINGS.evaluation.slices),
    config_schema=launchpad_schema("cleaned_notes", SETTINGS.cleaning),
    metadata=column_schema(CLEANED_NOTES_SCHEMA),
    required_resource_keys={"lake"},
)
def cleaned_notes(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """Different notes: cleaned text, set of specialties, source rows, near-duplicate group, identifier counts."""
    settings = launchpad_settings(context, CleaningSettings)
    with asset_work(context, REVISION, settings) as work:
        raw = work.input("raw_transcriptions")
        refuse_unusable_slices(raw, SETTINGS.evaluation.slices)
        return work.publish(lambda: clean(raw, settings, work.lake), CLEANED_NOTES_SCHEMA)


def clean(raw: LakeTable, settings: CleaningSettings, lake: Lake) -> Built:
    """Rows to notes; what a text was cleaned to before is taken from the store."""
    rows = raw.read(["row_id", "text", "label"])
    texts = rows.column("text")
    version = prepared_version(redact=settings.redact)

    def prepare(positions: list[int]) -> pa.Table:
        return prepare_texts(texts.take(pa.array(positions, pa.int64())).to_pylist(), redact=settings.redact)

    keys = text_keys(text.as_py() for text in texts)
    prepared, fresh = KeyedStore(lake, "prepared_texts", version).get_or_compute(
        keys, prepare, block=TEXTS_PER_BLOCK
    )
    merged = merge_notes(
        rows,
        prepared,
        aliases=settings.label_names,
        document_types=settings.document_types,
        label_separator=settings.label_separator,
        near_duplicate_threshold=settings.near_duplicate_threshold,
    )
    facts = {
        "rows": merged.rows,
        "rows_empty_after_cleaning": merged.rows_empty,
        "rows_of_a_known_note": merged.rows_merged,
        "texts_cleaned_now": fresh,
        **notes_facts(merged.notes),
    }
    return merged.notes, facts


def notes_facts(notes: pa.Table) -> dict[str, Any]:
    """Counts of a cleaned_notes table: labels, groups, identifiers."""
    specialties: list[list[str]] = notes.column("specialties").to_pylist()
    counts: dict[str, int] = {}
    for names in specialties:
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    groups: list[str] = notes.column("duplicate_group").to_pylist()
    identifiers = [name for name in notes.column_names if name.startswith("identifiers_")]
    return {
        "notes_without_specialty": sum(not names for names in specialties),
        "notes_with_several_specialties": sum(len(names) > 1 for names in specialties),
        "near_duplicates": len(groups) - len(set(groups)),
        "specialties": [
            {"specialty": name, "notes": count}
            for name, count in sorted(counts.items(), key=lambda item: (-item[1], item))
        ],
        "identifiers": [
            {"kind": name.removeprefix("identifiers_"), "found": sum(notes.column(name).to_pylist())}
            for name in identifiers
        ],
    }


@dg.asset(
    group_name="notes",
    kinds={"parquet"},
    deps=["cleaned_notes"],
    code_version=code_version(REVISION, SETTINGS.splits),
    config_schema=launchpad_schema("note_splits", SETTINGS.splits),
    metadata=column_schema(NOTE_SPLITS_SCHEMA),
    required_resource_keys={"lake"},
)
def note_splits(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """Train, validation or test, by near-duplicate group; a note keeps its split when others come or go."""
    settings = launchpad_settings(context, SplitSettings)
    with asset_work(context, REVISION, settings) as work:
        notes = work.input("cleaned_notes")
        return work.publish(lambda: split(notes, settings, work.lake), NOTE_SPLITS_SCHEMA)


def split(notes: LakeTable, settings: SplitSettings, lake: Lake) -> Built:
    """Splits of all notes, remembering those of every note ever seen (also of notes that went away)."""
    table = notes.read(["note_id", "duplicate_group", "specialties"])
    ledger_path = ("store", "split_ledger", f"{digest(settings.result_values())[:16]}.json")
    ledger: dict[str, str] = lake.read_json(*ledger_path) or {}
    assigned = assign_splits(
        table,
        ledger,
        train=settings.train,
        validation=settings.validation,
        test=settings.test,
        seed=settings.seed,
    )
    if assigned.splits.items() - ledger.items():
        lake.write_json({**ledger, **assigned.splits}, *ledger_path)
    sizes = {name: list(assigned.splits.values()).count(name) for name in ("train", "validation", "test")}
    facts = {
        **sizes,
        "kept_their_split": assigned.remembered,
        "new_notes": assigned.assigned + assigned.joined,
        "moved_to_held_out": assigned.moved_to_held_out,
    }
    return assigned.table(), facts
