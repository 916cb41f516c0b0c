"""Assets of the group `notes`: what landed, what was rejected, the cleaned notes, their splits."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timezone
from functools import cache, partial
from itertools import compress
from typing import Any

import dagster as dg
import pyarrow as pa

from medembed_pipeline.described import DescribedTable, describe_table
from medembed_pipeline.engine import Engine, LocalEngine, open_engine
from medembed_pipeline.lake import compute as pc
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publication import OutdatedWorkError
from medembed_pipeline.lake.publishing import (
    AssetIO,
    Built,
    asset_io,
    code_version,
    column_schema,
    launchpad_schema,
    launchpad_settings,
    launchpad_value,
)
from medembed_pipeline.lake.store import KeyedStore
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.notes import REVISION
from medembed_pipeline.notes.cleaning import note_id
from medembed_pipeline.notes.earlier_splits import open_memory
from medembed_pipeline.notes.grouping import Grouping, group_notes
from medembed_pipeline.notes.identity_columns import IdentityColumns, raw_columns, read_identity_columns
from medembed_pipeline.notes.landing import (
    REJECTED_DESCRIPTIONS,
    ParsedFiles,
    described,
    landed_files,
    landing_version,
    named_columns,
    raw_schema,
    write_landing_tables,
)
from medembed_pipeline.notes.memory import (
    MEMORY,
    MEMORY_SCHEMA,
    STARTED,
    NoteMemory,
    with_splits,
    write_memory,
)
from medembed_pipeline.notes.merging import (
    CLEANED_NOTES_SCHEMA,
    merge_notes,
    prepared_version,
    text_keys,
)
from medembed_pipeline.notes.preparing import prepared_blocks
from medembed_pipeline.notes.reader import ReaderOptions
from medembed_pipeline.notes.rejections import REJECTION_REASONS
from medembed_pipeline.notes.row_chunks import REJECTED_SCHEMA
from medembed_pipeline.notes.settings import CleaningSettings, LandingSettings, SplitSettings
from medembed_pipeline.notes.sharded_bands import sharded_bands
from medembed_pipeline.notes.slices import refuse_unusable_slices, version_with_slices
from medembed_pipeline.notes.splits import NOTE_SPLITS_SCHEMA, SPLITS, assign_splits
from medembed_pipeline.settings import load_settings
from medembed_pipeline.stage import stage

SETTINGS = load_settings()
TEXTS_PER_BLOCK = 2_000

describe_table(
    "raw_transcriptions",
    DescribedTable(
        "a row as it landed; every further column of the landing files follows as a string column",
        raw_schema({}),
    ),
    module=__name__,
)
describe_table(
    "rejected_rows",
    DescribedTable(
        "a row, or a file, that could not be used",
        described(REJECTED_SCHEMA, REJECTED_DESCRIPTIONS),
        more="\nReasons:\n\n| reason | when |\n|---|---|\n"
        + "".join(f"| `{reason}` | {when} |\n" for reason, when in REJECTION_REASONS.items()),
    ),
    module=__name__,
)


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
    with asset_io(context, REVISION, settings) as work:
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


@stage(
    group="notes",
    inputs=["raw_transcriptions"],
    one_row="a different note",
    schema=CLEANED_NOTES_SCHEMA,
    revision=REVISION,
    settings=SETTINGS.cleaning,
    version=lambda version: version_with_slices(version, SETTINGS.evaluation.slices),
)
def cleaned_notes(work: AssetIO, settings: CleaningSettings) -> dg.MaterializeResult[Any]:
    """Different notes: cleaned text, set of specialties, source rows, near-duplicate group, identifier counts."""
    raw = work.input("raw_transcriptions")
    refuse_unusable_slices(raw, slices_of_run(work.context))
    with open_engine(work.lake, SETTINGS.engine, work.context.log.info) as engine:
        result = work.publish(lambda: clean(raw, settings, work.lake, engine), CLEANED_NOTES_SCHEMA)
    for line in identity_lines(work.lake.table("cleaned_notes").footer.facts):
        work.context.log.info(line)
    return result


def slices_of_run(context: dg.AssetExecutionContext) -> list[str]:
    """The slices that this run is asked for."""
    slices: list[str] = launchpad_value(context, "slice_metrics", "slices", SETTINGS.evaluation.slices)
    return slices


def clean(raw: LakeTable, settings: CleaningSettings, lake: Lake, engine: Engine | None = None) -> Built:
    """Rows to notes; what a text was cleaned to before is taken from the store. None: cleaned in this process."""
    wanted = named_columns(raw.footer.recipe)
    rows = raw.read(["row_id", "text", "label", *raw_columns(raw.schema, wanted)])
    identity = read_identity_columns(rows, wanted)
    rows = rows.select(["row_id", "text", "label"])
    for name, values, type_ in (
        ("patient", identity.patients, pa.string()),
        ("note_key", identity.note_keys, pa.string()),
        ("note_date", identity.dates, pa.date32()),
    ):
        rows = rows.append_column(name, pa.array(values, type_))
    texts = rows.column("text")
    version = prepared_version(redact=settings.redact)

    shards = engine or LocalEngine(lake)

    def prepare(blocks: Sequence[list[int]]) -> Iterator[pa.Table]:
        return prepared_blocks(texts, blocks, redact=settings.redact, engine=shards)

    keys = text_keys(text.as_py() for text in texts)
    prepared, fresh = KeyedStore(lake, "prepared_texts", version).get_or_map(
        keys, prepare, block=TEXTS_PER_BLOCK
    )
    merged = merge_notes(
        rows,
        prepared,
        aliases=settings.label_names,
        document_types=settings.document_types,
        label_separator=settings.label_separator,
        near_duplicate_threshold=settings.near_duplicate_threshold,
        bands=partial(sharded_bands, shards),
    )
    facts = {
        "rows": merged.rows,
        "rows_empty_after_cleaning": merged.rows_empty,
        "rows_of_a_known_note": merged.rows_merged,
        "texts_cleaned_now": fresh,
        **identity_facts(identity, merged.notes),
        **notes_facts(merged.notes),
    }
    return merged.notes, facts


def identity_facts(identity: IdentityColumns, notes: pa.Table) -> dict[str, Any]:
    """Which columns were read as patient, date and the hospital's note id, and what they lack."""
    patients = notes.column("patients").combine_chunks().flatten()
    return {
        "identity_columns": [
            {"what": setting.removesuffix("_column"), "column": name}
            for setting, names in identity.used.items()
            for name in names
        ],
        "identity_columns_missing": ", ".join(identity.missing),
        "patients": len(pc.unique(patients)),
        "rows_without_patient": identity.empty_patients,
        "rows_with_unreadable_date": identity.unreadable_dates,
        "notes_without_date": notes.column("note_date").null_count,
    }


