"""Helpers of the reader's tests: read bytes as if they had landed."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from medembed_pipeline.notes.reader import ReaderOptions, read_landing_file

ALL_TEXTS = ReaderOptions(minimum_characters=0)


@dataclass(frozen=True)
class Reading:
    """Everything that came out of one file, as Python rows."""

    kept: list[dict[str, Any]]
    rejected: list[dict[str, Any]]
    rows_read: int

    @property
    def reasons(self) -> list[tuple[int, str]]:
        return [(row["source_row"], row["reason"]) for row in self.rejected]

    @property
    def texts(self) -> list[str]:
        return [row["text"] for row in self.kept]


class TricklingStream(io.BytesIO):
    """Gives a few bytes a time, so that every border between blocks is met."""

    def __init__(self, content: bytes, at_most: int) -> None:
        super().__init__(content)
        self._at_most = at_most

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self._at_most if size is None or size < 0 else min(size, self._at_most))


def read_bytes(
    content: bytes, name: str = "notes.csv", options: ReaderOptions = ALL_TEXTS, *, at_most: int = 10**9
) -> Reading:
    """Read `content` under `name`; checks that every row read is kept or rejected."""
    kept, rejected, rows_read = [], [], 0
    for chunk in read_landing_file(lambda: TricklingStream(content, at_most), name, options):
        kept.extend(chunk.kept.to_pylist())
        rejected.extend(chunk.rejected.to_pylist())
        rows_read += chunk.rows_read
    assert rows_read == len(kept) + len(rejected)
    return Reading(kept, rejected, rows_read)
