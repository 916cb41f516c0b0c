"""What tuning has cost a model of what it knew: changes against their tolerance, and where each model stands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.figure import Picture, drawn, new_figure, quiet_grid
from medembed_pipeline.pictures.palette import (
    BASELINE_COLOR,
    GRID,
    MUTED_TEXT,
    ORANGE,
    TEXT,
    TUNED_COLOR,
    WORSE_COLOR,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MINUS = "\N{MINUS SIGN}"
_COLORS = {"kept": TUNED_COLOR, "lost": WORSE_COLOR, "unclear": ORANGE}
_LEVELS = (("lexical", MUTED_TEXT, "x"), ("baseline", BASELINE_COLOR, "s"), ("tuned", TUNED_COLOR, "o"))

Row = Mapping[str, Any]


def task_changes_picture(table: pa.Table) -> Picture:
    """The change of each task's main metric with its interval, and the fall that is accepted.

    Parameters
    ----------
    table
        the table `task_metrics`.

    Raises
    ------
    PictureError
        no task has figures.
    """
    tasks = _main_rows(table)
    height = 1.75 + 0.42 * len(tasks)
    with new_figure(
        height=height,
        title="What the tuned model has kept",
        subtitle=(
            "Tuned minus baseline in the main metric of each task, paired, with its interval. The dark line is the "
            "accepted fall.\nKept: the whole interval lies right of it. Lost: the change lies left of it, and the "
            "interval does not reach zero."
        ),
    ) as figure:
        axes = figure.subplots()
        figure.subplots_adjust(left=0.34, right=0.80, top=1 - 1.2 / height, bottom=0.42 / height)
        _quiet(axes)
        axes.axvline(0, color=MUTED_TEXT, linewidth=1)
        for place, rows in enumerate(tasks):
            row = rows["difference"]
            color = _COLORS[_judgement(row)]
            axes.plot(
                [-row["tolerance"]] * 2, [place - 0.32, place + 0.32], color=TEXT, linewidth=1.6, zorder=2
            )
            if _is_number(row["ci_low"]):
                axes.plot([row["ci_low"], row["ci_high"]], [place] * 2, color=color, linewidth=2.4, zorder=3)
            if _is_number(row["value"]):
                axes.plot(
                    row["value"], place, "o", color=color, markersize=7, markeredgecolor="white", zorder=4
                )
            _beside(axes, 1.13, place, _signed(row["value"]), color, bold=True)
            _beside(axes, 1.30, place, _judgement(row), color)
        ends = [
            value
            for rows in tasks
            for value in (
                rows["difference"]["ci_low"],
                rows["difference"]["ci_high"],
                rows["difference"]["value"],
                -rows["difference"]["tolerance"],
            )
            if _is_number(value)
        ]
        margin = 0.06 * (max([*ends, 0.0]) - min([*ends, 0.0]) or 1.0)
        axes.set_xlim(min([*ends, 0.0]) - margin, max([*ends, 0.0]) + margin)
        _name_rows(axes, tasks)
        return drawn(figure)


def task_levels_picture(table: pa.Table) -> Picture:
    """Word matching, baseline and tuned model in each task's main metric, with intervals.

    Parameters
    ----------
    table
        the table `task_metrics`.

    Raises
    ------
    PictureError
        no task has figures.
    """
    from matplotlib.lines import Line2D

    tasks = _main_rows(table)
    height = 1.75 + 0.5 * len(tasks)
    with new_figure(
        height=height,
        title="Tasks before and after",
        subtitle="Main metric of each task; thin bars are intervals. Word matching (TF-IDF) reads no meaning at all.",
    ) as figure:
        axes = figure.subplots()
        figure.subplots_adjust(left=0.34, right=0.96, top=1 - 1.15 / height, bottom=0.42 / height)
        _quiet(axes)
        for place, rows in enumerate(tasks):
            for offset, (model, color, marker) in zip((-0.22, 0.0, 0.22), _LEVELS, strict=True):
                row = rows[model]
                if _is_number(row["ci_low"]):
                    axes.plot(
                        [row["ci_low"], row["ci_high"]], [place + offset] * 2, color=color, linewidth=1.4
                    )
                if _is_number(row["value"]):
                    axes.plot(row["value"], place + offset, marker, color=color, markersize=6.5, zorder=3)
        lowest = min(
            (
                row["ci_low"]
                for rows in tasks
                for row in rows.values()
                if _is_number(row["ci_low"]) and row["model"] in dict.fromkeys(name for name, _, _ in _LEVELS)
            ),
            default=0.0,
        )
        axes.set_xlim(min(0.0, lowest) - 0.02, 1.02)
        _name_rows(axes, tasks)
        names = {"lexical": "word matching", "baseline": "baseline", "tuned": "tuned"}
        figure.legend(
            handles=[
                Line2D([], [], color=color, marker=marker, linestyle="", label=names[model])
                for model, color, marker in _LEVELS
            ],
            loc="upper right",
            bbox_to_anchor=(0.97, 1 - 0.68 / height),
            ncols=3,
            frameon=False,
            handletextpad=0.2,
        )
        return drawn(figure)


def _main_rows(table: pa.Table) -> list[dict[str, Row]]:
    """By task, in the order of the table: the rows of its main metric by model."""
    found: dict[tuple[str, str], dict[str, Row]] = {}
    for row in table.to_pylist():
        if row["is_main"]:
            found.setdefault((row["family"], row["task"]), {})[row["model"]] = row
    if not found:
        raise PictureError("task_metrics: no task has figures. Materialize task_metrics.")
    return list(found.values())


def _name_rows(axes: Axes, tasks: Sequence[Mapping[str, Row]]) -> None:
    labels = []
    for rows in tasks:
        row = rows["baseline"]
        metric = row["metric"] if row["k"] is None else f"{row['metric']}@{row['k']}"
        note = "" if row["decides"] else ", informs"
        labels.append(f"{row['task'][:34].replace('_', ' ')}\n{metric}, {row['n']:,} items{note}")
    axes.set_yticks(range(len(tasks)), labels, color=TEXT, fontsize=9)
    axes.set_ylim(len(tasks) - 0.45, -0.55)


def _judgement(row: Row) -> str:
    # The picture knows the table alone: the same rule as `medembed_pipeline.tasks.table.judgement`.
    if row["ci_low"] >= -row["tolerance"]:
        return "kept"
    return "lost" if row["value"] < -row["tolerance"] and row["ci_high"] < 0 else "unclear"


def _quiet(axes: Axes) -> None:
    quiet_grid(axes, axis="x")
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(axis="x", labelcolor=MUTED_TEXT, color=GRID)
    # More would run into each other.
    axes.locator_params(axis="x", nbins=6)


def _beside(axes: Axes, at: float, place: int, text: str, color: str, *, bold: bool = False) -> None:
    axes.text(
        at,
        place,
        text,
        transform=axes.get_yaxis_transform(),
        ha="right",
        va="center",
        color=color,
        fontsize=9.5,
        fontweight="bold" if bold else "normal",
    )


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", _MINUS) if _is_number(value) else "undefined"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
