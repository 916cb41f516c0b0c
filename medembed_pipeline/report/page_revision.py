"""The version of the page's code."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from medembed_pipeline.report import REVISION
from medembed_pipeline.rooms import files_of_rooms

PAGE_FOLDER = Path(__file__).with_name("page")
SECTION = "section.js"
"""A room's own sections of the page."""


@cache
def page_revision() -> str:
    """The room's revision with a hash of the files that go into every page: template, styles and scripts."""
    hasher = hashlib.sha256()
    for path in (*sorted(PAGE_FOLDER.glob("*")), *files_of_rooms(SECTION).values()):
        if path.suffix in (".html", ".css", ".js"):
            hasher.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{REVISION}.{hasher.hexdigest()[:8]}"
