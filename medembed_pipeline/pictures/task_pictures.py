"""What the tuned model kept: the change in every task against what is tolerated, and the levels behind it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.figure import Picture, drawn, new_figure, quiet_grid
from medembed_pipeline.pictures.metrics_pictures import shorten
from medembed_pipeline.pictures.palette import (
    BASELINE_COLOR,
    GRID,
    LEXICAL_COLOR,
    MUTED_TEXT,
    NEARLY_BLACK,
    TEXT,
    TUNED_COLOR,
    WORSE_COLOR,
)

FAMILIES = {
    "passages": "Passages of held-out notes",
    "clinical_terms": "Clinical terms",
    "everyday_language": "Everyday language",
    "own": "Your own tasks",
}
_COLUMNS = {"task", "model", "value", "ci_low", "ci_high", "n", "is_main"}
_FACTS = ("name", "family", "metric", "tolerance", "decides", "problem", "difference", "ci_low", "ci_high")
_TINY = 1e-9

# Inches.
_ROW, _HEADING, _ABOVE, _BELOW = 0.46, 0.36, 1.45, 0.42

Row = Mapping[str, Any]


class _Look(NamedTuple):
    words: str
    color: str
    marker: str
    filled: bool = True


_LOOKS = {
    "kept": _Look("kept", TUNED_COLOR, "o"),
    "broken": _Look("broken", WORSE_COLOR, "v"),
    "not_judged": _Look("not judged", MUTED_TEXT, "s"),
    "informs": _Look("informs only", NEARLY_BLACK, "o", filled=False),
}


def task_state(task: Row) -> str:
    """How the verdict takes a task: kept, broken, not_judged or informs. It is not_judged where it has no figures.

    Args:
        task: a record of the facts of `task_metrics`.
    """
    if not task["decides"]:
        return "informs"
    if task["problem"]:
        return "not_judged"
    low, high, change = (task[name] for name in ("ci_low", "ci_high", "difference"))
    if _is_number(low) and low >= -task["tolerance"] - _TINY:
        return "kept"
    if _is_number(high) and high < 0 and change < -task["tolerance"]:
        return "broken"
    return "not_judged"


def tasks_picture(table: pa.Table, facts: Mapping[str, Any]) -> Picture:
    """Every task by its main metric: tuned minus baseline with its interval, and the levels of all three models.

    Args:
        table: `task_metrics`.
        facts: those of the table; `tasks` holds a record for each task.

    Raises:
        PictureError: columns or facts are missing, or there is no task.
    """
    missing = _COLUMNS.difference(table.column_names)
    if missing:
        raise PictureError(f"task_metrics: the columns {', '.join(sorted(missing))} are missing.")
    tasks: Sequence[Row] = facts.get("tasks") or ()
    if not tasks or any(name not in task for task in tasks for name in _FACTS):
        raise PictureError(
            f"task_metrics: expected facts of at least one task, each with {', '.join(_FACTS)}. "
            "Materialize task_metrics."
        )
    levels = {
        (row["task"], row["model"]): row
        for row in table.select(sorted(_COLUMNS)).to_pylist()
        if row["is_main"]
    }
    places, headings, depth = _places(tasks)
    height = _ABOVE + depth + _BELOW
    with new_figure(
        height=height,
        title="What the tuned model kept",
        subtitle=(
            "Each task by its main metric; bars are 95% intervals. Left: tuned minus baseline; the pale band is the "
            "fall that is tolerated.\nA task is kept where its whole interval lies right of the tolerance, broken "
            "where it fell by more and not by chance."
        ),
    ) as figure:
        change_axes = figure.add_axes((0.25, _BELOW / height, 0.28, depth / height))
        level_axes = figure.add_axes((0.69, _BELOW / height, 0.285, depth / height))
        # What was not measured is said across both panels.
        change_axes.set_zorder(2)
        change_axes.patch.set_visible(False)
        for axes in (change_axes, level_axes):
            quiet_grid(axes, axis="x")
            axes.spines[["left", "bottom"]].set_visible(False)
            axes.set_ylim(depth, 0)
            axes.set_yticks([])
        change_axes.axvline(0, color=BASELINE_COLOR, linewidth=1.2, zorder=1)
        for position, words in headings:
            _outside(change_axes, -0.82, position, words, TEXT, size=10.5, weight="bold")
        for task, position in zip(tasks, places, strict=True):
            _name(change_axes, task, position)
            if task["problem"]:
                words = shorten(f"not measured: {task['problem']}", 96)
                _outside(change_axes, 0.0, position, words, WORSE_COLOR, background="white")
                continue
            _change(change_axes, task, position)
            _levels(level_axes, levels, str(task["name"]), position)
        _limits(change_axes, tasks)
        _level_limits(level_axes, levels)
        _legend(figure, tasks, height)
        return drawn(figure)


def _places(tasks: Sequence[Row]) -> tuple[list[float], list[tuple[float, str]], float]:
    """Where each task and each heading stands, and how far down it goes: inches from the top of the axes.

    Tasks come family by family, in the order of FAMILIES, then those of families that it does not know.
    """
    known = list(FAMILIES)
    families = sorted(
        {str(task["family"]) for task in tasks},
        key=lambda name: (known.index(name) if name in known else len(known), name),
    )
    places = [0.0] * len(tasks)
    headings = []
    depth = 0.0
    for family in families:
        headings.append((depth + 0.6 * _HEADING, FAMILIES.get(family, family.replace("_", " "))))
        depth += _HEADING
        for number, task in enumerate(tasks):
            if task["family"] == family:
                places[number] = depth + _ROW / 2
                depth += _ROW
    return places, headings, depth


def _name(axes: Any, task: Row, position: float) -> None:
    _outside(axes, -0.82, position - 0.085, _both_ends(str(task["name"]).replace("_", " "), 26), TEXT)
    count = task.get("n") or 0
    items = f"{count:,} item{'' if count == 1 else 's'}" if count else ""
    below = ", ".join(words for words in (str(task["metric"]), items) if words)
    _outside(axes, -0.82, position + 0.085, below, MUTED_TEXT, size=8.5)


def _both_ends(name: str, most: int) -> str:
    """The name, its middle left out where it is too long: names of one kind often differ in their last word."""
    if len(name) <= most:
        return name
    last = most // 2 - 1
    return f"{name[: most - 1 - last].rstrip()}…{name[-last:].lstrip()}"


def _change(axes: Any, task: Row, position: float) -> None:
    """The difference with its interval, the band that is tolerated, and beside them what it comes to."""
    look = _LOOKS[task_state(task)]
    half = 0.36 * _ROW
    tolerance = task["tolerance"]
    if _is_number(tolerance):
        axes.fill_between(
            [-tolerance, 0], position - half, position + half, color=GRID, zorder=0.5, linewidth=0
        )
        axes.plot([-tolerance] * 2, [position - half, position + half], color=TEXT, linewidth=1.6, zorder=1.5)
    if _is_number(task["ci_low"]) and _is_number(task["ci_high"]):
        axes.plot([task["ci_low"], task["ci_high"]], [position] * 2, color=look.color, linewidth=2, zorder=2)
    axes.plot(
        task["difference"],
        position,
        marker=look.marker,
        color=look.color if look.filled else "white",
        markersize=8,
        zorder=3,
        markeredgecolor="white" if look.filled else look.color,
        markeredgewidth=0.8 if look.filled else 1.6,
    )
    change = (
        f"{task['difference']:+.3f}".replace("-", "\N{MINUS SIGN}") if _is_number(task["difference"]) else ""
    )
    _outside(axes, 1.06, position - 0.085, change, look.color, weight="bold")
    _outside(axes, 1.06, position + 0.085, look.words, look.color, size=8.5)


def _levels(axes: Any, levels: Mapping[tuple[str, str], Row], task: str, position: float) -> None:
    found = {
        model: levels[task, model]
        for model in ("lexical", "baseline", "tuned")
        if (task, model) in levels and _is_number(levels[task, model]["value"])
    }
    if "baseline" in found and "tuned" in found:
        ends = [found["baseline"]["value"], found["tuned"]["value"]]
        axes.plot(ends, [position] * 2, color=GRID, linewidth=6, zorder=1, solid_capstyle="butt")
    for model, color, marker, offset in (
        ("lexical", LEXICAL_COLOR, "D", 0.11),
        ("baseline", BASELINE_COLOR, "s", 0.0),
        ("tuned", TUNED_COLOR, "o", -0.11),
    ):
        if model not in found:
            continue
        row, place = found[model], position + offset
        if _is_number(row["ci_low"]) and _is_number(row["ci_high"]):
            axes.plot([row["ci_low"], row["ci_high"]], [place] * 2, color=color, linewidth=1.6, zorder=2)
        axes.plot(
            row["value"],
            place,
            marker=marker,
            color=color,
            markersize=5.5 if marker == "D" else 6.5,
            markeredgecolor="white",
            markeredgewidth=0.7,
            zorder=3,
        )


def _limits(axes: Any, tasks: Sequence[Row]) -> None:
    ends = [
        float(value)
        for task in tasks
        if not task["problem"]
        for value in (task["difference"], task["ci_low"], task["ci_high"], -task["tolerance"])
        if _is_number(value)
    ]
    low, high = min([-0.02, *ends]), max([0.02, *ends])
    room = 0.06 * (high - low)
    axes.set_xlim(low - room, high + room)
    axes.xaxis.get_major_locator().set_params(nbins=5)
    axes.xaxis.set_major_formatter(
        lambda value, _: f"{value:+.2g}".replace("-", "\N{MINUS SIGN}") if value else "0"
    )


def _level_limits(axes: Any, levels: Mapping[tuple[str, str], Row]) -> None:
    """From 0 to 1; further down only for a rank correlation that is below zero."""
    low = min(
        (
            float(value)
            for (_, model), row in levels.items()
            if model in ("baseline", "tuned", "lexical")
            for value in (row["value"], row["ci_low"])
            if _is_number(value)
        ),
        default=0.0,
    )
    axes.set_xlim(min(-0.02, 1.06 * low), 1.02)
    axes.xaxis.get_major_locator().set_params(nbins=5)


def _legend(figure: Any, tasks: Sequence[Row], height: float) -> None:
    """States that occur above the left panel, models above the right one."""
    head = 1 - 1.18 / height
    states = {task_state(task) for task in tasks}
    place = 0.25
    figure.text(
        place, head + 0.17 / height, "tuned minus baseline", color=MUTED_TEXT, fontsize=9.5, va="center"
    )
    for name, look in _LOOKS.items():
        if name in states:
            sign = {"o": "●" if look.filled else "○", "v": "▼", "s": "■"}[look.marker]
            figure.text(place, head, f"{sign} {look.words}", color=look.color, fontsize=9.5, va="center")
            place += 0.032 + 0.0085 * len(look.words)
    figure.text(0.69, head + 0.17 / height, "level", color=MUTED_TEXT, fontsize=9.5, va="center")
    for place, sign, words, color in (
        (0.69, "■", "baseline", BASELINE_COLOR),
        (0.785, "●", "tuned", TUNED_COLOR),
        (0.855, "◆", "word matching", LEXICAL_COLOR),
    ):
        figure.text(place, head, sign, color=color, fontsize=9.5, va="center")
        figure.text(place + 0.017, head, words, color=TEXT, fontsize=9.5, va="center")


def _outside(
    axes: Any,
    place: float,
    position: float,
    text: str,
    color: str,
    *,
    size: float = 9.5,
    weight: str = "normal",
    background: str | None = None,
) -> None:
    """A text at a share of the axes' width (below 0 or above 1: beside them) on the line of `position`."""
    axes.annotate(
        text,
        (place, position),
        xycoords=("axes fraction", "data"),
        va="center",
        fontsize=size,
        color=color,
        fontweight=weight,
        annotation_clip=False,
        zorder=5,
        bbox=None if background is None else {"facecolor": background, "edgecolor": "none", "pad": 1.5},
    )


def _is_number(value: Any) -> bool:
    return value is not None and math.isfinite(value)
