"""The epochs of the published experiment."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.figure import Picture, drawn, new_figure, quiet_grid, spread_labels
from medembed_pipeline.pictures.palette import (
    BLUE,
    NEARLY_BLACK,
    ORANGE,
    VERMILLION,
)

_SETS = {
    "training_rows": ("training rows", ORANGE, "^"),
    "all_rows": ("all rows", VERMILLION, "o"),
    "held_out_rows": ("held-out rows", BLUE, "s"),
    "new_texts": ("new texts", NEARLY_BLACK, "D"),
}

Row = Mapping[str, Any]


def experiment_picture(table: pa.Table) -> Picture:
    """Precision@5 and MAP by epoch of `medembed experiment`, on the rows trained on and on those held out.

    Parameters
    ----------
    table
        EXPERIMENT_SCHEMA.

    Raises
    ------
    PictureError
        the table has no figure to draw.
    """
    rows = table.to_pylist()
    sizes = {row["scored"]: row["n"] for row in rows}
    with new_figure(
        height=4.7,
        title="The published set-up, scored on the rows it trained on and on those it did not",
        subtitle=(
            "Epoch 0 is the base model; bands are intervals over texts. More candidates make precision higher,\n"
            "so compare training with held-out rows. Scored: "
            + ", ".join(f"{sizes[key]:,} {name}" for key, (name, _, _) in _SETS.items() if key in sizes)
            + "."
        ),
    ) as figure:
        panels = figure.subplots(1, 2)
        figure.subplots_adjust(left=0.06, right=0.83, top=0.73, bottom=0.12, wspace=0.62)
        drawn_any = False
        for axes, (metric, k, title) in zip(
            panels, (("precision", 5, "precision@5"), ("map", None, "MAP")), strict=True
        ):
            chosen = [row for row in rows if row["metric"] == metric and row["k"] == k]
            drawn_any |= _epoch_panel(axes, chosen, title)
        if not drawn_any:
            raise PictureError("experiment: no figure to draw; run `medembed experiment` again.")
        return drawn(figure)


def _epoch_panel(axes: Any, rows: Sequence[Row], title: str) -> bool:
    axes.set_title(title)
    axes.set_xlabel("epoch")
    quiet_grid(axes, axis="y")
    axes.spines["left"].set_visible(False)
    ends: list[tuple[float, str, str]] = []
    for name, (label, color, marker) in _SETS.items():
        line = sorted(
            (row for row in rows if row["scored"] == name and _is_number(row["value"])),
            key=lambda row: row["epoch"],
        )
        if not line:
            continue
        epochs = [row["epoch"] for row in line]
        values = [row["value"] for row in line]
        axes.plot(epochs, values, color=color, marker=marker, markersize=5, linewidth=2)
        if name in ("training_rows", "held_out_rows"):
            low, high = (
                [row[end] if _is_number(row[end]) else row["value"] for row in line]
                for end in ("ci_low", "ci_high")
            )
            axes.fill_between(epochs, low, high, color=color, alpha=0.12, linewidth=0)
        ends.append((values[-1], f"{label}\n{values[0]:.3f} → {values[-1]:.3f}", color))
    axes.margins(x=0.04, y=0.10)
    axes.xaxis.get_major_locator().set_params(integer=True, nbins=8)
    low, high = axes.get_ylim()
    places = spread_labels([end[0] for end in ends], gap=0.15 * (high - low))
    for place, (_, text, color) in zip(places, ends, strict=True):
        axes.annotate(
            text,
            (1.0, place),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=color,
            fontsize=9,
            fontweight="bold",
            annotation_clip=False,
        )
    return bool(ends)


def _is_number(value: Any) -> bool:
    return value is not None and math.isfinite(value)
