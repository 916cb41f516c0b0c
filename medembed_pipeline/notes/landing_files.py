"""Finding the files of the landing folder and opening them, never anything outside it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

if TYPE_CHECKING:
    import fsspec


FormatKind = Literal["delimited", "json_lines", "parquet"]


@dataclass(frozen=True)
class FileFormat:
    """How a file is to be read, from its name alone: `delimiters` are tried in this order on the header."""

    kind: FormatKind
    delimiters: tuple[str, ...] = ()
    gzip: bool = False


_FORMATS: dict[str, tuple[FormatKind, tuple[str, ...]]] = {
    ".csv": ("delimited", (",", ";", "\t", "|")),
    ".tsv": ("delimited", ("\t",)),
    ".jsonl": ("json_lines", ()),
    ".ndjson": ("json_lines", ()),
    ".parquet": ("parquet", ()),
}


@dataclass(frozen=True)
class LandingFile:
    """One file of the landing folder.

    `path` is the filesystem's own path, `source_file` the POSIX path relative to the landing folder (valid
    Unicode: bytes of a name that are not UTF-8 read `\\xNN`), `size` in bytes, `modified_ns` in nanoseconds
    since 1970 (0 where the filesystem does not know). A file with a `rejection` (a key of REJECTION_REASONS)
    must not be opened.
    """

    path: str
    source_file: str
    size: int
    modified_ns: int
    rejection: str = ""
    detail: str = ""


def file_format(source_file: str) -> FileFormat | None:
    """The format that a name stands for, without regard to case; None for a name that is not read."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(source_file).suffixes]
    gzip = bool(suffixes) and suffixes[-1] == ".gz"
    found = _FORMATS.get(suffixes[-2 if gzip else -1] if len(suffixes) > gzip else "")
    if found is None or (gzip and found[0] == "parquet"):
        return None
    return FileFormat(kind=found[0], delimiters=found[1], gzip=gzip)


def is_ignored_name(name: str) -> bool:
    """Whether a file or folder name is passed over in silence: hidden, README*, or a temporary file."""
    lowered = name.lower()
    return lowered.startswith((".", "readme")) or lowered.endswith((".part", ".tmp"))


def unknown_format(source_file: str) -> str:
    """Why a name is not read as notes; empty where it is."""
    if file_format(source_file) is not None:
        return ""
    return "the name does not end in .csv, .tsv, .jsonl, .ndjson (also .gz) or .parquet"


def list_landing_files(
    filesystem: fsspec.AbstractFileSystem, root: str, *, unsupported: Callable[[str], str] = unknown_format
) -> list[LandingFile]:
    """Every file under `root`, subfolders included, sorted by `source_file`; an absent root gives an empty
    list.

    `unsupported` says of a name why it is not read, and nothing of one that is.

    Symbolic links are not followed, whatever they point to: they come back with the rejection
    `outside_landing_folder`, as do object names that climb out with `..`. Pipes, sockets and devices, and
    folders that bear the name of a data file and hold no file, come back rejected too, and so do names of
    unknown formats.
    """
    if _is_local(filesystem):
        folder = Path(root).resolve()
        found = list(_walk_local(folder, folder, unsupported)) if folder.is_dir() else []
    else:
        found = list(_walk_remote(filesystem, root))
    checked = [_with_format_checked(file, unsupported) for file in found]
    return sorted(checked, key=lambda file: file.source_file)


def landing_file_opener(filesystem: fsspec.AbstractFileSystem, file: LandingFile) -> Callable[[], BinaryIO]:
    """A function that opens `file` anew for reading bytes.

    On a local filesystem it refuses (OSError) a symbolic link or anything but a regular file, also when it
    took the file's place after the listing.
    """
    if _is_local(filesystem):
        return partial(_open_local, file.path)
    return lambda: cast(BinaryIO, filesystem.open(file.path, "rb"))


def _is_local(filesystem: fsspec.AbstractFileSystem) -> bool:
    from fsspec.implementations.local import LocalFileSystem

    return isinstance(filesystem, LocalFileSystem)


def _open_local(path: str) -> BinaryIO:
    # O_NONBLOCK keeps a pipe from blocking the open for ever; neither flag exists on Windows.
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    if os.path.realpath(Path(path).parent) != str(Path(path).parent):
        raise OSError("a folder on the way to the file became a symbolic link")
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("not a regular file")
    return os.fdopen(descriptor, "rb", buffering=0)


def _walk_local(folder: Path, root: Path, unsupported: Callable[[str], str]) -> Iterator[LandingFile]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield _local_file(folder, root, 0, 0, "unreadable_file", f"a folder: {type(error).__name__}")
        return
    for entry in entries:
        if is_ignored_name(entry.name):
            continue
        path = Path(entry.path)
        if entry.is_symlink():
            yield _local_file(path, root, 0, 0, "outside_landing_folder", "a symbolic link")
        elif entry.is_dir(follow_symlinks=False):
            inside = list(_walk_local(path, root, unsupported))
            if not inside and not unsupported(entry.name):
                yield _local_file(path, root, 0, 0, "unreadable_file", "a folder without files, not a file")
            yield from inside
        else:
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # removed between the listing and now: it is no longer a landing file
            regular = stat.S_ISREG(status.st_mode)
            yield _local_file(
                path,
                root,
                status.st_size,
                status.st_mtime_ns,
                "" if regular else "unsupported_file",
                "" if regular else "not a regular file",
            )


def _local_file(
    path: Path, root: Path, size: int, modified_ns: int, rejection: str, detail: str
) -> LandingFile:
    relative = os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "backslashreplace")
    return LandingFile(str(path), relative, size, modified_ns, rejection, detail)


def _walk_remote(filesystem: fsspec.AbstractFileSystem, root: str) -> Iterator[LandingFile]:
    base = cast(str, filesystem._strip_protocol(root)).rstrip("/")
    for path, info in filesystem.find(base, detail=True).items():
        relative = path[len(base) :].lstrip("/") if path.startswith(base + "/") else ""
        if not relative or info.get("type") == "directory" or path.endswith("/"):
            continue
        parts = relative.split("/")
        # A part of only dots is a way out, not a hidden name, so it is looked at before the names to ignore.
        climbs = any(part in ("..", ".") for part in parts)
        if not climbs and any(is_ignored_name(part) for part in parts):
            continue
        file = LandingFile(path, relative, int(info.get("size") or 0), _modified_ns(info))
        if climbs:
            file = LandingFile(
                path, relative, file.size, file.modified_ns, "outside_landing_folder", "a name with .. in it"
            )
        yield file


def _with_format_checked(file: LandingFile, unsupported: Callable[[str], str]) -> LandingFile:
    detail = "" if file.rejection else unsupported(file.source_file)
    if not detail:
        return file
    return LandingFile(file.path, file.source_file, file.size, file.modified_ns, "unsupported_file", detail)


def _modified_ns(info: dict[str, Any]) -> int:
    for key in ("LastModified", "last_modified", "mtime", "updated", "created"):
        value = info.get(key)
        if isinstance(value, datetime):
            return int(value.timestamp() * 1e9)
        if isinstance(value, (int, float)):
            return int(value * 1e9)
    return 0
