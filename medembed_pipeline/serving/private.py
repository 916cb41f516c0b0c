"""What may be said of an error: never its message, unless it was written for a person."""

from __future__ import annotations

import traceback
from pathlib import Path

from medembed_pipeline.errors import MedembedError


def safe_words(error: BaseException) -> str:
    """The message of one of our own errors; of any other its type and where it arose, for it may quote a note."""
    if isinstance(error, MedembedError):
        return str(error)
    frames = [
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    return f"{type(error).__name__} at {' > '.join(frames[-6:])} (message withheld: it may quote a note)"
