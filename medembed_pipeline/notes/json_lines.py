"""Rows of JSON Lines files: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Final

from medembed_pipeline.notes.byte_lines import LineBlock, LineBlocks, UnusableFileError
from medembed_pipeline.notes.columns import NoTextColumnError, map_columns, unique_names
from medembed_pipeline.notes.delimited import too_long_detail, undecodable_detail
from medembed_pipeline.notes.row_chunks import LABEL_LIST_SEPARATOR, ChunkBuilder, OtherColumns, RowChunk

_SAMPLED_LINES: Final = 256
_LAYOUTS_REMEMBERED: Final = 1000


class _Fields:
    """Which key holds the text and which the label, and the layouts of the other keys seen so far."""

    def __init__(self, keys: Sequence[str], *, text_column: str, label_column: str) -> None:
        columns = map_columns(keys, text_column=text_column, label_column=label_column)
        self.text = keys[columns.text]
        self.label = None if columns.label is None else keys[columns.label]
        self._layouts: dict[tuple[str, ...], OtherColumns] = {}

    def layout(self, keys: tuple[str, ...]) -> OtherColumns:
        layout = self._layouts.get(keys)
        if layout is None:
            if len(self._layouts) >= _LAYOUTS_REMEMBERED:  # where each row has keys of its own
                self._layouts.clear()
            layout = self._layouts[keys] = OtherColumns(unique_names(keys, range(len(keys))))
        return layout


class _JsonReader:
    def __init__(self, builder: ChunkBuilder, *, codec: str, text_column: str, label_column: str) -> None:
        self._builder = builder
        self._codec = codec
        self._text_column = text_column
        self._label_column = label_column
        self._fields: _Fields | None = None

    def find_fields(self, lines: Sequence[bytes]) -> None:
        keys: dict[str, None] = {}
        for line in lines:
            try:
                record = json.loads(line.decode(self._codec))
            except (ValueError, RecursionError):
                continue
            if isinstance(record, dict):
                keys.update(dict.fromkeys(record))
        if keys:
            self._set_fields(list(keys))

    def _set_fields(self, keys: Sequence[str]) -> _Fields:
        self._fields = _Fields(keys, text_column=self._text_column, label_column=self._label_column)
        return self._fields

    def read(self, line: bytes) -> None:
        row = self._builder.count_row()
        reject = self._builder.reject
        if b"\0" in line:
            reject(row, "nul_byte", f"at byte {line.index(0)} of the row", line)
            return
        try:
            record = json.loads(line.decode(self._codec))
        except UnicodeDecodeError:
            reject(row, "undecodable_bytes", undecodable_detail(line, self._codec), line)
        except json.JSONDecodeError as error:
            reject(row, "invalid_json", f"at character {error.pos} of the line", line)
        except (ValueError, RecursionError):
            reject(row, "invalid_json", "a number with too many digits, or nested too deep", line)
        else:
            if isinstance(record, dict):
                self._read_object(row, record, line)
            else:
                reject(row, "not_an_object", f"the line is {_type_name(record)}", line)

    def _read_object(self, row: int, record: dict[str, Any], line: bytes) -> None:
        builder = self._builder
        try:
            fields = self._fields or self._set_fields(list(record))
        except NoTextColumnError:
            builder.reject(row, "no_text", "no field of the object holds the text", line)
            return
        text = record.get(fields.text)
        if not isinstance(text, str):
            detail = "the text field is missing" if text is None else f"the text field is {_type_name(text)}"
            builder.reject(row, "no_text", detail, line)
            return
        try:
            label = None if fields.label is None else label_as_string(record.get(fields.label))
            others = {key: value for key, value in record.items() if key not in (fields.text, fields.label)}
            layout = fields.layout(tuple(others))
            values = [_as_string(value) for value in others.values()]
            "".join(others).encode()
        except RecursionError:
            builder.reject(row, "invalid_json", "nested too deep", line)
            return
        except UnicodeEncodeError:
            builder.reject(row, "undecodable_bytes", "a key holds half of a surrogate pair", line)
            return
        if b"\\u0000" in line and any("\0" in cell for cell in (text, label, *values, *others) if cell):
            builder.reject(row, "nul_byte", "written as \\u0000", line)
            return
        refusal = builder.keep(row, text, label, layout, values, len(line))
        if refusal:
            builder.reject(row, *refusal, line)


def read_json_lines(
    blocks: LineBlocks,
    builder: ChunkBuilder,
    *,
    codec: str,
    text_column: str,
    label_column: str,
    maximum_row_bytes: int,
) -> Iterator[RowChunk]:
    """Read the objects of a JSON Lines file into `builder`, yielding its chunks as they fill up.

    The keys of the first lines together decide which one holds the text and which the label; an object
    without that text key has no text. A list of labels is joined with LABEL_LIST_SEPARATOR. Other values
    become strings: numbers, true and false as JSON writes them, nested values as JSON with sorted keys, null
    as null. Blank lines are skipped.

    Raises
    ------
    UnusableFileError
        the first lines hold objects, and none has a text key (`no_text_column`).
    """
    reader = _JsonReader(builder, codec=codec, text_column=text_column, label_column=label_column)
    first = next(blocks, LineBlock(b""))
    try:
        reader.find_fields(first.lines[:_SAMPLED_LINES])
    except NoTextColumnError as error:
        raise UnusableFileError("no_text_column", str(error), first.lines[0]) from None
    for block in chain([first], blocks):
        for position, line in enumerate(block.lines):
            if position in block.long_lines:
                detail = too_long_detail(block.long_lines[position], maximum_row_bytes, len(line))
                builder.reject(builder.count_row(), "too_long", detail, line)
            elif not line.isspace():
                reader.read(line)
            if builder.full:
                yield builder.finish()
    if blocks.damage is not None:
        builder.reject_file(blocks.damage.reason, blocks.damage.detail, blocks.damage.tail)
    elif not builder.row:
        builder.reject_file("empty_file", "only blank lines")


def label_as_string(value: Any) -> str | None:
    """A label cell as one string: a list joined with LABEL_LIST_SEPARATOR, without empty entries."""
    if isinstance(value, list):
        parts = [part for part in map(_as_string, value) if part and part.strip()]
        return LABEL_LIST_SEPARATOR.join(parts) or None
    return _as_string(value)


def _as_string(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _type_name(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    names: dict[type, str] = {dict: "an object", list: "an array", str: "a string", type(None): "null"}
    return names.get(type(value), "a number")
