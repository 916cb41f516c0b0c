"""The files of the page, which come with the package."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from starlette.responses import Response

_FOLDER = Path(__file__).parent / "page"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
PAGE_FILES = frozenset(path.name for path in _FOLDER.iterdir() if path.suffix in _TYPES)


@cache
def _content(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()


def page_file(name: str) -> Response:
    """One of `PAGE_FILES`."""
    kind = _TYPES[Path(name).suffix]
    return Response(
        _content(name), headers={"content-type": f"{kind}; charset=utf-8", "cache-control": "no-cache"}
    )
