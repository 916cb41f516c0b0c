"""What the pictures share: their look, and their way to a PNG that fits into an asset's metadata."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.palette import GRID, MUTED_TEXT, TEXT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LARGEST_BYTES = 200_000
WIDTH_INCHES = 9.0

# The first makes 1080 pixels: what fits into the window in which the UI opens a picture.
_SCALES = (1.2, 1.0, 0.8, 0.6)
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED_TEXT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": TEXT,
    "xtick.color": MUTED_TEXT,
    "ytick.color": MUTED_TEXT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "text.parse_math": False,
    # The same picture gives the same bytes.
    "svg.hashsalt": "medembed",
    "svg.fonttype": "none",
}


_held_out: ContextVar[bool] = ContextVar("held_out", default=True)


@contextmanager
def without_held_out() -> Iterator[None]:
    """Pictures drawn inside do not call notes held out: for notes of which nobody knows whether they are."""
    token = _held_out.set(False)
    try:
        yield
    finally:
        _held_out.reset(token)


class Picture(NamedTuple):
    """One drawing in two formats: `png` at most LARGEST_BYTES, for the UI; `svg` for print and slides."""

    png: bytes
    svg: bytes


@contextmanager
def new_figure(*, height: float, title: str, subtitle: str = "") -> Iterator[Figure]:
    """A figure WIDTH_INCHES wide and `height` inches high, in the style of all pictures.

    Without pyplot, hence without global state: safe in threads and without a display. Texts are drawn
    literally, so that a `$` in a specialty's name is not taken for mathematics.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(cast("Any", _STYLE)):
        figure = Figure(figsize=(WIDTH_INCHES, height), facecolor="white")
        FigureCanvasAgg(figure)
        figure.text(0.02, 1 - 0.12 / height, title, fontsize=13.5, fontweight="bold", va="top")
        if subtitle:
            figure.text(
                0.02, 1 - 0.40 / height, subtitle, fontsize=10, color=MUTED_TEXT, va="top", linespacing=1.4
            )
        yield figure


def quiet_grid(axes: Axes, *, axis: str) -> None:
    """Light grid lines behind the data, along one axis."""
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis=axis, color=GRID, linewidth=0.8)  # type: ignore[arg-type]


def drawn(figure: Figure) -> Picture:
    """The figure in both formats. Call it inside `new_figure`, whose style it draws with.

    Raises
    ------
    PictureError
        see `png`.
    """
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_text(told(text.get_text()))
    vector = io.BytesIO()
    figure.savefig(vector, format="svg", metadata={"Date": None, "Creator": None})
    return Picture(png(figure), vector.getvalue())


def told(text: str) -> str:
    """The text as it stands in a picture: see `without_held_out`."""
    return text if _held_out.get() else text.replace("held-out ", "").replace("all split, ", "")


def png(figure: Figure) -> bytes:
    """The figure as PNG, at most LARGEST_BYTES; see `small_enough`."""

    def draw(scale: float) -> bytes:
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=100 * scale, metadata={"Software": None})
        return drawn.getvalue()

    return small_enough(draw)


def small_enough(draw: Callable[[float], bytes]) -> bytes:
    """A PNG of at most LARGEST_BYTES.

    At the highest resolution that fits, from 1,080 pixels width downwards; in full colour where that fits, else
    with a palette of 256 colours that keeps the rarest ones (the median-cut palette lost a specialty's colour).

    Parameters
    ----------
    draw
        gives a PNG, enlarged from 900 pixels width by a factor.

    Raises
    ------
    PictureError
        too large even at the lowest resolution.
    """
    from PIL import Image

    size = 0
    for scale in _SCALES:
        full = draw(scale)
        if len(full) <= LARGEST_BYTES:
            return full
        small = io.BytesIO()
        with Image.open(io.BytesIO(full)) as image:
            image.convert("RGB").quantize(
                256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
            ).save(small, format="PNG", optimize=True)
        size = small.tell()
        if size <= LARGEST_BYTES:
            return small.getvalue()
    raise PictureError(
        f"a picture takes {size} bytes at its lowest resolution; expected at most {LARGEST_BYTES}."
    )


def shorten(name: str, most: int) -> str:
    """The name, cut off with an ellipsis where it is longer than `most` characters."""
    return name if len(name) <= most else name[: most - 1].rstrip() + "…"


def spread_labels(values: Sequence[float], *, gap: float) -> list[float]:
    """Positions close to `values`, in their order, at least `gap` apart."""
    order = sorted(range(len(values)), key=lambda index: values[index])
    positions = [float(value) for value in values]
    for lower, upper in itertools.pairwise(order):
        positions[upper] = max(positions[upper], positions[lower] + gap)
    shift = sum(position - value for position, value in zip(positions, values, strict=True)) / max(
        1, len(values)
    )
    return [position - shift for position in positions]
