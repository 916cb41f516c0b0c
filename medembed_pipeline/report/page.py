"""The page as bytes: template, styles, scripts and data in one file, that asks nothing of anybody."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from medembed_pipeline.pictures.drawing import page_library
from medembed_pipeline.pictures.specification import CONFIG
from medembed_pipeline.report.errors import ReportError
from medembed_pipeline.report.figures_part import figures_part
from medembed_pipeline.report.page_revision import PAGE_FOLDER, SECTION
from medembed_pipeline.rooms import files_of_rooms

SCRIPTS = (
    "base.js",
    "data.js",
    "state.js",
    "palette.js",
    "schemes.js",
    "camera.js",
    "webgl.js",
    "canvas.js",
    "viewer.js",
    "gestures.js",
    "search.js",
    "mapview.js",
    "panel.js",
    "charts.js",
    "tables.js",
    "selection.js",
    "selection_view.js",
    "cases.js",
    "cases_view.js",
    "case_panel.js",
    "figures.js",
    "main.js",
)
"""In the order in which they run, those of the rooms before the last; each adds to one object, `medembedPage`."""

_PLAIN_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.js")
_COMPRESSION = 6


def render_page(
    payload: Mapping[str, Any], texts: Sequence[str] | None, *, texts_file: str | None = None
) -> bytes:
    """One HTML file that opens by double-click, without a server and without a request.

    A content security policy lets nothing run but the page's own script, by its hash, and nothing be loaded but, where
    there is one, the file of texts. Texts and payload are base64, so no note can end the element it stands in; the
    script shows them as text, never as markup.

    Parameters
    ----------
    payload
        of `build_payload`; numbers are finite or None. The figures are made of it here.
    texts
        of the notes, in their order; None where they are not in the page.
    texts_file
        name of the file beside the page that `render_texts_file` made; None where there is none.

    Returns
    -------
    bytes
        UTF-8. The same arguments give the same bytes.

    Raises
    ------
    ReportError
        texts of another number than the notes, texts both in and beside the page, a name of a texts file that is no
        plain name, or a payload that is not JSON.
    """
    notes = len(payload["notes"]["id"])
    if texts is not None and len(texts) != notes:
        raise ReportError(f"{len(texts)} texts for {notes} notes; expected one each, in the same order.")
    if texts is not None and texts_file is not None:
        raise ReportError(
            f"texts both in the page and in '{texts_file}' beside it; pass one of them and None for the other."
        )
    if texts_file is not None and not _PLAIN_FILE_NAME.fullmatch(texts_file):
        raise ReportError(
            f"texts_file='{texts_file}' is not a plain file name; expected letters, digits, '_', '-' and '.', with "
            "the ending .js."
        )
    template, style, script = page_parts()
    library = page_library()
    _refuse_an_early_end("the library that draws figures", library, "</script", "<!--")
    script = f"{library}\n{script}"
    values = {
        "POLICY": content_security_policy(style, script, texts_file=texts_file is not None),
        "TITLE": html.escape(str(payload["title"])),
        "STYLE": style,
        "SCRIPT": script,
        "PAYLOAD": packed({**payload, "figures": figures_part(payload), "look": CONFIG}),
        "TEXTS": packed(list(texts)) if texts is not None else "",
        "TEXTS_FILE": texts_file or "",
    }
    page = re.sub(r"@@([A-Z_]+)@@", lambda match: values[match.group(1)], template)
    return page.encode("utf-8")


def render_texts_file(texts: Sequence[str]) -> bytes:
    """The texts as a script that lies beside the page, for more notes than a page should hold.

    A script, because a page opened by double-click may not read any other kind of file.
    """
    return f'medembedTexts("{packed(list(texts))}");\n'.encode("ascii")


def packed(value: Any) -> str:
    """base64(gzip(JSON)). The same value gives the same text.

    Raises
    ------
    ReportError
        a value that JSON does not know, such as NaN.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise ReportError(
            f"the data of the page is not JSON ({type(error).__name__}); expected finite numbers, None, strings, "
            "lists and mappings."
        ) from None
    # A lone surrogate is no UTF-8; a note that holds one is shown with the replacement character.
    data = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode("utf-8")
    return base64.b64encode(gzip.compress(data, _COMPRESSION, mtime=0)).decode("ascii")


def content_security_policy(style: str, script: str, *, texts_file: bool) -> str:
    """Nothing is allowed but this very style and script; pictures that the page itself makes; and the texts file."""
    beside = " 'self' file:" if texts_file else ""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_source(script)}{beside}",
            f"style-src {_source(style)}",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


@cache
def page_parts() -> tuple[str, str, str]:
    """Template, style and the page's own script.

    Raises
    ------
    ReportError
        a script that would end its own element, or a file that is not listed in SCRIPTS.
    """
    lost = {path.name for path in PAGE_FOLDER.glob("*.js")} ^ set(SCRIPTS)
    if lost:
        raise ReportError(f"{PAGE_FOLDER}: SCRIPTS and the folder differ by {', '.join(sorted(lost))}.")
    template = (PAGE_FOLDER / "page.html").read_text("utf-8")
    style = (PAGE_FOLDER / "style.css").read_text("utf-8")
    *first, last = (PAGE_FOLDER / name for name in SCRIPTS)
    script = "\n".join(path.read_text("utf-8") for path in (*first, *files_of_rooms(SECTION).values(), last))
    _refuse_an_early_end("style.css", style, "</style")
    _refuse_an_early_end("script", script, "</script", "<!--")
    return template, style, script


def _refuse_an_early_end(name: str, text: str, *forbidden: str) -> None:
    found = [part for part in forbidden if part in text.lower()]
    if found:
        raise ReportError(f"{name}: contains '{found[0]}', which would end its element in the page.")


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"
