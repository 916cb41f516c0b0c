"""Which files are found in the landing folder, and that none is read from outside it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from medembed_pipeline.notes.landing_files import file_format, landing_file_opener, list_landing_files
from medembed_pipeline.notes.reader import ReaderOptions, read_landing

GOOD = "text,label\na note that is long enough to keep,Cardiology\n"


def _listed(root: Path) -> dict[str, str]:
    return {file.source_file: file.rejection for file in list_landing_files(LocalFileSystem(), str(root))}


@pytest.mark.parametrize(
    ("name", "kind", "gzip"),
    [
        ("a.csv", "delimited", False),
        ("A.B.TSV.GZ", "delimited", True),
        ("x/y.ndjson", "json_lines", False),
        ("a.jsonl.gz", "json_lines", True),
        ("a.Parquet", "parquet", False),
    ],
)
def test_formats(name: str, kind: str, gzip: bool) -> None:
    found = file_format(name)
    assert found is not None and (found.kind, found.gzip) == (kind, gzip)


@pytest.mark.parametrize(
    "name", ["a.txt", "a.json", "a.parquet.gz", "a.gz", "gz", "csv", "a.csv.zip", "a.csv "]
)
def test_other_names_are_not_read(name: str) -> None:
    assert file_format(name) is None


def test_listing(tmp_path: Path) -> None:
    for name in ("b.csv", "a.tsv", "sub/deep/c.jsonl", "note.docx", "names/with\nnewline <b>.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(GOOD)
    for name in (
        ".hidden.csv",
        "README.md",
        "readme.csv",
        ".git/a.csv",
        "x.part",
        "y.csv.tmp",
        ".gitkeep",
        ".DS_Store",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(GOOD)
    (tmp_path / "empty.csv").mkdir()
    assert _listed(tmp_path) == {
        "a.tsv": "",
        "b.csv": "",
        "empty.csv": "unreadable_file",
        "names/with\nnewline <b>.csv": "",
        "note.docx": "unsupported_file",
        "sub/deep/c.jsonl": "",
    }
    assert _listed(tmp_path / "absent") == {}
    first = list_landing_files(LocalFileSystem(), str(tmp_path))[0]
    assert first.size == len(GOOD) and first.modified_ns == (tmp_path / "a.tsv").stat().st_mtime_ns


def test_links_are_not_followed(tmp_path: Path) -> None:
    landing, outside = tmp_path / "landing", tmp_path / "outside"
    landing.mkdir()
    outside.mkdir()
    (outside / "secret.csv").write_text(GOOD)
    (landing / "file.csv").symlink_to(outside / "secret.csv")
    (landing / "folder").symlink_to(outside)
    (landing / "gone.csv").symlink_to("nowhere")
    (landing / "loop").symlink_to(".")
    os.mkfifo(landing / "pipe.csv")
    expected = dict.fromkeys(["file.csv", "folder", "gone.csv", "loop"], "outside_landing_folder")
    assert _listed(landing) == {**expected, "pipe.csv": "unsupported_file"}
    files = list_landing_files(LocalFileSystem(), str(landing))
    chunks = list(read_landing(LocalFileSystem(), files, ReaderOptions()))
    assert [chunk.kept.num_rows for chunk in chunks] == [0] * 5
    assert [chunk.rejected.column("source_row").to_pylist() for chunk in chunks] == [[0]] * 5
    # The landing folder itself may be a link.
    (tmp_path / "link").symlink_to(landing)
    assert _listed(tmp_path / "link") == _listed(landing)


def test_a_file_that_becomes_a_link_or_pipe_after_the_listing_is_not_read(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    (landing / "sub").mkdir(parents=True)
    (tmp_path / "secret.csv").write_text(GOOD)
    for name in ("a.csv", "b.csv", "sub/c.csv"):
        (landing / name).write_text(GOOD)
    files = list_landing_files(LocalFileSystem(), str(landing))
    with landing_file_opener(LocalFileSystem(), files[0])() as stream:
        assert stream.read() == GOOD.encode()
    (landing / "a.csv").unlink()
    (landing / "a.csv").symlink_to(tmp_path / "secret.csv")
    (landing / "b.csv").unlink()
    os.mkfifo(landing / "b.csv")
    (landing / "sub").rename(tmp_path / "moved")
    (landing / "sub").symlink_to(tmp_path / "moved")
    chunks = list(read_landing(LocalFileSystem(), files, ReaderOptions()))
    assert [chunk.rejected.column("reason").to_pylist() for chunk in chunks] == [["unreadable_file"]] * 3
    assert not any(chunk.kept.num_rows for chunk in chunks)


def test_names_that_are_not_unicode(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.csv"
    try:
        with open(name, "w") as file:  # noqa: PTH123 (a name that is bytes)
            file.write(GOOD)
    except OSError:
        pytest.skip("this filesystem takes only Unicode names")
    files = list_landing_files(LocalFileSystem(), str(tmp_path))
    (chunk,) = read_landing(LocalFileSystem(), files, ReaderOptions())
    assert chunk.source_file == r"caf\xe9.csv" and chunk.kept.num_rows == 1


def test_object_stores() -> None:
    filesystem = MemoryFileSystem()
    filesystem.store.clear()
    for name in ("a.csv", "sub/b.csv", ".hidden.csv", "../secret.csv", "x.bin"):
        filesystem.store[f"/lake/landing/{name}"] = _memory_file(filesystem, f"/lake/landing/{name}")
    files = list_landing_files(filesystem, "memory://lake/landing")
    found = {file.source_file: file.rejection for file in files}
    assert found["a.csv"] == found["sub/b.csv"] == ""
    assert found["x.bin"] == "unsupported_file" and ".hidden.csv" not in found
    assert found.get("../secret.csv", "outside_landing_folder") == "outside_landing_folder"
    kept = sum(chunk.kept.num_rows for chunk in read_landing(filesystem, files, ReaderOptions()))
    assert kept == 2
    filesystem.store.clear()


def _memory_file(filesystem: MemoryFileSystem, path: str) -> object:
    from fsspec.implementations.memory import MemoryFile

    return MemoryFile(filesystem, path, GOOD.encode())
