"""Which encoding a landed text file is in, from one pass over its lines."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from itertools import chain
from typing import Final, Literal

from medembed_pipeline.notes.byte_lines import (
    ByteSource,
    UnusableFileError,
    line_blocks,
    refuse_other_formats,
)

EncodingName = Literal["utf-8", "utf-8-bom", "windows-1252"]

_CODECS: Final[dict[EncodingName, str]] = {"utf-8": "utf-8", "utf-8-bom": "utf-8", "windows-1252": "cp1252"}
_OTHER_BYTE_ORDER_MARKS: Final = {
    codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16 LE, whose mark it begins with
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_HEADER_BYTES_LOOKED_AT = 1024
_NUL_SHARE_OF_WIDE_TEXT = 0.2


@dataclass(frozen=True)
class TextEncoding:
    """`name` as it is recorded per row, and `codec`, Python's name for decoding the bytes after the mark."""

    name: EncodingName
    has_mark: bool

    @property
    def codec(self) -> str:
        return _CODECS[self.name]


def detect_encoding(source: ByteSource, *, maximum_line_bytes: int) -> TextEncoding:
    """Read `source` to its end and say what it is.

    Valid UTF-8 is UTF-8. Otherwise it is UTF-8 with invalid lines where it begins with a byte order mark, or
    where the lines that are valid UTF-8 beyond ASCII outnumber the invalid ones; else Windows-1252. A source
    that breaks off is judged by what came before.

    Raises
    ------
    UnusableFileError
        nothing can be read, the content is of another format, or UTF-16 or UTF-32.
    """
    blocks = line_blocks(source, maximum_line_bytes=maximum_line_bytes)
    first = next(blocks, None)
    if first is None:
        raise UnusableFileError("empty_file", "no bytes")
    head = first.data[:_HEADER_BYTES_LOOKED_AT]
    refuse_other_formats(head)
    _refuse_wide_encodings(head)
    has_mark = head.startswith(codecs.BOM_UTF8)
    valid = invalid = 0
    try:
        for block in chain([first], blocks):
            if block.data.isascii():
                continue
            beyond_ascii = [
                line
                for position, line in enumerate(block.lines)
                if position not in block.long_lines and not line.isascii()
            ]
            wrong = 0 if _is_utf8(block.data) else sum(not _is_utf8(line) for line in beyond_ascii)
            invalid += wrong
            valid += len(beyond_ascii) - wrong
    except UnusableFileError:
        pass  # the reading pass meets the same end, and reports it
    if has_mark:
        return TextEncoding("utf-8-bom", True)
    return TextEncoding("utf-8" if not invalid or valid > invalid else "windows-1252", False)


def _refuse_wide_encodings(head: bytes) -> None:
    for mark, name in _OTHER_BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            raise UnusableFileError(
                "unsupported_encoding", f"the file is {name}; save it as UTF-8", head[:200]
            )
    line = head.split(b"\n", 1)[0]
    if line.count(b"\0") > _NUL_SHARE_OF_WIDE_TEXT * len(line):
        detail = "the first line is full of NUL characters: UTF-16 or binary; save it as UTF-8"
        raise UnusableFileError("unsupported_encoding", detail, head[:200])


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
