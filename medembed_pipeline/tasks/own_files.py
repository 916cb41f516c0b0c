"""Files of a person's own tasks as rows: whatever is wrong with one is said with file, row and id, never with text.

Row 1 is the first line of a file, its header where it has one: rows are counted as a spreadsheet or an editor does.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medembed_pipeline.notes.byte_lines import UnusableFileError
from medembed_pipeline.notes.text_encoding import detect_encoding
from medembed_pipeline.tasks.errors import TaskError

LARGEST_FILE_BYTES = 256 * 1024**2
_LARGEST_CELL = 16 * 1024**2
_SHOWN_ID = 64
_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class OwnFile:
    """A file's path as errors name it, and its bytes."""

    path: str
    content: bytes


def shown_id(value: str) -> str:
    """An id as an error shows it; what is long or has spaces is a text that stands in the wrong place."""
    plain = len(value) <= _SHOWN_ID and value.isprintable() and not any(mark.isspace() for mark in value)
    return f"id '{value}'" if plain else f"an id of {len(value)} characters, which look like text"


def text_of(file: OwnFile) -> str:
    """The file's text, in UTF-8 (with or without a byte order mark), else Windows-1252, as landing files are read.

    Raises
    ------
    TaskError
        it is empty, of another format or encoding, or holds bytes that are not of its encoding.
    """
    try:
        encoding = detect_encoding(io.BytesIO(file.content), maximum_line_bytes=LARGEST_FILE_BYTES)
    except UnusableFileError as error:
        raise TaskError(f"{file.path}: {error.detail}; expected a text file in UTF-8.") from None
    content = file.content[3:] if encoding.has_mark else file.content
    try:
        text = content.decode(encoding.codec)
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise TaskError(
            f"{file.path}, row {row}: bytes that are not {encoding.name}; save it as UTF-8."
        ) from None
    if "\0" in text:
        row = text.count("\n", 0, text.index("\0")) + 1
        raise TaskError(f"{file.path}, row {row}: a NUL character; expected text in UTF-8.")
    return text


def json_objects(file: OwnFile, *, rows_at_most: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Row number and object of each line of a JSON Lines file; blank lines are skipped.

    Raises
    ------
    TaskError
        a line is no JSON object, or there are too many.
    """
    found = 0
    for row, line in enumerate(text_of(file).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise TaskError(
                f"{file.path}, row {row}: no valid JSON from character {error.pos + 1}; expected an object a line."
            ) from None
        except (ValueError, RecursionError):
            raise TaskError(
                f"{file.path}, row {row}: JSON that is nested too deep or has too long a number."
            ) from None
        if not isinstance(value, dict):
            raise TaskError(f"{file.path}, row {row}: JSON that is no object; expected one object a line.")
        found += 1
        _refuse_too_many(file, found, rows_at_most)
        yield row, value


def delimited_rows(
    file: OwnFile,
    columns: Mapping[str, Sequence[str]],
    *,
    rows_at_most: int,
    delimiters: Sequence[str] = _DELIMITERS,
    quoted: bool = True,
) -> Iterator[tuple[int, dict[str, str]]]:
    """Row number and wanted cells of each record of a delimited file with a header; blank rows are skipped.

    Parameters
    ----------
    file
        what is read.
    columns
        wanted column -> its accepted names, in lower case with `_` for spaces and hyphens.
    rows_at_most
        more are refused.
    delimiters
        the one that makes the header whole counts.
    quoted
        whether a cell may stand in quotes.

    Raises
    ------
    TaskError
        a column is missing or there twice, a record has another number of cells than the header, a quote does not
        close, or there are too many rows.
    """
    csv.field_size_limit(max(csv.field_size_limit(), _LARGEST_CELL))
    text = text_of(file)
    header = text.split("\n", 1)[0].rstrip("\r")
    places: dict[str, int] = {}
    width, delimiter = 0, delimiters[0]
    for candidate in delimiters:
        names = [
            cell.strip().strip('"').casefold().replace(" ", "_").replace("-", "_")
            for cell in header.split(candidate)
        ]
        found = _columns(names, columns)
        if len(found) > len(places):
            places, width, delimiter = found, len(names), candidate
    if len(places) < len(columns):
        missing = [name for name in columns if name not in places]
        raise TaskError(
            f"{file.path}, row 1: no column {' and no column '.join(missing)}, or one of them twice; expected a header "
            f"with {', '.join(columns)} (or a usual name for each, see docs/tasks.md)."
        )
    found_rows = 0
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        strict=True,
    )
    row = 0
    while True:
        row = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error:
            raise TaskError(
                f"{file.path}, row {row}: a quote that does not close, or stands where none may; expected quotes "
                "inside a cell to be written twice."
            ) from None
        if cells is None:
            return
        if row == 1 or not any(cell.strip() for cell in cells):
            continue
        if len(cells) != width:
            raise TaskError(
                f"{file.path}, row {row}: {len(cells)} cells; the header has {width}. A text that holds the separator "
                "must stand in quotes."
            )
        found_rows += 1
        _refuse_too_many(file, found_rows, rows_at_most)
        yield row, {name: cells[place] for name, place in places.items()}


def number(file: OwnFile, row: int, value: str) -> float:
    """A score.

    Raises
    ------
    TaskError
        it is no finite number.
    """
    try:
        found = float(value)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise TaskError(f"{file.path}, row {row}: the score is no finite number; expected one such as 3.5.")
    return found


def _columns(names: Sequence[str], columns: Mapping[str, Sequence[str]]) -> dict[str, int]:
    places: dict[str, int] = {}
    for column, accepted in columns.items():
        here = [place for place, name in enumerate(names) if name in accepted]
        if len(here) == 1:
            places[column] = here[0]
    return places


def _refuse_too_many(file: OwnFile, found: int, most: int) -> None:
    if found > most:
        raise TaskError(
            f"{file.path}: more than {most:,} rows; give a sample, or raise [tasks] own_rows_at_most."
        )
