"""Folders of broken files: none stops the reader, none is read from outside, each has its reason."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem

from medembed_pipeline.notes.landing_files import list_landing_files
from medembed_pipeline.notes.reader import ReaderOptions, read_landing
from medembed_pipeline.notes.rejections import REJECTION_REASONS
from medembed_pipeline.notes.row_chunks import KEPT_SCHEMA, REJECTED_SCHEMA
from medembed_pipeline_tests.notes.broken_files import (
    ANY_REASON,
    NOTE_MARKER,
    OUTSIDE_MARKER,
    broken_files,
    write_broken_files,
)

OPTIONS = ReaderOptions(maximum_row_bytes=200_000, maximum_file_bytes=2_000_000)


@pytest.mark.parametrize("seed", [1, 2])
def test_two_hundred_broken_files(tmp_path: Path, seed: int) -> None:
    files = broken_files(200, seed=seed, over_row_bytes=210_000, over_file_bytes=2_100_000)
    write_broken_files(tmp_path / "landing", files)
    filesystem = LocalFileSystem()
    listing = list_landing_files(filesystem, str(tmp_path / "landing"))
    assert [file.source_file for file in listing] == sorted(file.name for file in files)

    reasons = defaultdict(set)
    read: dict[str, int] = defaultdict(int)
    accounted: dict[str, int] = defaultdict(int)
    for chunk in read_landing(filesystem, listing, OPTIONS):
        assert chunk.kept.schema == KEPT_SCHEMA
        assert chunk.rejected.schema == REJECTED_SCHEMA
        chunk.kept.validate(full=True)
        chunk.rejected.validate(full=True)
        read[chunk.source_file] += chunk.rows_read
        accounted[chunk.source_file] += chunk.kept.num_rows + chunk.rejected.num_rows
        assert not any(OUTSIDE_MARKER in text for text in chunk.kept.column("text").to_pylist())
        for row in chunk.rejected.to_pylist():
            assert row["reason"] in REJECTION_REASONS
            assert NOTE_MARKER not in row["detail"] and OUTSIDE_MARKER.encode() not in row["row_bytes"]
            reasons[row["source_file"]].add(row["reason"])
    assert read == accounted
    for file in files:
        found = reasons[file.name]
        assert found if file.reasons is ANY_REASON else found & file.reasons, (file.kind, file.name, found)


def test_files_are_the_same_for_the_same_seed() -> None:
    assert broken_files(60, seed=3, over_row_bytes=10) == broken_files(60, seed=3, over_row_bytes=10)
    assert broken_files(60, seed=3, over_row_bytes=10) != broken_files(60, seed=4, over_row_bytes=10)
