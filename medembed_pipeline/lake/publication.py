"""Who may publish: the work that began last wins, however long an older one lives on.

Every asset's work takes a number when it begins, before it reads its inputs. A result is published under a lock,
and refused when work with a higher number has already published, or confirmed, its own. So the leftover step of a
killed run never replaces what a later run has made, whatever Dagster believes of either run.

On S3 every number and pointer is written on the condition that nobody has written it since it was read, so that a
holder whose lock was lost between the look and the write replaces nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.lease import Lease, LostLeaseError, create, put

if TYPE_CHECKING:
    import fsspec

PUBLICATIONS = ".publications"
LEASE_SECONDS = 300.0
WRITE = "write"
"""Key of what tells one write of the numbers from another."""


class WrittenMeanwhileError(LostLeaseError):
    """Somebody else has written an object since it was read."""


class OutdatedWorkError(MedembedError):
    """Newer work on the same asset has published its result."""


class PublicationOrder:
    """Numbers and locks under `<lake>/.publications/`, one pair per published name.

    Parameters
    ----------
    filesystem
        the lake's.
    root
        the lake's root on it.
    is_local
        whether the kernel can lock a file there; otherwise a lock is a lease, which counts for `LEASE_SECONDS` after
        it was last renewed, or until its owner on this machine is dead.
    """

    def __init__(self, filesystem: fsspec.AbstractFileSystem, root: str, *, is_local: bool) -> None:
        self._filesystem = filesystem
        self._folder = f"{root}/{PUBLICATIONS}"
        self._is_local = is_local
        self._held = threading.local()

    def begin(self, name: str) -> int:
        """Take the next number for work on `name`."""
        begun: int = self._change(name, lambda numbers: {**numbers, "begun": numbers["begun"] + 1})["begun"]
        return begun

    def confirm(self, name: str, number: int) -> None:
        """Note that what is published under `name` is the result of work `number`.

        When it returns, older work has published already, or never will.
        """
        self._change(
            name, lambda numbers: {**numbers, "published": max(number, numbers["published"]), "placed": 1}
        )
        if not self._is_local:
            # Who comes into the lock from now on sees the number; who is inside may not have seen it.
            self._lease(name).wait()

    def check_turn(self, name: str, number: int) -> None:
        """Make sure that no newer work than `number` has published `name`. Ask while holding the lock.

        Raises
        ------
        OutdatedWorkError
            it has.
        """
        _check_turn(name, number, self._read(name)[0])

    def record(self, name: str, number: int, *, placed: bool, kept: Sequence[str] | None = None) -> None:
        """Note that work `number` (0: of no order) publishes `name`. Call while holding the lock.

        Call it before the result is put in place, and again, with `placed`, afterwards: a process
        killed in between blocks older work, never newer, and nothing counts as missing that never was there.
        `kept` are the earlier versions whose content is kept, the newest first; by default those noted before.
        """
        while True:
            numbers, seen = self._read(name)
            if not placed:
                _check_turn(name, number, numbers)
            wanted = {
                **numbers,
                "published": max(number, numbers["published"]),
                "placed": int(placed or numbers["placed"]),
            }
            if kept is not None:
                wanted["kept"] = list(kept)
            if wanted == numbers:
                return
            try:
                self._write(name, wanted, seen)
                return
            except WrittenMeanwhileError:
                # By work that began or confirmed, which needs no lock for that; ours was just looked at.
                continue

    def kept(self, name: str) -> list[str]:
        """The earlier versions whose content is kept, the newest first."""
        return list(self._read(name)[0].get("kept", []))

    def published_names(self) -> list[str]:
        """Every name that was ever published, sorted."""
        self._filesystem.invalidate_cache()
        try:
            paths = self._filesystem.ls(self._folder, detail=False)
        except FileNotFoundError:
            return []
        names = [path.rpartition("/")[2].removesuffix(".json") for path in paths if path.endswith(".json")]
        return sorted(name for name in names if self._read(name)[0]["placed"])

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Exclusive among all processes that share the lake; released when the process dies."""
        if self._is_local:
            with file_lock(Path(f"{self._folder}/{name}.lock")):
                yield
            return
        lease = self._lease(name)
        lease.acquire()
        held = self._leases()
        held.append(lease)
        try:
            yield
        finally:
            held.remove(lease)
            lease.release()

    def check_locks(self) -> None:
        """Make sure that every lock which this thread holds is still its own. Ask before anything is published.

        Raises
        ------
        LostLeaseError
            one of them could not be renewed in time, and may be somebody else's.
        """
        for lease in self._leases():
            lease.check()

    def _leases(self) -> list[Lease]:
        held: list[Lease] = self._held.__dict__.setdefault("leases", [])
        return held

    def _lease(self, name: str) -> Lease:
        path = f"{self._folder}/{name}.lock"
        return Lease(self._filesystem, path, seconds=LEASE_SECONDS, is_dead=lambda held: _is_dead(held))

    def _change(self, name: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
        """Change the numbers, whoever else changes them at the same time; returns what was written.

        Without the lock where the store writes on a condition, which takes fewer requests.
        """
        while not self._is_local:
            numbers, seen = self._read(name)
            if seen == "":
                break
            wanted = change(numbers)
            try:
                self._write(name, wanted, seen)
            except WrittenMeanwhileError:
                continue
            return wanted
        with self.lock(name):
            numbers, seen = self._read(name)
            wanted = change(numbers)
            self._write(name, wanted, seen)
            return wanted

    def _read(self, name: str) -> tuple[dict[str, Any], str | None]:
        numbers, seen = read_json(self._filesystem, f"{self._folder}/{name}.json")
        numbers = numbers or {"begun": 0, "published": 0, "placed": 0}
        numbers.pop(WRITE, None)
        return numbers, seen

    def _write(self, name: str, numbers: dict[str, Any], seen: str | None) -> None:
        # Two who take the same number would write the same, and either would take the other's for its own.
        marked = numbers if self._is_local else {**numbers, WRITE: uuid.uuid4().hex}
        path, content = f"{self._folder}/{name}.json", json.dumps(marked).encode()
        self.check_locks()
        if not self._is_local:
            write_if_unchanged(self._filesystem, path, content, seen)
            return
        beside = Path(f"{path}.beside")
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)


