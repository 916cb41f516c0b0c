"""The tables of the page: every row and column as it is, but for note ids, which become positions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from medembed_pipeline.described import OnPage, described_tables
from medembed_pipeline.lake import compute as pc
from medembed_pipeline.pictures.numbers import without_nan
from medembed_pipeline.report.shown_table import NoteIndex, ShownTable

AS_IT_IS = OnPage()


def page_tables() -> dict[str, OnPage]:
    """The tables that the page takes as they are, by name, in the order of the rooms."""
    return {name: table.page for name, table in described_tables().items() if table.page is not None}


def tables_part(tables: Mapping[str, ShownTable], index: NoteIndex) -> dict[str, dict[str, list[Any]]]:
    """Those of `page_tables` that are there, column by column.

    Raises
    ------
    ReportError
        a table names a note that the page does not have.
    """
    return {
        name: table_columns(name, tables[name].rows, index, taken)
        for name, taken in page_tables().items()
        if name in tables
    }


def table_columns(
    name: str, rows: pa.Table, index: NoteIndex, taken: OnPage = AS_IT_IS
) -> dict[str, list[Any]]:
    """One table as JSON-able columns.

    Raises
    ------
    ReportError
        as in `tables_part`.
    """
    columns = {column: plain_values(rows[column]) for column in rows.column_names}

    def position(note_id: str) -> int:
        return index.of(note_id, name)

    for column in taken.ids:
        if column in columns:
            columns[column] = [_replaced(value, position) for value in columns[column]]
    for column in taken.mixed:
        values = columns.get(column, [])
        for row, (figure, value) in enumerate(zip(columns["figure"], values, strict=True)):
            if figure in taken.mixed_figures and value is not None:
                values[row] = str(position(value))
    return columns


def plain_values(column: pa.ChunkedArray) -> list[Any]:
    """A column as JSON-able values: NaN and infinite become None; float32 in as few digits as tell it apart; times to
    the second, such as 2026-03-01T09:30:00Z."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        return [None if time is None else f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in column.to_pylist()]
    if pa.types.is_float32(kind):
        column = pc.cast(pc.cast(column, pa.string()), pa.float64())
    elif pa.types.is_list(kind) and pa.types.is_float32(kind.value_type):
        column = pc.cast(pc.cast(column, pa.list_(pa.string())), pa.list_(pa.float64()))
    return [without_nan(value) for value in column.to_pylist()]


def _replaced(value: Any, position: Callable[[str], int]) -> Any:
    if isinstance(value, list):
        return [position(note_id) for note_id in value]
    return None if value is None else position(value)
