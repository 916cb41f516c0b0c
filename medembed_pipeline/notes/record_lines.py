"""The lines of a delimited file, handed to csv.reader so that a record can be read anew."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Final

from medembed_pipeline.notes.byte_lines import LineBlocks, UnusableFileError

_SAMPLED_RECORDS: Final = 64
_SAMPLED_BYTES: Final = 4 * 1024**2
_FREE_REREAD_BYTES: Final = 64 * 1024**2


class RecordLimitError(Exception):
    """The record that is being read takes in more lines than it may."""


class LineFeed:
    """Hands physical lines to csv.reader and knows which ones each record took, to read them anew."""

    def __init__(self, blocks: LineBlocks, codec: str, maximum_record_bytes: int) -> None:
        self._blocks = blocks
        self._codec = codec
        self._maximum = maximum_record_bytes
        self._lines: list[bytes] = []
        self._long: dict[int, int] = {}
        self._next = 0
        self._start = 0
        self._limit = maximum_record_bytes
        self.taken = 0
        # Reading lines again after a broken record is paid from a budget that grows with the file, so that no
        # file can make the reader take time quadratic in its size.
        self._budget = _FREE_REREAD_BYTES
        self.ended = False
        self.nul = False
        self.undecodable = False

    def __iter__(self) -> LineFeed:
        return self

    def __next__(self) -> str:
        if self._next >= len(self._lines) and not self._refill():
            self.ended = True
            raise StopIteration
        position = self._next
        line = self._lines[position]
        self.taken += len(line)
        # The first line of a record may be as long as any line; further ones only within the limit.
        if (self.taken > self._limit and position > self._start) or (self._long and position in self._long):
            raise RecordLimitError
        self._next = position + 1
        if b"\0" in line:
            self.nul = True
            line = line.replace(b"\0", b"?")
        try:
            return line.decode(self._codec)
        except UnicodeDecodeError:
            self.undecodable = True
            return line.decode("latin-1")

    def well_formed_cells(self, delimiter: str) -> list[str] | None:
        """Take the next record and split it by string operations, several times faster than csv.reader.

        Gives what csv.reader would, or None, with nothing taken, for a record that needs a closer look: one
        with quotes in odd places, NUL or undecodable bytes, over a limit, or none left.
        """
        if self._next >= len(self._lines) and not self._refill():
            return None
        line = self._lines[self._next]
        if self._long and self._next in self._long:
            return None
        self._next += 1
        self.taken = len(line)
        if line.count(b'"') % 2:
            joined = self._lines_to_even_quotes()
            if joined is None:
                self.restart_record()
                return None
            line = joined
        cells = None
        if b"\0" not in line:
            try:
                cells = split_well_formed(line.decode(self._codec).rstrip("\r\n"), delimiter)
            except UnicodeDecodeError:
                cells = None
        if cells is None:
            self.restart_record()
        return cells

    def _lines_to_even_quotes(self) -> bytes | None:
        odd = True
        while odd:
            if self._next >= len(self._lines) and not self._refill():
                break
            line = self._lines[self._next]
            self.taken += len(line)
            if self.taken > self._limit or (self._long and self._next in self._long):
                break
            self._next += 1
            odd = line.count(b'"') % 2 == 0
        if odd:
            self._budget -= self.taken
            return None
        return self.record_bytes()

    def _refill(self) -> bool:
        block = next(self._blocks, None)
        if block is None:
            return False
        del self._lines[: self._start]
        self._next -= self._start
        self._long = {
            position - self._start: size for position, size in self._long.items() if position >= self._start
        }
        self._start = 0
        self._long.update({position + len(self._lines): size for position, size in block.long_lines.items()})
        self._lines.extend(block.lines)
        self._budget += sum(map(len, block.lines))
        return True

    def begin_record(self) -> None:
        self._start = self._next
        self.taken = 0
        self._limit = min(self._maximum, max(self._budget, 0))
        self.ended = self.nul = self.undecodable = False

    @property
    def damage(self) -> UnusableFileError | None:
        """Why the lines ended before the file did."""
        return self._blocks.damage

    @property
    def line_count(self) -> int:
        """Lines that the current record took so far."""
        return self._next - self._start

    def record_bytes(self) -> bytes:
        if self._next - self._start == 1:
            return self._lines[self._start]
        return b"".join(self._lines[self._start : self._next])

    def take_long_line(self) -> int:
        """Take the record's first line and return its full length where that is over the maximum; else 0."""
        size = self._long.get(self._start, 0)
        if size:
            self._next = self._start + 1
        return size

    def keep_first_line_only(self) -> None:
        """End the record after its first line; what follows is read again."""
        self._budget -= self.taken
        self._next = self._start + 1

    def restart_record(self) -> None:
        self._next = self._start
        self.taken = 0

    def is_blank(self, cells: list[str]) -> bool:
        return len(cells) < 2 and self.line_count == 1 and self._lines[self._start].isspace()

    def resuming_helps(self, delimiter: str, width: int) -> tuple[int, int, bool]:
        """How the lines after the record's first would read as records of their own.

        Returns how many have `width` cells, how many have not, and whether all of them were looked at.
        """
        spent = 0
        record: list[str] = []

        def lines_from(first: int) -> Iterator[str]:
            nonlocal spent
            for position in range(first, self._next):
                line = self._lines[position]
                spent += len(line)
                if spent > _SAMPLED_BYTES:
                    return
                record.append(line.replace(b"\0", b"?").decode("latin-1"))
                yield record[-1]

        right = wrong = 0
        position = self._start + 1
        while position < self._next and right + wrong < _SAMPLED_RECORDS and spent <= _SAMPLED_BYTES:
            record.clear()
            cells: list[str] = []
            try:
                cells = next(csv.reader(lines_from(position), delimiter=delimiter, strict=True), [])
            except csv.Error:
                wrong += 1
                position += 1
                continue
            # A quote astray in a row is the end of a cell that began above it.
            neat = split_well_formed("".join(record).rstrip("\r\n"), delimiter) is not None
            if len(cells) == width and neat:
                right += 1
            elif len(cells) > 1 or (cells and not cells[0].isspace()):
                wrong += 1
            position += len(record) or 1
        self._budget -= spent
        return right, wrong, position >= self._next


def split_well_formed(record: str, delimiter: str) -> list[str] | None:
    """The cells of a record without its line end; None where a quote does anything but begin, end or escape.

    With quotes only in those places, every second piece between quotes is inside a quoted cell, and the
    pieces between begin and end with the delimiter, or are empty: an escaped quote.
    """
    if '"' not in record:
        return record.split(delimiter)
    pieces = record.split('"')
    last = len(pieces) - 1
    if last % 2:
        return None
    before = pieces[0]
    if before and not before.endswith(delimiter):
        return None
    cells = before[:-1].split(delimiter) if before else []
    quoted = [pieces[1]]
    for position in range(2, last + 1, 2):
        outside = pieces[position]
        if position == last:
            cells.append('"'.join(quoted))
            if not outside:
                return cells
            return cells + outside[1:].split(delimiter) if outside.startswith(delimiter) else None
        if not outside:
            quoted.append(pieces[position + 1])
            continue
        if not (outside.startswith(delimiter) and outside.endswith(delimiter)):
            return None
        cells.append('"'.join(quoted))
        if len(outside) > 1:
            cells.extend(outside[1:-1].split(delimiter))
        quoted = [pieces[position + 1]]
    return None
