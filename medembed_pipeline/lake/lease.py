"""A lock on an object store: a lease that its holder renews, and that only one waiter can take from the dead.

A lease is an object named by its generation, `<path>/1`, `<path>/2` and so on, and the highest there is counts.
Whoever finds it dead creates the next one exclusively, so that of any number of waiters one succeeds. The highest is
never removed: given back, it is marked as free. So generations only rise, and a waiter who was asleep and creates one
that is over already sees, looking again, that a higher one stands. Nothing but exclusive creation and a listing that
shows what was written before is asked of the store; S3, Google Cloud Storage and Azure have both.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from medembed_pipeline.errors import MedembedError

if TYPE_CHECKING:
    import fsspec

WAIT_SECONDS = 0.2
CONFLICT = "ConditionalRequestConflict"
MOST_CONFLICTS = 50
FREE = 0.0  # a lease until 1970 is anybody's

# fsspec's memory file system looks and creates in two steps.
_creating = threading.Lock()


def create(filesystem: fsspec.AbstractFileSystem, path: str, content: bytes) -> None:
    """Write an object that is not there yet; OSError where it is."""
    with _creating:
        put(filesystem, path, content, mode="create")


def put(filesystem: fsspec.AbstractFileSystem, path: str, content: bytes, **conditions: str) -> None:
    """Write an object, again where the store could not tell who of several came first.

    S3 answers 409 then, and asks to try again:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """
    for _ in range(MOST_CONFLICTS):
        try:
            filesystem.pipe_file(path, content, **conditions)
            return
        except OSError as error:
            if CONFLICT not in str(error):
                raise
            time.sleep(WAIT_SECONDS)
    filesystem.pipe_file(path, content, **conditions)


class LostLeaseError(MedembedError):
    """A lock was not renewed in time: somebody else may hold it."""


class Lease:
    """One holder's hold on a lock; a thread of its own renews it until it is released.

    Parameters
    ----------
    filesystem
        an object store with exclusive creation.
    path
        of the lock: a folder of its own, so that looking at it costs the same however many locks there are.
    seconds
        how long the lease counts unless it is renewed, which is done three times as often.
    is_dead
        whether a lease, `host`, `process`, `token` and `until` (seconds since 1970), counts no more.
    """

    def __init__(
        self,
        filesystem: fsspec.AbstractFileSystem,
        path: str,
        *,
        seconds: float,
        is_dead: Callable[[dict[str, Any]], bool],
    ) -> None:
        self._filesystem = filesystem
        self._path = path
        self._seconds = seconds
        self._is_dead = is_dead
        self._mine = {"host": socket.gethostname(), "process": os.getpid(), "token": uuid.uuid4().hex}
        self._generation = 0
        self._until = FREE
        self._changing = threading.Lock()
        self._over = threading.Event()
        self._renewer = threading.Thread(target=self._keep_renewing, daemon=True)

    def acquire(self) -> None:
        """Wait until the lock is free, or its holder dead, and take it."""
        while not self._try():
            time.sleep(WAIT_SECONDS)
        self._renewer.start()

    def check(self) -> None:
        """Make sure of the lock for at least half of its time from now.

        Raises
        ------
        LostLeaseError
            it ran out, or somebody has taken it.
        """
        with self._changing:
            if self._until - time.time() < self._seconds / 2:
                self._renew()
            else:
                self._look()

    def wait(self) -> None:
        """Wait until whoever holds the lock now holds it no more."""
        at_first = self._generations()
        now = at_first
        while now and now[-1:] == at_first[-1:]:
            held = self._load(self._name(now[-1]))
            if held is not None and held["until"] == FREE:
                return
            if held is not None and self._is_dead(held):
                # Its holder may wake up and renew it, unless a higher one stands.
                self.acquire()
                self.release()
                return
            time.sleep(WAIT_SECONDS)
            now = self._generations()

    def release(self) -> None:
        """Give the lock back, unless somebody else has it."""
        self._over.set()
        self._renewer.join()
        with self._changing:
            if self._until > time.time():
                self._write(FREE)

    def _try(self) -> bool:
        generations = self._generations()
        if generations:
            held = self._load(self._name(generations[-1]))
            # Gone since it was listed: a higher one stands.
            if held is None or not self._is_dead(held):
                return False
        self._generation = (generations[-1] if generations else 0) + 1
        until = time.time() + self._seconds
        if not self._create(until):
            return False
        *older, newest = self._generations()
        if newest != self._generation:
            self._remove(self._generation)
            return False
        self._until = until
        for generation in older:
            self._remove(generation)
        return True

    def _keep_renewing(self) -> None:
        while not self._over.wait(self._seconds / 3):
            try:
                with self._changing:
                    self._renew()
            except LostLeaseError:
                return
            except Exception:
                # A store that does not answer, by whatever error of its client: asked again until the lease runs out.
                # Then `LostLeaseError` says so where something is to be published.
                continue

    def _renew(self) -> None:
        self._look()
        until = time.time() + self._seconds
        self._write(until)
        self._until = until

    def _look(self) -> None:
        # Looked at first: it may take longer than the lease counts.
        stands = self._generations()[-1:] == [self._generation]
        if not stands or self._until <= time.time():
            self._until = FREE
            raise LostLeaseError(
                f"the lock {self._path.rpartition('/')[2]} was lost: it could not be renewed within "
                f"{self._seconds:g} s, because the store did not answer or this machine was asleep, and other work "
                "may have taken it. Nothing more is published here; run it again."
            )

    def _write(self, until: float) -> None:
        self._filesystem.pipe_file(self._name(self._generation), self._content(until))

    def _content(self, until: float) -> bytes:
        return json.dumps({**self._mine, "until": until}).encode()

    def _create(self, until: float) -> bool:
        name = self._name(self._generation)
        try:
            create(self._filesystem, name, self._content(until))
        except OSError:
            # It exists; S3 answers "precondition failed", and "conflict" when two create an object at once.
            held = self._load(name)
            if held is None and self._generations()[-1:] < [self._generation]:
                raise
            # Created by this very request, when its answer was lost and it was sent again.
            return held is not None and held["token"] == self._mine["token"]
        return True

    def _generations(self) -> list[int]:
        """Generations there are, ascending."""
        self._filesystem.invalidate_cache(self._path)
        try:
            paths = self._filesystem.find(self._path)
        except FileNotFoundError:
            return []
        names = (path.rpartition("/")[2] for path in paths)
        return sorted(int(name) for name in names if name.isdigit())

    def _name(self, generation: int) -> str:
        return f"{self._path}/{generation}"

    def _remove(self, generation: int) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._filesystem.rm_file(self._name(generation))

    def _load(self, path: str) -> dict[str, Any] | None:
        self._filesystem.invalidate_cache(path)
        try:
            held: dict[str, Any] = json.loads(self._filesystem.cat_file(path))
        except FileNotFoundError:
            return None
        return held
