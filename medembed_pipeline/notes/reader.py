"""The landing reader: files in as people drop them, rows out, kept or rejected, nothing lost or raised.

One entry point for one file, `read_landing_file`, and one for a listing, `read_landing`.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.notes.byte_lines import (
    BoundedSource,
    LineBlocks,
    UnusableFileError,
    line_blocks,
    open_bytes,
)
from medembed_pipeline.notes.delimited import read_delimited
from medembed_pipeline.notes.json_lines import read_json_lines
from medembed_pipeline.notes.landing_files import FileFormat, LandingFile, file_format, landing_file_opener
from medembed_pipeline.notes.parquet_rows import read_parquet_rows
from medembed_pipeline.notes.row_chunks import ChunkBuilder, RowChunk
from medembed_pipeline.notes.text_encoding import TextEncoding, detect_encoding

if TYPE_CHECKING:
    import fsspec

Opener = Callable[[], BinaryIO]


class ReaderOptionError(MedembedError):
    """An option of the reader is out of its range."""


@dataclass(frozen=True)
class ReaderOptions:
    """How landing files are read.

    Attributes
    ----------
    text_column
        the column that holds the text; "" finds it by the accepted names.
    label_column
        the column that holds the label; "" finds it by the accepted names, and a file without it has no labels.
    label_separator
        what stands between the labels of one cell; the cell is kept as it is, cleaning splits it.
    minimum_characters
        rows with fewer, white space at both ends apart, are rejected `too_short`.
    maximum_row_bytes
        longer rows are rejected `too_long`.
    maximum_file_bytes
        of content, after decompression; a longer file is cut there.
    chunk_rows
        rows per chunk at most; chunks of long rows are smaller.
    """

    text_column: str = ""
    label_column: str = ""
    label_separator: str = ""
    minimum_characters: int = 20
    maximum_row_bytes: int = 16 * 1024**2
    maximum_file_bytes: int = 8 * 1024**3
    chunk_rows: int = 2_000

    def __post_init__(self) -> None:
        ranges = {
            "minimum_characters": (0, 10**6),
            "maximum_row_bytes": (1, 256 * 1024**2),
            "maximum_file_bytes": (1, 2**50),
            "chunk_rows": (1, 10**6),
        }
        for name, (lowest, highest) in ranges.items():
            value = getattr(self, name)
            if not lowest <= value <= highest:
                raise ReaderOptionError(f"{name} is {value}; it must be from {lowest} to {highest}")


def read_landing_file(opener: Opener, source_file: str, options: ReaderOptions) -> Iterator[RowChunk]:
    """Read one file in chunks; a file that cannot be used is one rejected row, never an exception.

    Parameters
    ----------
    opener
        opens the file anew for reading bytes, seekable for Parquet; text files are opened twice, once to find the
        encoding.
    source_file
        the name under which the rows are recorded; its ending decides the format.

    Yields
    ------
    RowChunk
        At least one RowChunk; rows in file order. `source_row` counts the records from 1 (the first after the
        header); trouble with the file as a whole is row 0 where nothing was read before it, else the number after the
        last record.
    """
    landed = file_format(source_file)
    builder = ChunkBuilder(
        source_file, minimum_characters=options.minimum_characters, chunk_rows=options.chunk_rows
    )
    try:
        if landed is None:
            raise UnusableFileError("unsupported_file", "the name is not of a format that is read")
        if landed.kind == "parquet":
            yield from _read_parquet(opener, builder, options)
        else:
            yield from _read_text(opener, landed, builder, options)
    except UnusableFileError as error:
        builder.reject_file(error.reason, error.detail, error.tail)
    yield builder.finish()


def read_landing(
    filesystem: fsspec.AbstractFileSystem, files: Sequence[LandingFile], options: ReaderOptions
) -> Iterator[RowChunk]:
    """Read `files` (see `list_landing_files`) in turn; one that was flagged there is not opened."""
    for file in files:
        if file.rejection:
            yield rejected_file_chunk(file)
        else:
            yield from read_landing_file(landing_file_opener(filesystem, file), file.source_file, options)


def rejected_file_chunk(file: LandingFile) -> RowChunk:
    """The one rejected row of a file that was flagged in the listing."""
    builder = ChunkBuilder(file.source_file, minimum_characters=0, chunk_rows=1)
    builder.reject_file(file.rejection, file.detail)
    return builder.finish()


def _read_parquet(opener: Opener, builder: ChunkBuilder, options: ReaderOptions) -> Iterator[RowChunk]:
    builder.encoding = "utf-8"
    with closing(open_bytes(opener)) as stream:
        yield from read_parquet_rows(
            stream,
            builder,
            text_column=options.text_column,
            label_column=options.label_column,
            maximum_row_bytes=options.maximum_row_bytes,
            maximum_file_bytes=options.maximum_file_bytes,
        )


def _read_text(
    opener: Opener, landed: FileFormat, builder: ChunkBuilder, options: ReaderOptions
) -> Iterator[RowChunk]:
    with closing(open_bytes(opener)) as stream:
        source = BoundedSource(stream, gzip=landed.gzip, maximum_bytes=options.maximum_file_bytes)
        encoding = detect_encoding(source, maximum_line_bytes=options.maximum_row_bytes)
    builder.encoding = encoding.name
    with closing(open_bytes(opener)) as stream:
        source = BoundedSource(stream, gzip=landed.gzip, maximum_bytes=options.maximum_file_bytes)
        blocks = _lines_after_mark(source, encoding, options)
        if landed.kind == "delimited":
            yield from read_delimited(
                blocks,
                builder,
                codec=encoding.codec,
                delimiters=landed.delimiters,
                text_column=options.text_column,
                label_column=options.label_column,
                maximum_row_bytes=options.maximum_row_bytes,
            )
        else:
            yield from read_json_lines(
                blocks,
                builder,
                codec=encoding.codec,
                text_column=options.text_column,
                label_column=options.label_column,
                maximum_row_bytes=options.maximum_row_bytes,
            )


def _lines_after_mark(source: BoundedSource, encoding: TextEncoding, options: ReaderOptions) -> LineBlocks:
    if encoding.has_mark:
        mark = len(codecs.BOM_UTF8)
        while mark and (data := source.read(mark)):
            mark -= len(data)
    return LineBlocks(line_blocks(source, maximum_line_bytes=options.maximum_row_bytes))
