"""What the process writes: our own lines, and of everybody else's only where they come from.

A library's log line, warning or traceback may quote a note.
"""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from datetime import datetime, timezone
from types import TracebackType
from typing import TextIO

from medembed_pipeline.serving.private import safe_words


def say(words: str) -> None:
    """A line of our own, with its time, on standard error."""
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    print(f"{now} {words}", file=sys.stderr, flush=True)


class PlaceOnly(logging.Handler):
    """Tells that a library logged something, and where; never what."""

    def emit(self, record: logging.LogRecord) -> None:
        """See the class."""
        error = record.exc_info[1] if record.exc_info else None
        told = f": {safe_words(error)}" if error is not None else ""
        say(f"{record.levelname.lower()} of {record.name} at {record.filename}:{record.lineno}{told}")


def guard_process() -> None:
    """Let nothing of what others write reach the output, in this process and from now on."""
    logging.basicConfig(handlers=[PlaceOnly(logging.WARNING)], level=logging.WARNING, force=True)
    for name in list(logging.root.manager.loggerDict):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    warnings.showwarning = _warned
    sys.excepthook = _failed
    threading.excepthook = lambda failed: say(
        f"a thread failed: {safe_words(failed.exc_value or Exception())}"
    )
    sys.unraisablehook = lambda failed: say(f"ignored: {safe_words(failed.exc_value or Exception())}")


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    say(f"{category.__name__} at {filename.rpartition('/')[2]}:{lineno}")


def _failed(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    say(f"failed: {safe_words(error)}")
