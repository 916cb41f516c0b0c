"""The specialty classifier: its ladder, what it takes for what, and whether its probabilities are as often right."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.figure import Picture, drawn, interval_row, named_rows, new_figure, quiet_grid
from medembed_pipeline.pictures.palette import (
    BASELINE_COLOR,
    GRID,
    MUTED_TEXT,
    TEXT,
    TUNED_COLOR,
    WORSE_COLOR,
)

if TYPE_CHECKING:
    pass

MOST_LABELS = 40
_LADDER_METRICS = (("macro_f1", None, "macro-F1"), ("map", None, "mAP"), ("top", 1, "top-1 accuracy"))
_NAME_LENGTH = 30
_CELL = 0.24

Record = Mapping[str, Any]


def ladder_picture(ladder: Sequence[Record], served: str) -> Picture:
    """The rungs on validation notes, in what they are chosen by.

    Parameters
    ----------
    ladder
        the fact `ladder` of `label_probabilities`.
    served
        the rung that is.

    Raises
    ------
    PictureError
        there is no rung.
    """
    if not ladder:
        raise PictureError("label_probabilities: there is no rung to draw.")
    height = 1.5 + 0.4 * len(ladder)
    with new_figure(
        height=height,
        title="The ladder on validation notes",
        subtitle="What is chosen by, with its interval. Blue: the rung that is served.",
    ) as figure:
        axes = figure.subplots()
        figure.subplots_adjust(left=0.44, right=0.95, top=1 - 0.85 / height, bottom=0.42 / height)
        for place, row in enumerate(ladder):
            color = TUNED_COLOR if row["rung"] == served else BASELINE_COLOR
            interval_row(axes, place, row, color)
        named_rows(axes, [row["shown"] for row in ladder])
        return drawn(figure)


def held_out_ladder_picture(table: pa.Table, served: str) -> Picture:
    """The rungs on held-out notes in macro-F1, mAP and top-1 accuracy.

    Parameters
    ----------
    table
        `classification_metrics`.
    served
        the rung that is.

    Raises
    ------
    PictureError
        there is no figure over all notes.
    """
    rows = [row for row in table.to_pylist() if row["scope_kind"] == "all" and row["over"] is None]
    names = list(dict.fromkeys(row["model"] for row in rows))
    if not names:
        raise PictureError("classification_metrics: there is no figure over all notes.")
    height = 1.75 + 0.4 * len(names)
    with new_figure(
        height=height,
        title="The ladder on held-out notes",
        subtitle="With 95% intervals over groups of notes. Blue: the rung that is served.",
    ) as figure:
        panels = np.atleast_1d(figure.subplots(1, len(_LADDER_METRICS), sharey=True))
        figure.subplots_adjust(
            left=0.16, right=0.98, top=1 - 1.15 / height, bottom=0.42 / height, wspace=0.08
        )
        for axes, (metric, k, title) in zip(panels, _LADDER_METRICS, strict=True):
            found = {row["model"]: row for row in rows if (row["metric"], row["k"]) == (metric, k)}
            for place, name in enumerate(names):
                row = found[name]
                color = TUNED_COLOR if name == served else BASELINE_COLOR
                interval_row(axes, place, row, color)
            axes.set_title(title)
            named_rows(axes, [name.replace("_", " ") for name in names])
        return drawn(figure)


def confusion_picture(confusions: Sequence[Record], *, most: int = MOST_LABELS) -> Picture:
    """Which label is taken for which, in notes; the most frequent labels, at most `most`.

    Parameters
    ----------
    confusions
        the fact `confusions` of `classification_metrics`.
    most
        labels that are shown.

    Raises
    ------
    PictureError
        there is nothing to draw.
    """
    sizes: dict[str, int] = {}
    for row in confusions:
        sizes[row["expected"]] = sizes.get(row["expected"], 0) + row["notes"]
        sizes.setdefault(row["came"], 0)
    names = sorted(sizes, key=lambda name: (-sizes[name], name))[:most]
    if not names:
        raise PictureError("classification_metrics: no held-out note has a label that is predicted.")
    place = {name: position for position, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)))
    for row in confusions:
        if row["expected"] in place and row["came"] in place:
            counts[place[row["expected"]], place[row["came"]]] += row["notes"]
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    height = 3.2 + _CELL * max(4, len(names))
    with new_figure(
        height=height,
        title="What is taken for what",
        subtitle="Row: the expected label. Column: the likeliest one, in held-out notes. Blue: right. Red: wrong.",
    ) as figure:
        from matplotlib.colors import LinearSegmentedColormap

        axes = figure.subplots()
        figure.subplots_adjust(left=0.27, right=0.985, top=1 - 0.75 / height, bottom=2.3 / height)
        shade = counts / totals
        right = np.eye(len(names), dtype=bool)
        for own, color in ((right, TUNED_COLOR), (~right, WORSE_COLOR)):
            scale = LinearSegmentedColormap.from_list("one", ["#FFFFFF", color])
            axes.imshow(
                np.ma.masked_where(~own | (counts == 0), shade), cmap=scale, vmin=0, vmax=1, aspect="auto"
            )
        for row, column in np.argwhere(counts > 0):
            dark = shade[row, column] > 0.5
            axes.text(
                column,
                row,
                f"{counts[row, column]:.0f}",
                ha="center",
                va="center",
                fontsize=7,
                color="white" if dark else TEXT,
            )
        short = [name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH - 1]}…" for name in names]
        axes.set_xticks(range(len(names)), short, rotation=90, fontsize=7.5)
        axes.set_yticks(
            range(len(names)),
            [f"{name}  {sizes[full]}" for name, full in zip(short, names, strict=True)],
            fontsize=7.5,
        )
        axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
        axes.grid(which="minor", color=GRID, linewidth=0.5)
        axes.tick_params(which="minor", length=0)
        axes.spines[:].set_visible(False)
        return drawn(figure)


def reliability_picture(pooled: Sequence[Record], top: Sequence[Record]) -> Picture:
    """What the probabilities said, and how often it was true.

    Parameters
    ----------
    pooled
        of all pairs of note and label.
    top
        of the likeliest label of each note.

    Raises
    ------
    PictureError
        there is nothing to draw.
    """
    if not pooled:
        raise PictureError("classification_metrics: there is no probability to draw.")
    height = 4.6
    with new_figure(
        height=height,
        title="Are the probabilities right?",
        subtitle="On the diagonal they are as often true as they say. The area of a point: its predictions.",
    ) as figure:
        panels = np.atleast_1d(figure.subplots(1, 2))
        figure.subplots_adjust(left=0.08, right=0.97, top=1 - 1.1 / height, bottom=0.6 / height, wspace=0.22)
        shown = ((pooled, "every pair of note and label"), (top, "the likeliest label of each note"))
        for axes, (records, title) in zip(panels, shown, strict=True):
            largest = max((record["n"] for record in records), default=1)
            axes.plot([0, 1], [0, 1], color=MUTED_TEXT, linewidth=1)
            for record in records:
                axes.plot(
                    record["said"],
                    record["true"],
                    "o",
                    color=TUNED_COLOR,
                    alpha=0.8,
                    markersize=4 + 14 * math.sqrt(record["n"] / largest),
                )
                axes.annotate(
                    f"{record['n']:,}",
                    (record["said"], record["true"]),
                    textcoords="offset points",
                    xytext=(0, -13),
                    ha="center",
                    fontsize=7,
                    color=MUTED_TEXT,
                )
            quiet_grid(axes, axis="both")
            axes.set_xlim(-0.04, 1.04)
            axes.set_ylim(-0.08, 1.06)
            axes.set_title(title)
            axes.set_xlabel("said")
        panels[0].set_ylabel("true")
        return drawn(figure)
