"""The files of the page, which come with the package: its own, and what it has in common with the report."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from starlette.responses import Response

_OWN = Path(__file__).parent / "page"
_REPORT = Path(__file__).parents[1] / "report" / "page"
_SHARED = {"base.js": "base.js", "palette.js": "palette.js", "report.css": "style.css"}
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}

PAGE_FILES = {
    **{path.name: path for path in sorted(_OWN.iterdir()) if path.suffix in _TYPES},
    **{name: _REPORT / file for name, file in _SHARED.items()},
}
"""By the name that they are asked by."""


@cache
def _content(name: str) -> bytes:
    return PAGE_FILES[name].read_bytes()


def page_file(name: str) -> Response:
    """One of `PAGE_FILES`."""
    kind = _TYPES[PAGE_FILES[name].suffix]
    return Response(
        _content(name), headers={"content-type": f"{kind}; charset=utf-8", "cache-control": "no-cache"}
    )
