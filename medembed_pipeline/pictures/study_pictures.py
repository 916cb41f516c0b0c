"""A study of settings: its course, what matters, and which values went with which scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.figure import Picture, drawn, new_figure
from medembed_pipeline.pictures.palette import BLUE, GRID, MUTED_TEXT, ORANGE, TEXT, VERMILLION

if TYPE_CHECKING:
    pass

_ACROSS = 4
_LOOKS: dict[str, dict[str, Any]] = {
    "complete": {"marker": "o", "color": BLUE},
    "does not keep what must be kept": {"marker": "X", "color": VERMILLION},
    "ended early": {"marker": "v", "color": ORANGE},
}

Row = Mapping[str, Any]
Space = Sequence[Mapping[str, Any]]
"""A record per parameter: `name`, `kind` (real, whole or choice), `low`, `high`, `log`, `options`."""


def study_parallel_picture(table: pa.Table, space: Space) -> Picture:
    """Every complete trial as a line through its values; the better its score, the darker.

    Raises
    ------
    PictureError
        no trial has a score.
    """
    rows = sorted((row for row in _scored(table) if row["state"] == "complete"), key=_value)
    if not rows:
        raise PictureError("study: no trial is complete.")
    scores = np.array([_value(row) for row in rows])
    heights = {one["name"]: _heights([row[one["name"]] for row in rows], one) for one in space}
    names = list(heights)
    # Better trials are drawn last, and darker: by rank, so that one bad trial does not make all others alike.
    ranks = np.argsort(np.argsort(scores)) / max(1, len(scores) - 1)
    with new_figure(
        height=4.6,
        title="Values that went together",
        subtitle="A line is a trial; the darker, the better its score. The best is thick. Trials that were ended early "
        "or failed are left out.",
    ) as figure:
        axes = figure.subplots()
        figure.subplots_adjust(left=0.07, right=0.95, top=0.79, bottom=0.17)
        axes.axis("off")
        axes.set_xlim(-0.25, len(names) - 0.75)
        axes.set_ylim(-0.14, 1.12)
        for place in range(len(names)):
            axes.plot([place, place], [0, 1], color=GRID, linewidth=1.4, zorder=0)
        for at, rank in enumerate(ranks):
            best = bool(rows[at]["best"])
            axes.plot(
                range(len(names)),
                [heights[name][at] for name in names],
                color=BLUE if not best else TEXT,
                alpha=1.0 if best else 0.10 + 0.6 * float(rank) ** 2,
                linewidth=2.6 if best else 1.3,
                zorder=3 if best else 1 + float(rank),
            )
        for place, one in enumerate(space):
            low, high = _end_words(one)
            axes.text(place, 1.06, high, ha="center", color=MUTED_TEXT, fontsize=8.5)
            axes.text(place, -0.09, low, ha="center", color=MUTED_TEXT, fontsize=8.5)
            axes.text(
                place,
                -0.19,
                _words(one["name"]).replace(" ", "\n"),
                ha="center",
                va="top",
                color=TEXT,
                fontsize=9,
            )
        return drawn(figure)


def _scored(table: pa.Table) -> list[Row]:
    rows = [row for row in table.to_pylist() if row["state"] != "failed" and np.isfinite(_value(row))]
    if not rows:
        raise PictureError("study: no trial has a score. Set [study] trials, and materialize the study.")
    return rows


def _value(row: Row) -> float:
    """The score; of a trial that was ended early its last one on the way."""
    if row["score"] is not None:
        return float(row["score"])
    return float(row["step_scores"][-1]) if row["step_scores"] else float("nan")


def _options(one: Mapping[str, Any]) -> list[str]:
    return str(one["options"]).split(", ") if one["kind"] == "choice" else []


def _heights(values: Sequence[Any], one: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    """float64 [n], from 0 at the lower end to 1 at the upper one."""
    options = _options(one)
    if options:
        return np.array([options.index(str(value)) for value in values]) / (len(options) - 1)
    ends = np.array([one["low"], one["high"]], dtype=np.float64)
    found = np.array(values, dtype=np.float64)
    if one["log"]:
        ends, found = np.log(ends), np.log(found)
    heights: npt.NDArray[np.float64] = (found - ends[0]) / (ends[1] - ends[0])
    return heights


def _end_words(one: Mapping[str, Any]) -> tuple[str, str]:
    options = _options(one)
    if options:
        return options[0], options[-1]
    return f"{one['low']:g}", f"{one['high']:g}"


def _words(name: str) -> str:
    return str(name).replace("_", " ")
