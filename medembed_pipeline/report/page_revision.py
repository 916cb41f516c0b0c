"""The version of the page's code."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from medembed_pipeline import pictures
from medembed_pipeline.pictures.drawing import library_version
from medembed_pipeline.report import REVISION
from medembed_pipeline.rooms import files_of_rooms

PAGE_FOLDER = Path(__file__).with_name("page")
SECTION = "section.js"
"""A room's own sections of the page."""
FIGURES = "figures.py"
"""A room's own figures, on the page and in the UI."""


@cache
def page_revision() -> str:
    """The room's revision with a hash of what goes into every page: template, styles, scripts,
    figures, and what draws them."""
    hasher = hashlib.sha256(library_version().encode())
    rooms = (*files_of_rooms(SECTION).values(), *files_of_rooms(FIGURES).values())
    for path in (*sorted(PAGE_FOLDER.glob("*")), *rooms, *sorted(Path(pictures.__path__[0]).glob("*.py"))):
        if path.suffix in (".html", ".css", ".js", ".py"):
            hasher.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{REVISION}.{hasher.hexdigest()[:8]}"
