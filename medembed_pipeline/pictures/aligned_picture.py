"""Where notes went from baseline to tuned, and how far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.figure import Picture, drawn, new_figure, shorten
from medembed_pipeline.pictures.maps_picture import (
    ALIGNED_METHODS,
    METHOD_NAMES,
    MOST_VECTOR_NOTES,
    map_places,
    square_frame,
)
from medembed_pipeline.pictures.palette import (
    GRID,
    MUTED_TEXT,
    NEARLY_BLACK,
    TEXT,
    legend_styles,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ARROWS = 40

_DOT = "#C4C9D0"
_PANELS = ("aligned_umap", "joint_pca")
_HISTOGRAM_BINS = 50


def arrows_picture(
    projections: pa.Table,
    displacement: pa.Table,
    specialties: Mapping[str, Sequence[str]],
    *,
    noise_floors: Sequence[Mapping[str, Any]],
    most: int = MOST_ARROWS,
) -> Picture:
    """The notes that moved most, as arrows on the 2-D maps that hold both models.

    Parameters
    ----------
    projections
        the `aligned_projections` table.
    displacement
        the `note_displacement` table; its `rank` chooses the arrows.
    specialties
        the specialties of each note by note_id; a note that is missing here has none.
    noise_floors
        the fact of that name of `aligned_projections`.
    most
        how many arrows.

    Raises
    ------
    PictureError
        there is no aligned map in 2-D, or displacement holds other notes.
    """
    floors = {row["method"]: float(row["noise_floor"]) for row in noise_floors if row["dimensions"] == 2}
    shown = [method for method in _PANELS if method in floors]
    if not shown:
        raise PictureError(
            f"aligned_projections: no 2-D map by any of {', '.join(sorted(ALIGNED_METHODS))}. Materialize it again."
        )
    rank = dict(zip(displacement["note_id"].to_pylist(), displacement["rank"].to_pylist(), strict=True))
    chosen = sorted(rank, key=rank.__getitem__)[:most]
    styles, style_of = legend_styles({note_id: specialties.get(note_id) or () for note_id in chosen})
    by = (
        "in the full space"
        if displacement["displacement"].null_count == 0
        else "away from their old neighbours"
    )
    with new_figure(
        height=4.62,
        title="Where the notes went that moved most",
        subtitle=(
            f"Grey: all {len(rank):,} notes, tuned. Arrows: the {len(chosen)} notes that moved farthest {by}, from "
            "baseline (ring) to tuned.\nDotted: shorter than the noise floor (the radius of the circle), so a note "
            "that did not move may show it, too."
        ),
    ) as figure:
        for left, method in zip((0.02, 0.388), shown, strict=False):
            axes = figure.add_axes((left, 0.02, 0.355, 0.69))
            note_ids, places = map_places(projections, method)
            if set(note_ids) != set(rank):
                raise PictureError(
                    f"note_displacement has {len(rank)} notes and the {method} map {len(note_ids)}, and not the same "
                    "ones. Materialize both again."
                )
            row_of = {note_id: row for row, note_id in enumerate(note_ids)}
            axes.set_title(METHOD_NAMES[method], pad=6)
            axes.set_title(
                f"noise floor {_short(floors[method])}",
                loc="right",
                fontsize=9,
                fontweight="normal",
                color=MUTED_TEXT,
                pad=6,
            )
            axes.scatter(
                places["tuned"][:, 0],
                places["tuned"][:, 1],
                s=float(np.clip(4000 / len(note_ids), 1.2, 12)),
                c=_DOT,
                linewidths=0,
                rasterized=len(note_ids) > MOST_VECTOR_NOTES,
            )
            for note_id in reversed(chosen):
                row, style = row_of[note_id], styles[style_of[note_id]]
                _arrow(
                    axes,
                    places["baseline"][row],
                    places["tuned"][row],
                    color=style.color,
                    marker=style.marker,
                    floor=floors[method],
                )
            square_frame(axes, np.vstack(list(places.values())))
            _floor_circle(axes, floors[method])
        legend = figure.add_axes((0.75 if len(shown) > 1 else 0.388, 0.02, 0.24, 0.69))
        legend.axis("off")
        handles = [
            legend.scatter(
                [],
                [],
                s=38,
                c=style.color,
                marker=style.marker,
                label=f"{shorten(style.name, 22)} ({style.notes:,})",
            )
            for style in styles
        ]
        box = legend.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(-0.02, 1.02),
            frameon=False,
            fontsize=9,
            labelcolor=TEXT,
            handletextpad=0.3,
            labelspacing=0.62,
            borderpad=0,
            title="specialty (arrows)",
            title_fontsize=9,
            alignment="left",
        )
        box.get_title().set_color(MUTED_TEXT)
        return drawn(figure)


def _arrow(
    axes: Axes,
    start: npt.NDArray[np.float64],
    end: npt.NDArray[np.float64],
    *,
    color: str,
    marker: str,
    floor: float,
) -> None:
    """A ring where the note was, its specialty's marker where it is, and an arrow between them."""
    below = float(np.hypot(*(end - start))) <= floor
    axes.annotate(
        "",
        xy=(float(end[0]), float(end[1])),
        xytext=(float(start[0]), float(start[1])),
        arrowprops={
            "arrowstyle": "-" if below else "->",
            "color": color,
            "linewidth": 0.9,
            "linestyle": ":" if below else "-",
            "shrinkA": 2,
            "shrinkB": 2,
            "alpha": 0.55 if below else 0.9,
        },
    )
    axes.scatter([start[0]], [start[1]], s=11, facecolors="white", edgecolors=color, linewidths=0.9, zorder=3)
    crossed = marker == "x"
    axes.scatter(
        [end[0]],
        [end[1]],
        s=17,
        c=color,
        marker=marker,
        linewidths=0.9 if crossed else 0.3,
        edgecolors=None if crossed else "white",
        zorder=4,
    )


def _floor_circle(axes: Axes, floor: float) -> None:
    """A circle with the noise floor as radius, in the lower left corner; a dot where it is next to nothing."""
    from matplotlib.patches import Circle

    (left, right), low = axes.get_xlim(), axes.get_ylim()[0]
    reach = right - left
    radius = max(floor, 0.004 * reach)
    middle = (left + radius + 0.03 * reach, low + radius + 0.03 * reach)
    axes.add_patch(Circle(middle, radius, facecolor=GRID, edgecolor=NEARLY_BLACK, linewidth=0.8, zorder=5))


def _short(value: float) -> str:
    """Two digits that count; 0 below a millionth, which is rounding."""
    return "0" if value < 1e-6 else f"{value:.2g}"