def identity_lines(facts: dict[str, Any]) -> list[str]:
    """What is said aloud of them."""
    lines = [f"the column {row['column']} is read as the {row['what']}" for row in facts["identity_columns"]]
    missing = facts["identity_columns_missing"]
    return [*lines, f"no file has the column named in [landing] {missing}"] if missing else lines


def notes_facts(notes: pa.Table) -> dict[str, Any]:
    """Counts of a cleaned_notes table: labels, groups, identifiers."""
    lengths = pc.list_value_length(notes.column("specialties"))
    counts = pc.value_counts(pc.list_flatten(notes.column("specialties"))).to_pylist()
    identifiers = [name for name in notes.column_names if name.startswith("identifiers_")]
    return {
        "notes_without_specialty": _sum(pc.equal(lengths, 0)),
        "notes_with_several_specialties": _sum(pc.greater(lengths, 1)),
        "near_duplicates": notes.num_rows - len(pc.unique(notes.column("duplicate_group"))),
        "specialties": [
            {"specialty": one["values"], "notes": one["counts"]}
            for one in sorted(counts, key=lambda one: (-one["counts"], one["values"]))
        ],
        "identifiers": [
            {"kind": name.removeprefix("identifiers_"), "found": _sum(notes.column(name))}
            for name in identifiers
        ],
    }


def _sum(column: pa.ChunkedArray) -> int:
    return int(pc.sum(column, min_count=0).as_py())


@stage(
    group="notes",
    inputs=["cleaned_notes"],
    one_row="a note's split and group",
    schema=NOTE_SPLITS_SCHEMA,
    revision=REVISION,
    settings=SETTINGS.splits,
)
def note_splits(work: AssetIO, settings: SplitSettings) -> dg.MaterializeResult[Any]:
    """Train, validation or test, by group; a note keeps its split when others come or go, and when it is edited."""
    notes = work.input("cleaned_notes")
    now = datetime.now(timezone.utc)
    # Held until the memory is written: it never tells of splits that were not published, nor lacks any that were.
    with work.lake.lock(MEMORY):
        memory = open_memory(work.lake, settings, now)
        work.note_input(STARTED, str(memory.started))
        # Asked for by either, or by none.
        grouping = cache(partial(group, notes, memory))
        result = work.publish(lambda: split(notes, settings, memory, grouping()), NOTE_SPLITS_SCHEMA)
        remember(work.lake, notes, memory, grouping, now)
    return result


