"""Rows of Parquet files, a bounded batch at a time."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medembed_pipeline.notes.byte_lines import LONG_LINE_KEPT_BYTES, UnusableFileError
from medembed_pipeline.notes.columns import ColumnMap, NoTextColumnError, map_columns
from medembed_pipeline.notes.delimited import too_long_detail
from medembed_pipeline.notes.json_lines import label_as_string
from medembed_pipeline.notes.row_chunks import ChunkBuilder, OtherColumns, RowChunk

_BATCH_BYTES: Final = 8 * 1024**2
_BATCH_ROWS: Final = 2_000
_READ_BUFFER_BYTES: Final = 1024**2
_DAMAGE = (pa.ArrowException, pa.ArrowMemoryError, OSError, ValueError, OverflowError, RecursionError)


def read_parquet_rows(
    stream: BinaryIO,
    builder: ChunkBuilder,
    *,
    text_column: str,
    label_column: str,
    maximum_row_bytes: int,
    maximum_file_bytes: int,
) -> Iterator[RowChunk]:
    """Read the rows of a Parquet file into `builder`, yielding its chunks as they fill up.

    The text column must hold strings; labels are strings or lists of them (joined with LABEL_LIST_SEPARATOR).
    Other columns become strings as Arrow writes them, nested and binary ones JSON. A rejected row's bytes are
    its cells as a JSON object, for Parquet has no bytes of a row.

    Raises
    ------
    UnusableFileError
        not Parquet, no text column, or one that does not hold strings.
    """
    file = _open(stream)
    schema = file.schema_arrow
    columns = _map_schema(schema, text_column=text_column, label_column=label_column)
    layout = OtherColumns(columns.other_names)
    names = [schema.names[columns.text], "" if columns.label is None else schema.names[columns.label]]
    names.extend(columns.other_names)
    read_bytes = 0
    try:
        for cells in _rows(file, columns):
            size = sum(len(cell) for cell in cells if cell)
            read_bytes += size
            if read_bytes > maximum_file_bytes:
                raise UnusableFileError("file_too_large", f"more than {maximum_file_bytes} bytes; cut there")
            row = builder.count_row()
            text, label, *others = cells
            refusal: tuple[str, str] | None
            if size > maximum_row_bytes:
                refusal = "too_long", too_long_detail(size, maximum_row_bytes, LONG_LINE_KEPT_BYTES)
            elif text is None:
                refusal = "no_text", "the text cell is null"
            elif any("\0" in cell for cell in cells if cell):
                refusal = "nul_byte", "in a cell of the row"
            else:
                refusal = builder.keep(row, text, label, layout, others, size)
            if refusal:
                builder.reject(row, *refusal, _row_bytes(names, cells)[:LONG_LINE_KEPT_BYTES])
            if builder.full:
                yield builder.finish()
    except UnusableFileError as error:
        builder.reject_file(error.reason, error.detail)
        return
    if not builder.row:
        builder.reject_file("empty_file", "a schema and no rows")


def _open(stream: BinaryIO) -> pq.ParquetFile:
    try:
        schema = pq.ParquetFile(stream).schema_arrow
        # Strings are read as dictionaries, so that one long note repeated a million times stays small.
        strings = [field.name for field in schema if _is_string(field.type)]
        stream.seek(0)
        return pq.ParquetFile(stream, buffer_size=_READ_BUFFER_BYTES, read_dictionary=strings)
    except _DAMAGE as error:
        raise UnusableFileError("not_parquet", f"cannot be opened: {type(error).__name__}") from None


def _map_schema(schema: pa.Schema, *, text_column: str, label_column: str) -> ColumnMap:
    try:
        columns = map_columns(schema.names, text_column=text_column, label_column=label_column)
    except NoTextColumnError as error:
        raise UnusableFileError("no_text_column", str(error)) from None
    found = schema.field(columns.text).type
    if not (_is_string(found) or pa.types.is_null(found)):
        raise UnusableFileError("no_text_column", f"column {columns.text + 1} holds {found}, not strings")
    return columns


def _is_string(found: pa.DataType) -> bool:
    if pa.types.is_dictionary(found):
        found = found.value_type
    return pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_string_view(found)


def _rows(file: pq.ParquetFile, columns: ColumnMap) -> Iterator[list[str | None]]:
    """Each row as [text, label, *others]; bytes that are not UTF-8 are lone surrogates in the strings."""
    group = 0
    try:
        for group in range(file.num_row_groups):
            described = file.metadata.row_group(group)
            row_bytes = max(1, described.total_byte_size // max(1, described.num_rows))
            rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES // row_bytes))
            for batch in file.iter_batches(batch_size=rows, row_groups=[group], use_threads=False):
                blank: list[str | None] = [None] * batch.num_rows
                cells = [_strings(batch.column(columns.text))]
                cells.append(blank if columns.label is None else _labels(batch.column(columns.label)))
                cells.extend(_strings(batch.column(position)) for position in columns.other)
                yield from map(list, zip(*cells, strict=True))
    except _DAMAGE as error:
        detail = f"row group {group} cannot be read: {type(error).__name__}"
        raise UnusableFileError("corrupt_file", detail) from None


def _labels(column: pa.Array) -> list[str | None]:
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return [label_as_string(value) for value in column.to_pylist()]
    return _strings(column)


def _strings(column: pa.Array) -> list[str | None]:
    if _is_string(column.type):
        return _decoded(column)
    if (
        pa.types.is_nested(column.type)
        or pa.types.is_binary(column.type)
        or pa.types.is_large_binary(column.type)
    ):
        return [None if value is None else _as_json(value) for value in column.to_pylist()]
    try:
        return column.cast(pa.string()).to_pylist()
    except pa.ArrowException:
        return [None if value is None else str(value) for value in column.to_pylist()]


def _decoded(column: pa.Array) -> list[str | None]:
    if not pa.types.is_dictionary(column.type):
        return [_decode(value) for value in column.cast(pa.large_binary()).to_pylist()]
    # Only the entries that occur in this batch: the dictionary may be that of a whole row group.
    indices = column.indices.to_numpy(zero_copy_only=False) if not column.indices.null_count else None
    if indices is None:
        indices = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    used, inverse = np.unique(indices, return_inverse=True)
    known = used >= 0
    found = column.dictionary.take(pa.array(used[known])).cast(pa.large_binary()).to_pylist()
    strings = [None] * int(len(used) - len(found)) + [_decode(value) for value in found]
    return [strings[position] for position in inverse.tolist()]


def _decode(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "surrogateescape")


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=_json_leaf)


def _json_leaf(value: Any) -> str:
    return base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else str(value)


def _row_bytes(names: Sequence[str], cells: Sequence[str | None]) -> bytes:
    row = {name: cell for name, cell in zip(names, cells, strict=True) if cell is not None}
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogateescape")
