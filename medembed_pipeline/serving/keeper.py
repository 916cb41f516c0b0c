"""The snapshot in use, and the thread that looks for another: built whole beside it, then put in its place."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from medembed_pipeline.serving.errors import NothingReleasedError
from medembed_pipeline.serving.parts import SnapshotParts
from medembed_pipeline.serving.private import safe_words
from medembed_pipeline.serving.snapshot import Snapshot

RETRY_SECONDS = 30.0
"""How long after a snapshot could not be built the same one is tried again."""

Build = Callable[[SnapshotParts], Snapshot]


class SnapshotKeeper:
    """Holds the current snapshot; `current` is read once by a request, which keeps what it got.

    Parameters
    ----------
    read
        what a snapshot would be made of now (`read_parts`).
    build
        makes it.
    watch_seconds
        between two looks.
    settle_seconds
        how long a run may be under way before its half of the tables is taken.
    say
        told what happens, in words without text of notes.
    on_swap, on_failure
        told that a snapshot was put in place, or that none could be made.
    clock
        seconds, for tests.
    """

    def __init__(
        self,
        read: Callable[[], SnapshotParts],
        build: Build,
        *,
        watch_seconds: float,
        settle_seconds: float,
        say: Callable[[str], None] = lambda _: None,
        on_swap: Callable[[Snapshot], None] = lambda _: None,
        on_failure: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._build = build
        self._watch_seconds = watch_seconds
        self._settle_seconds = settle_seconds
        self._say = say
        self._on_swap = on_swap
        self._on_failure = on_failure
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._unsettled_since: float | None = None
        self._failed: tuple[str, float] | None = None
        self._said = ""
        self.current: Snapshot | None = None
        self.reason = "the snapshot is being loaded"
        """Why there is none; fit to be answered to anybody."""

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End; a snapshot in the making is not waited for."""
        self._stop.set()

    def look(self) -> bool:
        """Look once; True where another snapshot was put in place."""
        try:
            parts = self._read()
            if not self._is_wanted(parts):
                return False
        except Exception as error:
            self._note(error, "")
            return False
        try:
            made = self._build(parts)
        except Exception as error:
            self._failed = (parts.id, self._clock() + RETRY_SECONDS)
            self._note(error, parts.id)
            return False
        self._failed, self._unsettled_since, self._said = None, None, ""
        self.current = made
        self.reason = ""
        self._on_swap(made)
        return True

    def _is_wanted(self, parts: SnapshotParts) -> bool:
        now = self._clock()
        if self._failed is not None and self._failed[0] == parts.id and now < self._failed[1]:
            return False
        current = self.current
        if current is None:
            return True
        if parts.id == current.id or parts.only_lacks_what(current.parts):
            self._unsettled_since = None
            return False
        if parts.settled:
            self._unsettled_since = None
            return True
        if self._unsettled_since is None:
            self._unsettled_since = now
        return now - self._unsettled_since >= self._settle_seconds

    def _note(self, error: Exception, snapshot: str) -> None:
        words = safe_words(error)
        if isinstance(error, NothingReleasedError):
            self.reason = str(error)
        elif self.current is None:
            self.reason = "the snapshot could not be made; the service's own output says why"
        told = "" if self.current is None else f"; snapshot {self.current.id} stays in use"
        if words != self._said:
            # Once, not at every look.
            self._said = words
            self._say(f"{f'snapshot {snapshot}: ' if snapshot else ''}{words}{told}")
        if not isinstance(error, NothingReleasedError):
            self._on_failure()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.look()
            self._stop.wait(self._watch_seconds)
