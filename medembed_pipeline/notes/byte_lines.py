"""Bytes of a landed file: decompressed, bounded, cut into physical lines, a block at a time."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import BinaryIO, Final, Protocol

BLOCK_BYTES: Final = 1024**2
LONG_LINE_KEPT_BYTES: Final = 1024**2
"""Of a line or record over the maximum, this many bytes are kept for `rejected_rows`."""

_COMPRESSED_READ_BYTES = 64 * 1024
_INFLATED_STEP_BYTES = 256 * 1024  # what is lost before a damaged place is less than this
_CONTENT_MAGIC: Final = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip or a spreadsheet",
    b"PAR1": "Parquet",
    b"%PDF": "PDF",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
}


class UnusableFileError(Exception):
    """The file, or the rest of it, cannot be used.

    `reason` is a key of REJECTION_REASONS, `tail` holds bytes of the file for `rejected_rows`.
    """

    def __init__(self, reason: str, detail: str, tail: bytes = b"") -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.tail = tail


class ByteSource(Protocol):
    """The one call needed of a stream; it may return fewer bytes than asked for, b"" only at the end."""

    def read(self, size: int, /) -> bytes: ...


class LineBlock:
    """Whole physical lines with their line ends (\\n, \\r\\n or a lone \\r): `data`, and split, `lines`.

    `long_lines` maps the position of a line over the maximum to its full length; of it only the first
    LONG_LINE_KEPT_BYTES are there.
    """

    def __init__(self, data: bytes, long_lines: dict[int, int] | None = None) -> None:
        self.data = data
        self.long_lines = long_lines or {}

    @cached_property
    def lines(self) -> list[bytes]:
        return self.data.splitlines(keepends=True)


def open_bytes(opener: Callable[[], BinaryIO]) -> BinaryIO:
    """Open a file.

    Raises
    ------
    UnusableFileError
        it cannot be opened (`unreadable_file`).
    """
    try:
        return opener()
    except OSError as error:
        raise UnusableFileError("unreadable_file", f"cannot be opened: {type(error).__name__}") from None


class BoundedSource:
    """`stream`, gunzipped on request, up to `maximum_bytes` of content.

    Raises UnusableFileError from `read` where the content cannot go on; everything before that was returned
    by then.
    """

    def __init__(self, stream: ByteSource, *, gzip: bool, maximum_bytes: int) -> None:
        self._source: ByteSource = _GzipSource(stream) if gzip else _PlainSource(stream)
        self._maximum = maximum_bytes
        self._given = 0

    def read(self, size: int, /) -> bytes:
        left = self._maximum - self._given
        data = self._source.read(min(size, left) if left > 0 else 1)
        if left <= 0 and data:
            raise UnusableFileError("file_too_large", f"more than {self._maximum} bytes; cut there")
        self._given += len(data)
        return data


class _PlainSource:
    def __init__(self, stream: ByteSource) -> None:
        self._stream = stream
        self._given = 0

    def read(self, size: int, /) -> bytes:
        try:
            data = self._stream.read(size)
        except OSError as error:
            detail = f"cannot be read after byte {self._given}: {type(error).__name__}"
            raise UnusableFileError("unreadable_file", detail) from None
        self._given += len(data)
        return data


class _GzipSource:
    """gzip members one after the other.

    The standard library's GzipFile drops what it had decompressed when it meets the damage; this returns it
    first, and never inflates more than was asked for.
    """

    def __init__(self, stream: ByteSource) -> None:
        self._stream = _PlainSource(stream)
        self._inflate = zlib.decompressobj(wbits=31)
        self._pending = b""
        self._members = 0
        self._fresh = True
        self._given = 0

    def read(self, size: int, /) -> bytes:
        while True:
            if self._inflate.eof:
                self._members += 1
                # Zero bytes after a member are padding.
                self._pending = self._inflate.unused_data.lstrip(b"\0")
                self._inflate = zlib.decompressobj(wbits=31)
                self._fresh = True
            if not self._pending:
                self._pending = self._stream.read(_COMPRESSED_READ_BYTES)
                if self._fresh and self._members:
                    self._pending = self._pending.lstrip(b"\0")
            data, ended = self._step(size)
            if data or ended:
                self._given += len(data)
                return data

    def _step(self, size: int) -> tuple[bytes, bool]:
        compressed = self._pending
        if self._fresh and not compressed:
            return b"", True
        try:
            data = self._inflate.decompress(compressed, min(size, _INFLATED_STEP_BYTES))
        except zlib.error:
            if self._fresh and not self._members and not compressed.startswith(b"\x1f\x8b"):
                raise UnusableFileError("not_gzip", "the content is not gzip", compressed[:200]) from None
            detail = f"the gzip data is damaged after {self._given} bytes of content"
            raise UnusableFileError("corrupt_file", detail) from None
        self._fresh = False
        self._pending = self._inflate.unconsumed_tail
        if not compressed and not data and not self._inflate.eof:
            raise UnusableFileError(
                "truncated_file", f"the gzip data ends early, after {self._given} bytes of content"
            )
        return data, False


def refuse_other_formats(head: bytes) -> None:
    """Raise UnusableFileError (`unsupported_file`) where the content begins like a known binary format."""
    for magic, name in _CONTENT_MAGIC.items():
        if head.startswith(magic):
            raise UnusableFileError(
                "unsupported_file", f"the name says text, the content is {name}", head[:200]
            )


def line_blocks(
    source: ByteSource, *, maximum_line_bytes: int, block_bytes: int = BLOCK_BYTES
) -> Iterator[LineBlock]:
    """Cut `source` into blocks of whole physical lines of about `block_bytes`.

    At most a block and one line of `maximum_line_bytes` are held. The last line needs no line end. Where the
    source breaks off, the whole lines before are yielded, then its UnusableFileError is raised with the cut
    line as `tail`.
    """
    held: list[bytes] = []  # pieces of the line that is not complete yet
    held_bytes = 0
    long_head = b""
    long_bytes = 0  # over 0 while skipping to the end of a line over the maximum
    while True:
        try:
            data = source.read(block_bytes)
        except UnusableFileError as error:
            tail = long_head if long_bytes else b"".join(held)
            raise UnusableFileError(error.reason, error.detail, error.tail or tail) from None
        if not data:
            break
        if long_bytes:
            end = _first_line_end(data)
            long_bytes += end or len(data)
            if not end:
                continue
            yield LineBlock(long_head, {0: long_bytes})
            data, long_bytes = data[end:], 0
            if not data:
                continue
        if held and held[-1].endswith(b"\r") and not data.startswith(b"\n"):
            yield _block(b"".join(held), maximum_line_bytes)
            held, held_bytes = [], 0
        cut = _last_line_end(data)
        if cut:
            held.append(data[:cut])
            yield _block(b"".join(held), maximum_line_bytes)
            held, held_bytes = [], 0
        if cut < len(data):
            held.append(data[cut:])
            held_bytes += len(data) - cut
        if held_bytes > maximum_line_bytes and not data.endswith(b"\r"):
            long_head, long_bytes = b"".join(held)[:LONG_LINE_KEPT_BYTES], held_bytes
            held, held_bytes = [], 0
    if long_bytes:
        yield LineBlock(long_head, {0: long_bytes})
    elif held:
        yield _block(b"".join(held), maximum_line_bytes)


class LineBlocks:
    """Iterator over `line_blocks` that ends where the source breaks off, and then tells why in `damage`."""

    def __init__(self, blocks: Iterator[LineBlock]) -> None:
        self._blocks = blocks
        self.damage: UnusableFileError | None = None

    def __iter__(self) -> LineBlocks:
        return self

    def __next__(self) -> LineBlock:
        try:
            return next(self._blocks)
        except UnusableFileError as error:
            self.damage = error
            raise StopIteration from None


def _block(data: bytes, maximum_line_bytes: int) -> LineBlock:
    if len(data) <= maximum_line_bytes:
        return LineBlock(data)
    block = LineBlock(data)
    for position, line in enumerate(block.lines):
        if len(line) > maximum_line_bytes:
            block.long_lines[position] = len(line)
            block.lines[position] = line[:LONG_LINE_KEPT_BYTES]
    return block


def _last_line_end(data: bytes) -> int:
    """Position after the last line end that is certain: a final \\r may be the first half of \\r\\n."""
    cut = data.rfind(b"\n") + 1
    lone_return = data.rfind(b"\r", cut, len(data) - 1)
    return lone_return + 1 if lone_return >= 0 else cut


def _first_line_end(data: bytes) -> int:
    ends = [position + 1 for position in (data.find(b"\n"), data.find(b"\r")) if position >= 0]
    end = min(ends, default=0)
    return end + 1 if data[end - 1 : end + 1] == b"\r\n" else end
