"""A study of settings: its course, what matters, and which values went with which scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.figure import Picture, drawn, new_figure, quiet_grid
from medembed_pipeline.pictures.palette import BLUE, GRID, MUTED_TEXT, ORANGE, TEXT, VERMILLION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ACROSS = 4
_LOOKS: dict[str, dict[str, Any]] = {
    "complete": {"marker": "o", "color": BLUE},
    "does not keep what must be kept": {"marker": "X", "color": VERMILLION},
    "ended early": {"marker": "v", "color": ORANGE},
}

Row = Mapping[str, Any]
Space = Sequence[Mapping[str, Any]]
"""A record per parameter: `name`, `kind` (real, whole or choice), `low`, `high`, `log`, `options`."""


def study_history_picture(table: pa.Table, *, score: str) -> Picture:
    """The score of every trial, and the best so far.

    Parameters
    ----------
    table
        of a study, as `study.table.trials_schema` describes it.
    score
        what the score is, in a few words.

    Raises
    ------
    PictureError
        no trial has a score.
    """
    rows = _scored(table)
    with new_figure(
        height=4.2,
        title="The course of the search",
        subtitle=f"Score: {score}.\nTrial 0 has the defaults. The best of many looks better than it is: it was "
        "chosen on the notes that scored it.",
    ) as figure:
        axes = figure.subplots()
        figure.subplots_adjust(left=0.08, right=0.97, top=0.70, bottom=0.13)
        quiet_grid(axes, axis="y")
        axes.spines["left"].set_visible(False)
        for name, members in _kinds(rows).items():
            axes.scatter(
                [row["number"] for row in members],
                [_value(row) for row in members],
                s=34,
                label=name,
                zorder=3,
                **_LOOKS[name],
            )
        best = _best_so_far(rows)
        if best:
            axes.step(*zip(*best, strict=True), where="post", color=TEXT, linewidth=1.6, label="best so far")
        axes.set_xlabel("trial")
        axes.locator_params(axis="x", integer=True)
        axes.margins(x=0.03, y=0.1)
        axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=4, frameon=False, handletextpad=0.3)
        return drawn(figure)


def study_importance_picture(importances: Sequence[Mapping[str, Any]]) -> Picture:
    """Of the score's variance that parameters explain by themselves, the share of each.

    Parameters
    ----------
    importances
        `parameter` and `importance`, the greatest first.

    Raises
    ------
    PictureError
        there are none.
    """
    if not importances:
        raise PictureError("importances: expected at least one; they need ten complete trials.")
    height = 1.5 + 0.34 * len(importances)
    with new_figure(
        height=height,
        title="What matters",
        subtitle="Of the score's variance that parameters explain by themselves, the share of each (fANOVA).",
    ) as figure:
        axes = figure.subplots()
        figure.subplots_adjust(left=0.30, right=0.93, top=1 - 0.85 / height, bottom=0.3 / height)
        quiet_grid(axes, axis="x")
        axes.spines[["left", "bottom"]].set_visible(False)
        shares = [float(one["importance"]) for one in importances]
        axes.barh(range(len(shares)), shares, height=0.6, color=BLUE)
        for place, share in enumerate(shares):
            axes.annotate(
                f"{share:.0%}",
                (share, place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                color=TEXT,
            )
        axes.set_yticks(range(len(shares)), [_words(one["parameter"]) for one in importances], color=TEXT)
        axes.set_ylim(len(shares) - 0.4, -0.6)
        axes.set_xlim(0, max(max(shares) * 1.12, 1e-9))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        return drawn(figure)


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


def study_slice_picture(table: pa.Table, space: Space) -> Picture:
    """The score by each parameter, one panel each; the later a trial, the darker.

    Raises
    ------
    PictureError
        no trial has a score.
    """
    rows = _scored(table)
    across = min(_ACROSS, len(space))
    down = -(-len(space) // across)
    height = 1.25 + 2.1 * down
    last = max(1, max(row["number"] for row in rows))
    with new_figure(
        height=height,
        title="The score by each value",
        subtitle="A point is a trial, the later the darker: the search draws more where scores are high. Crosses do "
        "not keep what must be kept.",
    ) as figure:
        panels = figure.subplots(down, across, sharey=True, squeeze=False)
        figure.subplots_adjust(
            left=0.08, right=0.98, top=1 - 0.95 / height, bottom=0.55 / height, wspace=0.12, hspace=0.5
        )
        for axes, one in zip(panels.flat, space, strict=False):
            _slice(axes, rows, one, last)
        for axes in list(panels.flat)[len(space) :]:
            axes.set_visible(False)
        return drawn(figure)


def _slice(axes: Axes, rows: Sequence[Row], one: Mapping[str, Any], last: int) -> None:
    quiet_grid(axes, axis="both")
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(_words(one["name"]), fontsize=9)
    axes.tick_params(labelsize=8.5)
    options = _options(one)
    for name, members in _kinds(rows).items():
        if not members:
            continue
        at = [options.index(str(row[one["name"]])) if options else row[one["name"]] for row in members]
        axes.scatter(
            at,
            [_value(row) for row in members],
            s=22,
            alpha=np.array([0.3 + 0.7 * row["number"] / last for row in members]),  # type: ignore[arg-type]
            **_LOOKS[name],
        )
    if options:
        axes.set_xticks(range(len(options)), options)
        axes.set_xlim(-0.6, len(options) - 0.4)
    elif one["log"]:
        axes.set_xscale("log")
        axes.minorticks_off()
        # Matplotlib's own words for powers of ten are mathematics, which pictures draw literally.
        ticks = np.geomspace(one["low"], one["high"], 3)
        axes.set_xticks(ticks, [f"{float(f'{tick:.2g}'):g}" for tick in ticks])
        axes.set_xlim(0.8 * one["low"], 1.25 * one["high"])


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


def _kinds(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {name: [] for name in _LOOKS}
    for row in rows:
        if row["state"] == "pruned":
            found["ended early"].append(row)
        else:
            found["complete" if row["allowed"] else "does not keep what must be kept"].append(row)
    return found


def _best_so_far(rows: Sequence[Row]) -> list[tuple[int, float]]:
    best, found = -np.inf, []
    for row in rows:
        if row["state"] == "complete" and row["allowed"]:
            best = max(best, _value(row))
        if np.isfinite(best):
            found.append((row["number"], float(best)))
    return found


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
