"""From a figure's specification to PNG and SVG, and the library that draws it on the page."""

from __future__ import annotations

import io
import json
import os
import textwrap
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

from medembed_pipeline.pictures.figure import Picture, small_enough, told
from medembed_pipeline.pictures.palette import PAPER
from medembed_pipeline.pictures.specification import CONFIG, FONT, Figure, Spec

VEGA_LITE = "6.4"
WIDTH = 900
LINE = 136
"""Pixels that a picture is wide before it is enlarged, and letters in a line of its subtitle."""
FONT_SETTINGS = "FONTCONFIG_FILE"
FONT_OF_MORE_SIGNS = "DejaVu Sans"
"""Which matplotlib brings."""
LETTERS = (range(0x0180), range(0x0384, 0x03CF), range(0x0400, 0x0460))
"""Code points of Latin, Greek and Cyrillic that Liberation Sans has."""
PUNCTUATION = "\N{EN DASH}\N{EM DASH}\N{MINUS SIGN}\N{HORIZONTAL ELLIPSIS}\N{RIGHTWARDS ARROW}"
"""Further signs of figures that it has."""


def picture(figure: Figure) -> Picture:
    """The figure as it is before anybody has chosen, on white.

    Raises
    ------
    PictureError
        too large even at the lowest resolution.
    """
    title = {
        "text": told(figure.title),
        "subtitle": textwrap.wrap(told(figure.reading), LINE),
        "anchor": "start",
        "frame": "bounds",
        "color": "--text",
        "fontSize": 17,
        "offset": 14,
        "subtitleColor": "--muted",
        "subtitleFontSize": 12,
        "subtitleLineHeight": 16,
        "subtitlePadding": 6,
    }
    spec = {
        "autosize": {"type": "fit-x", "contains": "padding"},
        "width": WIDTH,
        **on_paper({**figure.drawing.wide, "title": title, "config": CONFIG}),
        "datasets": {name: list(rows) for name, rows in figure.chosen_data().items()},
        "padding": 14,
    }
    if not {"width", "facet"}.isdisjoint(figure.drawing.wide):
        # It has a width of its own.
        del spec["autosize"]
    if "facet" in figure.drawing.wide:
        del spec["width"]
    return rendered(spec)


def rendered(spec: Spec) -> Picture:
    """A complete Vega-Lite specification as PNG and SVG.

    Raises
    ------
    PictureError
        as `picture`.
    """
    library = _library()
    text = json.dumps(spec, ensure_ascii=False)
    if _lacks_signs(text):
        _add_fonts_of_the_machine()
        spec = json.loads(text.replace(f'"{PAPER[FONT]}"', f'"{FONT_OF_MORE_SIGNS}"'))
    svg: str = library.vegalite_to_svg(spec, vl_version=VEGA_LITE)
    png = small_enough(lambda scale: _without_alpha(library.svg_to_png(svg, scale=scale)))
    return Picture(png, svg.encode("utf-8"))


def _without_alpha(png: bytes) -> bytes:
    """The same on its own ground, and well compressed: half as large."""
    from PIL import Image

    packed = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").save(packed, format="PNG", compress_level=6)
    return packed.getvalue()


def on_paper(spec: Any) -> Any:
    """A specification with the colours of paper in place of their names."""
    if isinstance(spec, dict):
        return {key: on_paper(value) for key, value in spec.items()}
    if isinstance(spec, list):
        return [on_paper(value) for value in spec]
    return PAPER[spec] if isinstance(spec, str) and spec.startswith("--") else spec


@cache
def page_library() -> str:
    """JavaScript that draws specifications on the page, as one statement that leaves `vegaEmbed`.

    It comes out of the installed package. Expressions of a specification are interpreted,
    never made code, so a page that forbids eval can use it.
    """
    bundle: str = _library().javascript_bundle("window.vegaEmbed = vegaEmbed;", VEGA_LITE)
    return f"(() => {{{bundle}}})();"


def library_version() -> str:
    """Of what draws, on paper and on the page."""
    from importlib.metadata import version

    return f"{version('vl-convert-python')} {VEGA_LITE}"


@cache
def _library() -> ModuleType:
    """What draws, with the letters alone that it brings: Liberation Sans, in memory.

    It measures and draws letter by letter, and opens a font that lies in a file for each of them, tens of thousands of
    times a figure. Pictures are then the same on every machine, too.
    """
    import vl_convert

    before = os.environ.get(FONT_SETTINGS)
    os.environ[FONT_SETTINGS] = str(files("medembed_pipeline.pictures") / "data" / "no_fonts.conf")
    try:
        # The fonts are looked for in the first call.
        vl_convert.svg_to_png('<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>')
    finally:
        if before is None:
            del os.environ[FONT_SETTINGS]
        else:
            os.environ[FONT_SETTINGS] = before
    return vl_convert


@cache
def _add_fonts_of_the_machine() -> None:
    """For signs that Liberation Sans lacks: the fonts that matplotlib brings, and those of the machine."""
    from matplotlib import get_data_path
    from matplotlib.font_manager import findSystemFonts

    folders = {str(Path(file).parent) for file in findSystemFonts()}
    for folder in (str(Path(get_data_path()) / "fonts" / "ttf"), *sorted(folders)):
        _library().register_font_directory(folder)


def _lacks_signs(text: str) -> bool:
    """Whether a text has signs that Liberation Sans may not have."""
    return any(
        sign not in PUNCTUATION and not any(ord(sign) in letters for letters in LETTERS) for sign in set(text)
    )
