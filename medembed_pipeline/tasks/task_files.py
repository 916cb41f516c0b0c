"""Files of a person's own task, read as landing files are, but strictly: the first bad row ends the reading.

A task that lacks a row measures something else, so nothing is skipped here. Errors name the task, the file, the
row and an id, and never show what a row says.
"""

from __future__ import annotations

import codecs
import csv
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.notes.byte_lines import (
    BoundedSource,
    LineBlocks,
    UnusableFileError,
    line_blocks,
    open_bytes,
)
from medembed_pipeline.notes.landing_files import LandingFile, landing_file_opener
from medembed_pipeline.notes.record_lines import LineFeed, RecordLimitError
from medembed_pipeline.notes.text_encoding import detect_encoding
from medembed_pipeline.tasks.kinds import TaskError

TASKS_FOLDER: Final = "tasks"
MAXIMUM_FILE_BYTES: Final = 10**9
MAXIMUM_ROW_BYTES: Final = 16 * 1024**2

_DELIMITERS: Final = {".csv": (",", ";", "\t", "|"), ".tsv": ("\t",)}
_ID_CHARACTERS_SHOWN: Final = 40
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_BROKEN_QUOTING = (
    "its quoting is broken: a quote is not closed, or text follows a closing quote. "
    "Put a cell that holds a quote in quotes, and write the quote within it twice"
)


