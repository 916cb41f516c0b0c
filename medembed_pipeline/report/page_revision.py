"""The version of the page's code."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from medembed_pipeline.report import REVISION

PAGE_FOLDER = Path(__file__).with_name("page")


@cache
def page_revision() -> str:
    """The room's revision with a hash of the files that go into every page: template, styles and scripts."""
    hasher = hashlib.sha256()
    for path in sorted(PAGE_FOLDER.glob("*")):
        if path.suffix in (".html", ".css", ".js"):
            hasher.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{REVISION}.{hasher.hexdigest()[:8]}"
