"""What the page reads of the lake."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medembed_pipeline.described import described_tables
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.notes.slices import read_slices
from medembed_pipeline.report.arrays_part import first_neighbors
from medembed_pipeline.report.cases_part import (
    CASE_COLUMNS,
    CASE_TABLES,
    CASES,
    PREDICTIONS,
    cases_part,
    rows_of_cases,
    shown_cases,
)
from medembed_pipeline.report.notes_part import NoteText, Place, source_places
from medembed_pipeline.report.shown_table import ShownTable
from medembed_pipeline.report.tables_part import page_tables

MAPS = ("projections", "aligned_projections", "note_displacement")
NEEDED = ("cleaned_notes", "note_splits", "neighbors", "projections", "embedding_metrics")

_COLUMNS = {
    "cleaned_notes": [
        "note_id",
        "specialties",
        "document_types",
        "source_rows",
        "duplicate_group",
        "words",
    ]
}


def shown_tables() -> list[str]:
    """Every table that the page shows; those that are not NEEDED are left out where they are not there."""
    described = described_tables()
    return list(
        dict.fromkeys([*NEEDED, *MAPS, *page_tables(), *(name for name in CASE_TABLES if name in described)])
    )


def open_tables(lake: Lake) -> dict[str, LakeTable]:
    """The tables that the page shows, opened.

    Raises
    ------
    TableError
        a table that the page needs is not there.
    """
    opened = {name: lake.table(name) for name in NEEDED}
    for name in shown_tables():
        table = opened.get(name) or lake.find_table(name)
        if table is not None:
            opened[name] = table
    return opened


def shown_table(table: LakeTable) -> ShownTable:
    """A table of the lake, as the payload takes it; of the large ones what the page needs."""
    if table.name == "neighbors":
        rows = first_neighbors(table.batches(rows=131_072), table.schema)
    elif table.name in CASE_TABLES:
        rows = table.schema.empty_table()
    else:
        rows = table.read(_COLUMNS.get(table.name))
    footer = table.footer
    return ShownTable(rows, footer.facts, footer.recipe.settings, footer.recipe.inputs, table.data_version)


def read_cases(tables: Mapping[str, LakeTable], note_text: NoteText) -> dict[str, Any] | None:
    """The cases of triage as `cases_part` gives them; None where there are none.

    Parameters
    ----------
    tables
        opened.
    note_text
        how the page shows their notes.
    """
    if any(name not in tables for name in CASE_TABLES):
        return None
    predictions, cases = tables[PREDICTIONS], tables[CASES]
    case_ids = shown_cases(predictions.read(["case_id", "split"]))
    return cases_part(
        rows_of_cases(predictions.batches(rows=65_536), case_ids),
        rows_of_cases(cases.batches([*CASE_COLUMNS], rows=8_192), case_ids),
        case_ids,
        predictions.footer.facts,
        note_text,
    )


def read_sources(lake: Lake) -> dict[str, list[Place]]:
    """Where each row landed, by row id; empty where the landed rows are no longer there."""
    raw = lake.find_table("raw_transcriptions")
    if raw is None:
        return {}
    return source_places(raw.batches(["row_id", "source_file", "source_row"], rows=65_536))


def shown_slices(lake: Lake, tables: Mapping[str, LakeTable]) -> dict[str, list[list[str]]]:
    """The values of every note by slice: of the slices that `slice_metrics` has, none where it is not there.

    Parameters
    ----------
    lake
        with the landed rows, without which there are no values.
    tables
        opened.

    Raises
    ------
    SliceError
        the notes were made of other rows than those that landed last.
    """
    table, raw = tables.get("slice_metrics"), lake.find_table("raw_transcriptions")
    if table is None or raw is None:
        return {}
    names = table.footer.recipe.settings.get("SliceSettings", {}).get("slices", [])
    return read_slices(raw, tables["cleaned_notes"], names)


def outdated_tables(tables: Mapping[str, LakeTable], versions: Mapping[str, str]) -> list[str]:
    """Names of tables that were made from another version of something the page shows, too.

    Parameters
    ----------
    tables
        opened.
    versions
        data versions of what is no table among them (`finetuned_checkpoint`).
    """
    current = {**{name: table.data_version for name, table in tables.items()}, **versions}
    return [
        name
        for name, table in tables.items()
        if any(
            current.get(upstream, version) != version
            for upstream, version in table.footer.recipe.inputs.items()
        )
    ]


def shown_facts(tables: Mapping[str, LakeTable]) -> dict[str, Any]:
    """Facts and settings that the page shows and no data version covers, by table."""
    from medembed_pipeline.report.payload import NOTE_TABLES

    return {
        name: [
            {} if name in NOTE_TABLES else dict(table.footer.facts),
            table.footer.recipe.settings,
        ]
        for name, table in tables.items()
    }