def group(notes: LakeTable, memory: NoteMemory) -> Grouping:
    """The groups of a table of cleaned notes."""
    cleaning = notes.footer.recipe.settings["CleaningSettings"]
    columns = ["note_id", "duplicate_group", "patients", "note_keys", "signature", "sketch"]
    shown_ids = {}
    if cleaning["redact"]:
        # Earlier versions hashed the masked text.
        texts = zip(notes.strings("note_id"), notes.strings("text"), strict=True)
        shown_ids = {note: note_id(text) for note, text in texts}
    threshold = float(cleaning["near_duplicate_threshold"])
    return group_notes(notes.read(columns), memory, threshold=threshold, shown_ids=shown_ids)


def split(notes: LakeTable, settings: SplitSettings, memory: NoteMemory, grouping: Grouping) -> Built:
    """Groups and splits of all notes, by what is remembered of every note ever split."""
    table = notes.read(["note_id", "specialties", "note_date", "patients"])
    ids: list[str] = table.column("note_id").to_pylist()
    groups = [grouping.groups[note] for note in ids]
    days = table.column("note_date").to_pylist()
    test_from = date.fromisoformat(settings.test_from) if settings.test_from else None
    timely = [test_from is not None and day is not None and day >= test_from for day in days]
    assigned = assign_splits(
        table.select(["note_id", "specialties"]).append_column("group", pa.array(groups, pa.string())),
        {note: known.split for note, known in memory.notes.items()},
        train=settings.train,
        validation=settings.validation,
        test=settings.test,
        seed=settings.seed,
        previous_of_group=grouping.remembered_splits,
        in_test_time=None if test_from is None else list(compress(ids, timely)),
    )
    sizes = {name: list(assigned.splits.values()).count(name) for name in SPLITS}
    facts = {
        **sizes,
        "groups": len(set(groups)),
        "largest_group": max(Counter(groups).values(), default=0),
        "kept_their_split": assigned.remembered,
        "new_notes": assigned.assigned + assigned.joined,
        "known_again_after_an_edit": grouping.known_again,
        "moved_to_held_out": assigned.moved_to_held_out,
    }
    if test_from is not None:
        facts |= {
            "notes_left_out_of_the_test": assigned.left_out_of_test,
            "patients_on_both_sides": patients_on_both_sides(table.column("patients").to_pylist(), timely),
            "notes_without_date": days.count(None),
        }
    return assigned.table(), facts


def patients_on_both_sides(patients: Sequence[Sequence[str]], timely: Sequence[bool]) -> int:
    """How many patients have notes of the time of the test, and others."""
    sides: defaultdict[str, set[bool]] = defaultdict(set)
    for names, own in zip(patients, timely, strict=True):
        for name in names:
            sides[name].add(own)
    return sum(len(own) == 2 for own in sides.values())


def remember(
    lake: Lake, notes: LakeTable, memory: NoteMemory, grouping: Callable[[], Grouping], now: datetime
) -> None:
    """Add the published splits to the memory, unless it has them; call while holding its lock."""
    columns = lake.table("note_splits").read().to_pydict()
    splits = dict(zip(columns["note_id"], columns["split"], strict=True))
    groups = dict(zip(columns["note_id"], columns["group"], strict=True))
    if all(
        note in memory.notes
        and (memory.notes[note].split, memory.notes[note].group) == (splits[note], own)
        and memory.notes[note].signature is not None
        for note, own in groups.items()
    ):
        return
    renamed = grouping().renamed
    table = notes.read(["note_id", "signature", "sketch", "patients", "note_keys"])
    write_memory(lake, with_splits(memory, table, splits, groups, renamed, now))


describe_table(
    MEMORY,
    DescribedTable(
        "a note that was ever split, whether its text is still there or not (see docs/leakage.md). It cannot "
        "be made again: keep copies",
        MEMORY_SCHEMA,
    ),
    module=__name__,
)
