"""The audit log: who asked what kind of thing when, a JSON object a line, without text."""

from __future__ import annotations

import json
import os
import sys
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

from medembed_pipeline.serving.errors import ServingError


class AuditLog:
    """Appends lines to a file that only its owner reads, or to standard output.

    Parameters
    ----------
    path
        made where missing; None for standard output.

    Raises
    ------
    ServingError
        the file can't be opened.
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._own = path is not None
        if path is None:
            self._file: IO[str] = sys.stdout
            return
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise ServingError(f"{path}: the audit log can't be written ({type(error).__name__}).") from None
        self._file = os.fdopen(descriptor, "a", encoding="utf-8", buffering=1)

    def write(
        self,
        *,
        key: str,
        scope: str,
        route: str,
        status: int,
        texts: int,
        pictures: int,
        filtered: bool,
        snapshot: str,
        milliseconds: float,
    ) -> None:
        """One line.

        Parameters
        ----------
        key
            name of the key that asked.
        scope
            its scope.
        route
            the route's pattern, never the path that was asked for.
        status
            of the answer.
        texts, pictures
            how many texts or notes, and how many pictures, were asked about.
        filtered
            whether filters were given.
        snapshot
            the one that answered.
        milliseconds
            until the answer was ready.
        """
        line = {
            "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "key": key,
            "scope": scope,
            "asked": route,
            "status": status,
            "texts": texts,
            "pictures": pictures,
            "filtered": filtered,
            "snapshot": snapshot,
            "ms": round(milliseconds, 1),
        }
        with self._lock:
            print(json.dumps(line), file=self._file, flush=True)

    def close(self) -> None:
        """Close its file."""
        if self._own:
            self._file.close()