def _check_turn(name: str, number: int, numbers: dict[str, Any]) -> None:
    if number and numbers["published"] > number:
        raise OutdatedWorkError(
            f"{name}: a run that began later has published its result; this older one is dropped. "
            "Nothing needs to be done."
        )


def read_json(filesystem: fsspec.AbstractFileSystem, path: str) -> tuple[Any | None, str | None]:
    """A small JSON file, None where there is none; and what to hand to `write_if_unchanged`."""
    filesystem.invalidate_cache(path)
    try:
        # Looked at before it is read: whoever writes in between makes the look the older one, never the content.
        seen = str(filesystem.info(path).get("ETag", ""))
        return json.loads(filesystem.cat_file(path)), seen
    except FileNotFoundError:
        return None, None


def write_if_unchanged(
    filesystem: fsspec.AbstractFileSystem, path: str, content: bytes, seen: str | None
) -> None:
    """Write a small object whole, if it is still the one that was read.

    Parameters
    ----------
    filesystem
        an object store. Where it tells no ETag, an object that was there is replaced without a condition: the lock that
        the caller holds is all there is then.
    path
        of the object.
    content
        its bytes.
    seen
        of `read_json`; None to create it.

    Raises
    ------
    WrittenMeanwhileError
        somebody has written it since; where a lock is held for that, it was lost.
    """
    try:
        if seen is None:
            create(filesystem, path, content)
        else:
            put(filesystem, path, content, **({"IfMatch": seen} if seen else {}))
    except OSError:
        filesystem.invalidate_cache(path)
        if seen == "" or not filesystem.exists(path) or str(filesystem.info(path).get("ETag", "")) == seen:
            raise
        # What is there may be of this very request, when its answer was lost and it was sent again.
        if filesystem.cat_file(path) != content:
            raise WrittenMeanwhileError(
                f"{path} was written by other work meanwhile. If this ends a run, its lock was lost, because the store "
                "did not answer or this machine was asleep. Nothing more is published here; run it again."
            ) from None


def _is_dead(held: dict[str, Any]) -> bool:
    if held["host"] == socket.gethostname() and not is_alive(held["process"]):
        return True
    return bool(held["until"] < time.time())


@contextlib.contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold the kernel's exclusive lock on a local file; it ends with the process that holds it."""
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_alive(process: int) -> bool:
    """Whether a process of this machine runs."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
