"""Records of CSV and TSV files, with the exact bytes of each, and recovery after broken quoting.

The grammar is RFC 4180 as Python's csv module reads it (strict): a quote opens only at the start of a cell,
is written twice inside one, and is followed by a delimiter or a line end when it closes; elsewhere it is an
ordinary character. \\n, \\r\\n and a lone \\r end a line; inside quotes they belong to the cell, as they are.
Lines of white space are skipped.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass

from medembed_pipeline.notes.byte_lines import LONG_LINE_KEPT_BYTES, LineBlocks, UnusableFileError
from medembed_pipeline.notes.columns import ColumnMap, NoTextColumnError, map_columns
from medembed_pipeline.notes.record_lines import LineFeed, RecordLimitError
from medembed_pipeline.notes.row_chunks import ChunkBuilder, OtherColumns, RowChunk


@dataclass(frozen=True)
class _Header:
    columns: ColumnMap
    delimiter: str


def read_delimited(
    blocks: LineBlocks,
    builder: ChunkBuilder,
    *,
    codec: str,
    delimiters: tuple[str, ...],
    text_column: str,
    label_column: str,
    maximum_row_bytes: int,
) -> Iterator[RowChunk]:
    """Read the records of a delimited file into `builder`, yielding its chunks as they fill up.

    Parameters
    ----------
    blocks
        physical lines, without a byte order mark.
    delimiters
        tried on the header; the first counts unless it finds one column and another finds more.

    Raises
    ------
    UnusableFileError
        the header cannot be used.
    """
    # The limit belongs to the process; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), maximum_row_bytes + 1))
    feed = LineFeed(blocks, codec, maximum_row_bytes)
    header = _read_header(feed, delimiters, text_column=text_column, label_column=label_column)
    columns, delimiter = header.columns, header.delimiter
    text, label, other, width = columns.text, columns.label, columns.other, columns.width
    layout = OtherColumns(columns.other_names)
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.begin_record()
        cells = feed.well_formed_cells(delimiter)
        if cells is None:
            try:
                cells = next(reader)
            except StopIteration:
                break
            except RecordLimitError:
                _reject_beyond_limit(feed, builder, delimiter, width, maximum_row_bytes)
            except csv.Error:
                if (
                    feed.damage is not None
                    and feed.ended
                    and not _first_line_is_at_fault(feed, delimiter, width)
                ):
                    feed.damage.tail = feed.record_bytes() + feed.damage.tail
                    break
                _reject_broken(feed, builder, delimiter, width)
        if cells is None or feed.is_blank(cells):
            pass
        elif len(cells) == width and not feed.nul and not feed.undecodable:
            row = builder.count_row()
            specialty = None if label is None else cells[label]
            others = [cells[position] for position in other]
            refusal = builder.keep(row, cells[text], specialty, layout, others, feed.taken)
            if refusal:
                builder.reject(row, *refusal, feed.record_bytes())
        else:
            _reject_unfit(feed, builder, delimiter, width, len(cells), codec)
        if builder.full:
            yield builder.finish()
    if feed.damage is not None:
        builder.reject_file(feed.damage.reason, feed.damage.detail, feed.damage.tail)
    elif not builder.row:
        builder.reject_file("empty_file", "a header and no rows")


def _read_header(
    feed: LineFeed, delimiters: tuple[str, ...], *, text_column: str, label_column: str
) -> _Header:
    best: tuple[list[str], str] | None = None
    head = b""
    while best is None:
        feed.begin_record()
        for delimiter in delimiters:
            feed.restart_record()
            try:
                names = next(csv.reader(feed, delimiter=delimiter, strict=True))
            except StopIteration:
                raise feed.damage or UnusableFileError("empty_file", "only blank lines") from None
            except RecordLimitError:
                reason = "broken_quoting" if feed.line_count else "too_long"
                raise UnusableFileError(reason, "in the header line", head) from None
            except csv.Error:
                continue
            if feed.is_blank(names):
                break
            head = head or feed.record_bytes()
            if feed.nul:
                raise UnusableFileError("nul_byte", "in the header line", head)
            if feed.undecodable:
                raise UnusableFileError("undecodable_bytes", "in the header line", head)
            if best is None or (len(best[0]) == 1 and len(names) > 1):
                best = (names, delimiter)
        else:
            if best is None:
                raise feed.damage or UnusableFileError("broken_quoting", "in the header line")
    feed.restart_record()
    next(csv.reader(feed, delimiter=best[1], strict=True))
    try:
        columns = map_columns(best[0], text_column=text_column, label_column=label_column)
    except NoTextColumnError as error:
        raise UnusableFileError("no_text_column", str(error), head) from None
    return _Header(columns, best[1])


def _first_line_is_at_fault(feed: LineFeed, delimiter: str, width: int) -> bool:
    """Whether a record of several lines is better read as one broken line and what follows it.

    A quote that is never closed takes in the rows below it; they read well on their own. The lines of a long
    cell do not. With the end of the file (or the limit) in place of a closing quote, one good row below
    decides; with a closing quote found, most of the rows must be good.
    """
    if feed.line_count < 2:
        return False
    right, wrong, seen_all = feed.resuming_helps(delimiter, width)
    if feed.ended:
        return right > 0 or not seen_all
    return right > wrong


def _reject_broken(feed: LineFeed, builder: ChunkBuilder, delimiter: str, width: int) -> None:
    detail = "a quote is not closed before the file ends" if feed.ended else "text follows a closing quote"
    if _first_line_is_at_fault(feed, delimiter, width):
        feed.keep_first_line_only()
        detail = "a quote opened on this line is not closed"
    builder.reject(builder.count_row(), "broken_quoting", detail, feed.record_bytes())


def _reject_unfit(
    feed: LineFeed, builder: ChunkBuilder, delimiter: str, width: int, found: int, codec: str
) -> None:
    if found != width and _first_line_is_at_fault(feed, delimiter, width):
        feed.keep_first_line_only()
        reason, detail = "broken_quoting", "a quote opened on this line is not closed"
    elif feed.nul:
        reason, detail = "nul_byte", f"at byte {feed.record_bytes().index(0)} of the row"
    elif feed.undecodable:
        reason, detail = "undecodable_bytes", undecodable_detail(feed.record_bytes(), codec)
    else:
        reason, detail = "wrong_column_count", f"expected {width} columns, found {found}"
    builder.reject(builder.count_row(), reason, detail, feed.record_bytes())


def _reject_beyond_limit(
    feed: LineFeed, builder: ChunkBuilder, delimiter: str, width: int, maximum_row_bytes: int
) -> None:
    row = builder.count_row()
    size = feed.take_long_line()
    if not size:
        right, _, _ = feed.resuming_helps(delimiter, width)
        if right or feed.line_count < 2:
            feed.keep_first_line_only()
            builder.reject(
                row, "broken_quoting", "a quote opened on this line is not closed", feed.record_bytes()
            )
            return
        size = len(feed.record_bytes())
    kept = feed.record_bytes()[:LONG_LINE_KEPT_BYTES]
    builder.reject(row, "too_long", too_long_detail(size, maximum_row_bytes, len(kept)), kept)


def too_long_detail(size: int, maximum_row_bytes: int, kept: int) -> str:
    return f"at least {size} bytes, the maximum is {maximum_row_bytes}; the first {kept} are kept here"


def undecodable_detail(row_bytes: bytes, codec: str) -> str:
    """Where the first byte is that `codec` cannot read."""
    try:
        row_bytes.decode(codec)
    except UnicodeDecodeError as error:
        return f"at byte {error.start} of the row"
    return "in the row"
