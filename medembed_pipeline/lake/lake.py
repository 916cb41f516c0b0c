"""The data lake: a folder or an fsspec URL in which every table and folder is complete or absent."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import socket
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake import local_disk
from medembed_pipeline.lake.keeping import keep_replaced
from medembed_pipeline.lake.publication import (
    PUBLICATIONS,
    OutdatedWorkError,
    PublicationOrder,
    file_lock,
    is_alive,
    read_json,
    write_if_unchanged,
)
from medembed_pipeline.lake.settings import KEEP_TABLES
from medembed_pipeline.lake.tables import LakeTable, Recipe, TableError, TableWriter, open_for_arrow

STAGING = ".staging"


class LakeError(MedembedError):
    """The lake cannot be read or written."""


class Lake:
    """Paths, and atomic reads and writes, under one root.

    On a local disk a file is written into `.staging/`, synced, and renamed over the old one; on an object
    store it is written as a whole object. Readers of the old version are not disturbed.

    Parameters
    ----------
    url
        a folder, or an fsspec URL such as `s3://bucket/lake`.
    keep_tables
        how many earlier versions of a table or of the page are kept when it is replaced: see `lake.versions`.
    """

    def __init__(self, url: str, keep_tables: int = KEEP_TABLES) -> None:
        import fsspec
        from fsspec.implementations.local import LocalFileSystem

        self.url = url.rstrip("/") or url
        self.keep_tables = keep_tables
        self.filesystem, self.root = fsspec.core.url_to_fs(self.url)
        self.is_local = isinstance(self.filesystem, LocalFileSystem)
        self.before_publishing: Callable[[], None] = lambda: None
        self._order = PublicationOrder(self.filesystem, self.root, is_local=self.is_local)
        self._numbers: dict[str, int] = {}

    def begin_work(self, *names: str) -> None:
        """Take a place in the order of those who work on `names` (tables, or JSON files without their suffix).

        From then on this object publishes and confirms them only while no newer work has done so.
        """
        self._numbers = {name: self._order.begin(name) for name in names}

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Keep everybody else who asks for the lock `name` waiting, in all processes that share the lake."""
        with self._order.lock(name):
            yield

    @contextlib.contextmanager
    def machine_lock(self, name: str) -> Iterator[None]:
        """Keep everybody else on this machine who asks for the lock `name` waiting, for as long as it takes."""
        with file_lock(self.local_work_folder(PUBLICATIONS, f"{name}.lock")):
            yield

    def confirm(self, name: str) -> None:
        """Note that what is published under `name` is this work's result: older work may not replace it any more."""
        if name in self._numbers:
            self._order.confirm(name, self._numbers[name])

    def publish(
        self,
        name: str,
        place: Callable[[], object],
        *,
        keep: Callable[[], Sequence[str] | None] = lambda: None,
        is_merged: bool = False,
    ) -> None:
        """The one way by which anything takes the place of its earlier version: in its turn, and noted.

        Parameters
        ----------
        name
            whose order it follows.
        place
            puts it in place in one step, so that a reader finds the old or the new one.
        keep
            keeps what is about to be replaced; returns the versions that are kept then, None to leave them as noted.
        is_merged
            it holds all that was published before, and so goes in no order. The caller holds the lock that it was
            merged under; by default the lock `name` is taken here.

        Raises
        ------
        OutdatedWorkError
            newer work of that name has published; the old version stands.
        """
        with contextlib.nullcontext() if is_merged else self._order.lock(name):
            self.before_publishing()
            number = 0 if is_merged else self._numbers.get(name, 0)
            self._order.check_turn(name, number)
            self._order.record(name, number, placed=False, kept=keep())
            place()
            self._order.record(name, number, placed=True)

    def kept_versions(self, name: str) -> list[str]:
        """The earlier versions of a table or of the page whose content is kept, the newest first."""
        return self._order.kept(name)

    def path(self, *parts: str) -> str:
        """The path of something in the lake, as its file system names it."""
        return "/".join([self.root, *parts])

    def exists(self, *parts: str) -> bool:
        """Whether a file or folder is there."""
        self.filesystem.invalidate_cache()
        return bool(self.filesystem.exists(self.path(*parts)))

    def names(self, *parts: str) -> list[str]:
        """Names of the files and folders in the lake, or in a folder of it, sorted; none where it is absent."""
        folder = self.path(*parts)
        self.filesystem.invalidate_cache()
        try:
            paths = self.filesystem.ls(folder, detail=False)
        except FileNotFoundError:
            return []
        # An object store may list the folder itself, as an object of no length.
        found = {
            path.rstrip("/").rpartition("/")[2] for path in paths if path.rstrip("/") != folder.rstrip("/")
        }
        return sorted(found - {""})

    def published_names(self) -> list[str]:
        """Names of everything that an asset has ever published here, whether or not it is still there."""
        return self._order.published_names()

    # Tables

    def table_path(self, name: str) -> str:
        """Where a table lies: `<lake>/<name>.parquet`."""
        return self.path(f"{name}.parquet")

    def find_table(self, name: str) -> LakeTable | None:
        """The published table, or None where there is none."""
        path = self.table_path(name)
        try:
            file = open_for_arrow(self.filesystem, path)
        except FileNotFoundError:
            return None
        try:
            return LakeTable(name, path, file)
        except (pa.ArrowInvalid, OSError) as error:
            raise TableError(
                f"{path} is not a whole Parquet file ({type(error).__name__}). Remove it and materialize {name} again."
            ) from None

    def find_made(self, recipe: Recipe) -> LakeTable | None:
        """The published table of the recipe's asset, when it was made from this very recipe."""
        table = self.find_table(recipe.asset)
        return table if table is not None and table.footer.recipe.digest == recipe.digest else None

    def table(self, name: str) -> LakeTable:
        """The published table.

        Raises
        ------
        TableError
            it has not been made yet.
        """
        table = self.find_table(name)
        if table is None:
            raise TableError(f"{self.table_path(name)} is not there. Materialize {name} first.")
        return table

    def write_table(
        self,
        recipe: Recipe,
        data: pa.Table | Iterable[pa.RecordBatch],
        *,
        schema: pa.Schema | None = None,
        facts: dict[str, Any] | None = None,
        data_version: str | None = None,
        is_merged: bool = False,
    ) -> LakeTable:
        """Write and publish a table named after the recipe's asset.

        Parameters
        ----------
        recipe
            what the table is made from.
        data
            a table, or batches with their `schema`.
        schema
            the columns, with descriptions; by default those of the table.
        facts
            counts to keep beside the table.
        data_version
            by default the hash of the content.
        is_merged
            see `publish`.

        Raises
        ------
        OutdatedWorkError
            newer work has published a table made from another recipe; that one stands.
        """
        batches = [data] if isinstance(data, pa.Table) else data
        schema = schema or (data.schema if isinstance(data, pa.Table) else None)
        if schema is None:
            raise ValueError("batches need a schema")
        try:
            with self.table_writer(recipe.asset, schema, is_merged=is_merged) as staged:
                for batch in batches:
                    staged.write(batch)
                staged.finish(recipe, facts or {}, data_version)
        except OutdatedWorkError:
            if self.find_made(recipe) is None:
                raise
        return self.table(recipe.asset)

    @contextlib.contextmanager
    def table_writer(self, name: str, schema: pa.Schema, *, is_merged: bool = False) -> Iterator[TableWriter]:
        """Stage a table; it is published when the block ends after `finish`, and dropped on any exception."""
        with self.staged_file(f"{name}.parquet", is_merged=is_merged) as path:
            writer = TableWriter(path, schema)
            try:
                yield writer
            except BaseException:
                with contextlib.suppress(Exception):
                    writer.abandon()
                raise

    # Files and folders

    @contextlib.contextmanager
    def staged_file(self, *parts: str, of: str = "", is_merged: bool = False) -> Iterator[Path]:
        """A local path to write to; what lies there when the block ends is published under `parts`.

        Parameters
        ----------
        parts
            its path in the lake.
        of
            name of the work whose order it is published in; by default its own, for a file in the lake's root.
        is_merged
            see `publish`.

        Raises
        ------
        LakeError
            the disk is full; the old version stands.
        OutdatedWorkError
            newer work of that name has published; the old version stands.
        """
        with self.staging(parts[-1]) as staged:
            yield staged
            in_root = len(parts) == 1
            name = of or (parts[0].partition(".")[0] if in_root else "")
            if name not in self._numbers and not is_merged:
                self.before_publishing()
                self._publish_file(staged, self.path(*parts))
                return
            self.publish(
                name,
                lambda: self._publish_file(staged, self.path(*parts)),
                keep=lambda: keep_replaced(self, name, parts[0], staged) if in_root else None,
                is_merged=is_merged,
            )

    def _publish_file(self, staged: Path, target: str) -> None:
        self._order.check_locks()
        if self.is_local:
            local_disk.place_file(staged, Path(target))
        else:
            self.filesystem.put_file(str(staged), target)

    @contextlib.contextmanager
    def staged_folder(self, *parts: str, last: str) -> Iterator[Path]:
        """A local folder to fill; when the block ends it is published under `parts`, which must not exist yet.

        A folder that somebody else has published meanwhile under the same name stands: such folders are
        named by what they hold. On an object store the file `last` is written last and marks the folder whole.
        """
        with self.staging(parts[-1]) as staged:
            staged.mkdir()
            yield staged
            self.before_publishing()
            if self.is_local:
                local_disk.place_folder(staged, Path(self.path(*parts)))
                return
            files = sorted(path for path in staged.rglob("*") if path.is_file())
            for file in sorted(files, key=lambda path: path.name == last):
                self.filesystem.put_file(str(file), self.path(*parts, file.relative_to(staged).as_posix()))

    @contextlib.contextmanager
    def scratch_folder(self, name: str) -> Iterator[Path]:
        """A local folder that is gone when the block ends; what a killed process left, `clear_staging` removes."""
        with self.staging(name) as folder:
            folder.mkdir()
            yield folder

    @contextlib.contextmanager
    def staging(self, name: str) -> Iterator[Path]:
        """A local path of this process alone, whose name ends with `name`; what is left there is removed."""
        owner = f"{socket.gethostname()}-{os.getpid()}"
        folder = self.local_work_folder(STAGING)
        folder.mkdir(parents=True, exist_ok=True)
        staged = folder / f"{owner}-{uuid.uuid4().hex[:12]}-{name}"
        try:
            yield staged
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise LakeError(
                f"no space left to write {name} into {self.url}. Free some space and run again; "
                "the version that stood before still stands."
            ) from None
        finally:
            if staged.is_dir():
                shutil.rmtree(staged, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    staged.unlink(missing_ok=True)

    def local_work_folder(self, *parts: str) -> Path:
        """A folder on this machine for work in progress: in the lake where that is local, else in the cache."""
        if self.is_local:
            return Path(self.path(*parts))
        return self._cache_folder() / "/".join(parts)

    def _cache_folder(self) -> Path:
        cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        return cache / "medembed" / uuid.uuid5(uuid.NAMESPACE_URL, self.url).hex

    def local_copy(self, *parts: str, last: str) -> Path:
        """A folder of the lake as a local path: itself, or a copy in the cache folder of this machine.

        Only for folders whose content never changes once written. A checkpoint's model card is renewed; what reads it
        asks the lake (`read_bytes`), not a copy.
        """
        if self.is_local:
            return Path(self.path(*parts))
        target = self._cache_folder() / "/".join(parts)
        if not (target / last).is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            with self.staging(parts[-1]) as copied:
                self._fetch(copied, *parts)
                shutil.rmtree(target, ignore_errors=True)
                with contextlib.suppress(OSError):
                    copied.rename(target)
        return target

    def parts_of(self, path: str) -> list[str]:
        """The path in the lake of a folder that `local_copy` gave; nothing for what lies elsewhere."""
        try:
            return list(Path(path).relative_to(self.local_work_folder()).parts)
        except ValueError:
            return []

    @contextlib.contextmanager
    def fetched_folder(self, *parts: str) -> Iterator[Path]:
        """A folder of the lake as it is now: itself, or a fresh copy that is removed afterwards."""
        if self.is_local:
            yield Path(self.path(*parts))
            return
        with self.staging(parts[-1]) as copied:
            self._fetch(copied, *parts)
            yield copied

    def _fetch(self, copied: Path, *parts: str) -> None:
        self.filesystem.invalidate_cache()
        source = self.path(*parts).rstrip("/")
        for path in self.filesystem.find(source):
            target = copied / path[len(source) :].lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            self.filesystem.get_file(path, str(target))

    def size(self, *parts: str) -> int:
        """Bytes of a file, or of all files in a folder."""
        self.filesystem.invalidate_cache()
        return int(self.filesystem.du(self.path(*parts), total=True))

    def modified(self, *parts: str) -> float:
        """Seconds since 1970 at the newest change of a file, or of a folder's files; 0 where that is not known."""
        self.filesystem.invalidate_cache()
        found = self.filesystem.find(self.path(*parts), detail=True).values()
        times = [info.get("mtime") or info.get("LastModified") or info.get("created") or 0 for info in found]
        return max(
            (time if isinstance(time, (int, float)) else time.timestamp() for time in times), default=0.0
        )

    def remove(self, *parts: str) -> None:
        """Remove a file or a folder of the lake, if it is there."""
        self._order.check_locks()
        path = self.path(*parts)
        self.filesystem.invalidate_cache()
        with contextlib.suppress(FileNotFoundError):
            self.filesystem.rm(path, recursive=True)
        self.filesystem.invalidate_cache()

    def read_json(self, *parts: str) -> Any | None:
        """The content of a JSON file, or None where there is none."""
        content = self.read_bytes(*parts)
        return None if content is None else json.loads(content)

    def write_json(self, value: Any, *parts: str) -> None:
        """Write a JSON file whole."""
        with self.staged_file(*parts) as staged:
            staged.write_text(_json(value), encoding="utf-8")

    def change_json(self, change: Callable[[Any | None], Any | None], *parts: str) -> None:
        """Replace a small JSON file by what `change` makes of it (None: leave it). Call while holding its lock.

        On an object store that can, it is written on the condition that it is still the one that was read.
        """
        standing, seen = read_json(self.filesystem, self.path(*parts))
        wanted = change(standing)
        if wanted is None:
            return
        if not self.is_local:
            self._order.check_locks()
            write_if_unchanged(self.filesystem, self.path(*parts), _json(wanted).encode(), seen)
            return
        with self.staging(parts[-1]) as staged:
            staged.write_text(_json(wanted), encoding="utf-8")
            self._publish_file(staged, self.path(*parts))

    def read_bytes(self, *parts: str) -> bytes | None:
        """The content of a small file, or None where there is none."""
        try:
            # One request of an object store: a file that is opened is looked up before it is read.
            return bytes(self.filesystem.cat_file(self.path(*parts)))
        except FileNotFoundError:
            return None

    def write_bytes(self, content: bytes, *parts: str) -> None:
        """Write a small file whole, unless it holds these bytes already."""
        if self.read_bytes(*parts) == content:
            return
        with self.staged_file(*parts) as staged:
            staged.write_bytes(content)

    def write_link(self, target: str, *parts: str) -> bool:
        """Put a symbolic link in place, or in place of the one there, in one step.

        Parameters
        ----------
        target
            what it leads to, relative to the folder that it lies in.
        parts
            its path in the lake.

        Returns
        -------
        bool
            False where the file system has no symbolic links: nothing is written then.
        """
        if not self.is_local:
            return False
        with self.staging(parts[-1]) as staged:
            return local_disk.place_link(staged, target, Path(self.path(*parts)))

    def leftovers(self) -> list[Path]:
        """What killed processes of this machine left where files are written before they are published."""
        found = []
        host = socket.gethostname()
        for path in sorted(self.local_work_folder(STAGING).glob("*")):
            owner = path.name.removeprefix(f"{host}-").split("-")[0]
            if path.name.startswith(f"{host}-") and owner.isdigit() and not is_alive(int(owner)):
                found.append(path)
        return found

    def clear_staging(self) -> int:
        """Remove what killed processes of this machine left in the staging folder; returns how many."""
        found = self.leftovers()
        for path in found:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        return len(found)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"
