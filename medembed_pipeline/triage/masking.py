"""What a note or a picture still says when most of it is taken away."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.images.pixels import UInt8Array
from medembed_pipeline.words import read_words

_MASKS = Path(__file__).parent / "data" / "masks.toml"
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
SIDE: Final = 32
_AROUND_CENTRE: Final = 0.2


def numbers_alone(text: str) -> str:
    """The numbers of a text, each to two significant digits, and nothing else."""
    return " ".join(f"{float(f'{float(one):.2g}'):g}".replace(".", "point") for one in _NUMBER.findall(text))


@cache
def _pattern(kind: str) -> re.Pattern[str]:
    beginnings = sorted(read_words(_MASKS)[kind], key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, beginnings))})\w*", re.IGNORECASE)


def without_words(text: str, kind: str) -> str:
    """A text without the words of `data/masks.toml`.

    Parameters
    ----------
    text
        of a note.
    kind
        diagnosis, or picture.
    """
    return _pattern(kind).sub(" ", text)


def border_only(pixels: UInt8Array, border: float) -> UInt8Array:
    """A picture whose inside is black.

    Parameters
    ----------
    pixels
        uint8 [height, width], or with colours.
    border
        share of each side that is kept, on every side.
    """
    found = pixels.copy()
    found[_inside(pixels, border)] = 0
    return found


def centre_blacked_out(pixels: UInt8Array) -> UInt8Array:
    """A picture without its middle, where the lungs and the heart are.

    Reference: G. Maguolo, L. Nanni, "A critic evaluation of methods for COVID-19 automatic detection from X-ray
    images", Information Fusion 76 (2021).
    """
    return border_only(pixels, _AROUND_CENTRE)


def _inside(pixels: UInt8Array, border: float) -> tuple[slice, slice]:
    height, width = pixels.shape[:2]
    top, left = max(1, round(height * border)), max(1, round(width * border))
    return slice(top, height - top), slice(left, width - left)


def small_grey(pictures: Sequence[UInt8Array]) -> FloatArray:
    """Pictures as SIDE x SIDE grey pixels from 0 to 1, a row each. float64 [n, SIDE * SIDE]."""
    from PIL import Image

    rows = [
        np.asarray(
            Image.fromarray(one).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float64
        )
        for one in pictures
    ]
    return np.array([row.reshape(-1) / 255 for row in rows]).reshape(len(rows), SIDE * SIDE)