@dataclass(frozen=True)
class TaskFile:
    """One file of a task: `name` is its path within the folder of the task, with `/`."""

    lake: Lake
    task: str
    name: str

    def error(self, problem: str, *, row: int | None = None, row_id: str | None = None) -> TaskError:
        """The error that says where `problem` is. Rows count from 1, the first after the header."""
        place = f"{TASKS_FOLDER}/{self.task}/{self.name}"
        if row is not None:
            place += f", row {row}"
        if row_id is not None:
            place += f", id {shown_id(row_id)}"
        return TaskError(f"task {self.task}: {place}: {problem}.")

    def text(self, value: str, what: str, *, row: int, row_id: str | None = None) -> str:
        """`value`, a text of the task.

        Raises:
            TaskError: it is empty or only white space.
        """
        if not value.strip():
            raise self.error(f"{what} is empty; give it a text or remove the row", row=row, row_id=row_id)
        return value

    def number(self, cell: str, what: str, *, row: int) -> float:
        """The number that a cell holds.

        Raises:
            TaskError: it is not a finite number.
        """
        value = float(cell) if _NUMBER.fullmatch(cell.strip()) else math.nan
        if not math.isfinite(value):
            raise self.error(
                f"{what} is not a finite number; expected one such as 0.8, with a point", row=row
            )
        return value

    def json_rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Number and object of each line of a JSON Lines file; blank lines are skipped.

        Raises:
            TaskError: the file or a line of it cannot be used.
        """
        row = 0
        with self._lines() as (blocks, codec):
            for block in blocks:
                for position, line in enumerate(block.lines):
                    if line.isspace():
                        continue
                    row += 1
                    if position in block.long_lines:
                        raise self.error(_too_long(), row=row)
                    yield row, self._json_object(line, codec, row)
            self._check_whole(blocks)

    def cell_rows(self, columns: Sequence[Sequence[str]]) -> Iterator[tuple[int, list[str]]]:
        """Number and wanted cells of each row of a CSV or TSV file with a header; blank lines are skipped.

        Args:
            columns: for each wanted column its accepted names, the preferred one first. Names are compared
                trimmed, without regard to case, a space or hyphen counting as an underscore.

        Raises:
            TaskError: the file or a row of it cannot be used.
        """
        # The limit belongs to the process; it is only ever raised.
        csv.field_size_limit(max(csv.field_size_limit(), MAXIMUM_ROW_BYTES + 1))
        row = 0
        with self._lines() as (blocks, codec):
            feed = LineFeed(blocks, codec, MAXIMUM_ROW_BYTES)
            delimiter, width, positions = self._header(feed, columns)
            while True:
                feed.begin_record()
                cells = self._next_cells(feed, delimiter, row + 1)
                if cells is None:
                    break
                if feed.is_blank(cells):
                    continue
                row += 1
                self._check_characters(feed, row)
                if len(cells) != width:
                    found = f"it has {len(cells)} cells, the header {width}"
                    raise self.error(f"{found}; put a cell that holds the delimiter in quotes", row=row)
                yield row, [cells[position] for position in positions]
            self._check_whole(blocks)

    # Parts

    @contextmanager
    def _lines(self) -> Iterator[tuple[LineBlocks, str]]:
        """The physical lines after a byte order mark, and the codec to decode them with."""
        opener = self._opener()
        try:
            with open_bytes(opener) as stream:
                source = BoundedSource(stream, gzip=False, maximum_bytes=MAXIMUM_FILE_BYTES)
                encoding = detect_encoding(source, maximum_line_bytes=MAXIMUM_ROW_BYTES)
            with open_bytes(opener) as stream:
                source = BoundedSource(stream, gzip=False, maximum_bytes=MAXIMUM_FILE_BYTES)
                mark = len(codecs.BOM_UTF8) if encoding.has_mark else 0
                while mark and (data := source.read(mark)):
                    mark -= len(data)
                yield LineBlocks(line_blocks(source, maximum_line_bytes=MAXIMUM_ROW_BYTES)), encoding.codec
        except UnusableFileError as error:
            raise self._unusable(error) from None

    def _opener(self) -> Callable[[], BinaryIO]:
        path = self.lake.path(TASKS_FOLDER, self.task, *self.name.split("/"))
        if self.lake.is_local:
            # Links on the way to the lake are its owner's; below it none is followed.
            path = str(Path(self.lake.root).resolve().joinpath(TASKS_FOLDER, self.task, self.name))
        file = LandingFile(path, self.name, size=0, modified_ns=0)
        try:
            size = int(self.lake.filesystem.size(path) or 0)
        except OSError:
            size = 0  # opening it says what is wrong
        if size > MAXIMUM_FILE_BYTES:
            raise self.error(
                f"it has {size:,} bytes; at most {MAXIMUM_FILE_BYTES:,} are read. Make the task smaller"
            )
        return landing_file_opener(self.lake.filesystem, file)

    def _unusable(self, error: UnusableFileError) -> TaskError:
        if error.reason == "empty_file":
            return self.error("it is empty; fill it or remove it")
        if error.reason == "unreadable_file":
            hint = "it has to be a regular file, no link, that this user may read"
            return self.error(f"{error.detail}; {hint}")
        return self.error(f"{error.detail}; expected a text file in UTF-8 or Windows-1252")

    def _check_whole(self, blocks: LineBlocks) -> None:
        if blocks.damage is not None:
            raise self._unusable(blocks.damage)

    def _json_object(self, line: bytes, codec: str, row: int) -> dict[str, Any]:
        try:
            record = json.loads(line.decode(codec))
        except UnicodeDecodeError:
            raise self.error(_undecodable(), row=row) from None
        except json.JSONDecodeError as error:
            problem = f"not JSON from character {error.pos} of the line on; expected one object a line"
            raise self.error(problem, row=row) from None
        except (ValueError, RecursionError):
            problem = "not readable JSON: a number with too many digits, or nested too deep"
            raise self.error(problem, row=row) from None
        if not isinstance(record, dict):
            raise self.error("not a JSON object; expected one object a line, in braces", row=row)
        return record

    def _header(self, feed: LineFeed, columns: Sequence[Sequence[str]]) -> tuple[str, int, list[int]]:
        """Delimiter, number of columns, and position of each wanted column."""
        best: tuple[int, list[int | None]] | None = None
        broken: TaskError | None = None
        feed.begin_record()
        for delimiter in _DELIMITERS[self.name[-4:]]:
            try:
                cells = self._first_cells(feed, delimiter)
            except TaskError as error:
                broken = broken or error
                continue
            found = self._positions(cells, columns)
            if None not in found:
                return delimiter, len(cells), [position for position in found if position is not None]
            if best is None or found.count(None) < best[1].count(None):
                best = (len(cells), found)
        if best is None:
            raise broken or self.error("it is empty; expected a header and rows")
        named = zip(columns, best[1], strict=True)
        missing = [" or ".join(accepted) for accepted, position in named if position is None]
        raise self.error(
            f"its first line, the header, has {best[0]} columns, and none is called {', none '.join(missing)}; "
            f"expected the columns {', '.join(accepted[0] for accepted in columns)}"
        )

    def _first_cells(self, feed: LineFeed, delimiter: str) -> list[str]:
        feed.restart_record()
        while (cells := self._next_cells(feed, delimiter, None)) is not None and feed.is_blank(cells):
            feed.begin_record()
        if cells is None:
            raise self.error("it is empty; expected a header and rows")
        self._check_characters(feed, None)
        return cells

    def _positions(self, cells: list[str], columns: Sequence[Sequence[str]]) -> list[int | None]:
        names = [_normalised(cell) for cell in cells]
        found: list[int | None] = []
        for accepted in columns:
            present = [name for name in map(_normalised, accepted) if name in names]
            if present and names.count(present[0]) > 1:
                raise self.error(f"two columns are called {present[0]}; rename or remove one")
            found.append(names.index(present[0]) if present else None)
        return found

    def _next_cells(self, feed: LineFeed, delimiter: str, row: int | None) -> list[str] | None:
        """The cells of the next record; None at the end. `row` None stands for the header."""
        cells = feed.well_formed_cells(delimiter)
        if cells is not None:
            return cells
        where = "" if row is not None else "in the header "
        try:
            return next(csv.reader(feed, delimiter=delimiter, strict=True), None)
        except RecordLimitError:
            raise self.error(f"{where}{_too_long()}, or a quote is not closed", row=row) from None
        except csv.Error:
            if feed.damage is not None:
                raise self._unusable(feed.damage) from None
            raise self.error(f"{where}{_BROKEN_QUOTING}", row=row) from None

    def _check_characters(self, feed: LineFeed, row: int | None) -> None:
        where = "" if row is not None else "in the header "
        if feed.nul:
            raise self.error(f"{where}it holds a NUL character; save it as plain text", row=row)
        if feed.undecodable:
            raise self.error(f"{where}{_undecodable()}", row=row)


def shown_id(row_id: str) -> str:
    """An id for a message: short, without control characters; one with spaces might be a text and is not shown."""
    if len(row_id.split()) != 1:
        return f"of {len(row_id)} characters"
    printable = "".join(character for character in row_id if character.isprintable())
    short = printable[:_ID_CHARACTERS_SHOWN]
    return f'"{short}"' if short == printable else f'"{short}..."'


def _normalised(name: str) -> str:
    return re.sub(r"[\s\-]+", "_", name.strip().casefold())


def _too_long() -> str:
    return f"it has more than {MAXIMUM_ROW_BYTES:,} bytes"


def _undecodable() -> str:
    return "it holds bytes that the encoding of the file does not define; save the file as UTF-8"
