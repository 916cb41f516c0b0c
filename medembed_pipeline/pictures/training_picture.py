"""The course of a training, epoch by epoch."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.figure import Picture, drawn, new_figure, quiet_grid
from medembed_pipeline.pictures.palette import BLUE, GRID, MUTED_TEXT, NEARLY_BLACK, TEXT, VERMILLION

_LOSSES = (("train_loss", "training", BLUE, "o"), ("validation_loss", "validation", VERMILLION, "s"))
_SCORES = (
    ("validation_triplet_accuracy", "triplet accuracy", NEARLY_BLACK, "D"),
    ("validation_score", "{chosen_by}", BLUE, "o"),
)


def training_curve_picture(
    history: pa.Table | Sequence[Mapping[str, Any]],
    *,
    best_epoch: float | None = None,
    chosen_by: str = "score",
) -> Picture:
    """Losses, and the scores on validation notes, by epoch.

    Parameters
    ----------
    history
        rows with epoch (epoch 0 is the model before training), train_loss, validation_loss,
        validation_triplet_accuracy and validation_score; figures may be null or missing.
    best_epoch
        the epoch whose weights were kept, marked by a line.
    chosen_by
        name of the figure that chose it, validation_score.

    Raises
    ------
    PictureError
        no rows, or a row without its epoch.
    """
    rows = history.to_pylist() if isinstance(history, pa.Table) else list(history)
    if not rows or any(row.get("epoch") is None for row in rows):
        raise PictureError("history: expected at least one row, each with its epoch.")
    rows.sort(key=lambda row: row["epoch"])
    epochs = np.array([row["epoch"] for row in rows], dtype=np.float64)
    with new_figure(
        height=4.3,
        title="Training",
        subtitle="Epoch 0 is the model before training. Scores are on validation notes, never trained on.",
    ) as figure:
        panels = figure.subplots(1, 2)
        figure.subplots_adjust(left=0.07, right=0.845, top=0.74, bottom=0.13, wspace=0.52)
        for axes, title, lines, form in zip(
            panels,
            ("Loss (lower is better)", "Validation scores (higher is better)"),
            (_LOSSES, _SCORES),
            ("{:.3g}", "{:.3f}"),
            strict=True,
        ):
            axes.set_title(title)
            axes.set_xlabel("epoch")
            quiet_grid(axes, axis="y")
            axes.spines["left"].set_visible(False)
            ends: list[tuple[float, float, str, str]] = []
            for key, name, color, marker in lines:
                values = np.array([_number(row.get(key)) for row in rows])
                known = np.isfinite(values)
                if not known.any():
                    continue
                axes.plot(epochs[known], values[known], color=color, marker=marker, markersize=5, linewidth=2)
                last = values[known][-1]
                ends.append(
                    (
                        last,
                        epochs[known][-1],
                        f"{name.format(chosen_by=chosen_by)}\n{form.format(last)}",
                        color,
                    )
                )
            axes.margins(x=0.04, y=0.12)
            axes.xaxis.get_major_locator().set_params(integer=True, nbins=8)
            if best_epoch is not None and ends:
                axes.axvline(best_epoch, color=MUTED_TEXT, linewidth=1, linestyle=(0, (4, 3)), zorder=0.5)
                axes.annotate(
                    "kept",
                    (best_epoch, 1.0),
                    xycoords=("data", "axes fraction"),
                    xytext=(-4, -2),
                    textcoords="offset points",
                    ha="right",
                    va="top",
                    fontsize=9,
                    color=MUTED_TEXT,
                )
            low, high = axes.get_ylim()
            for position, (_, _, label, color) in zip(
                spread_labels([end[0] for end in ends], gap=0.15 * (high - low)), ends, strict=True
            ):
                axes.annotate(
                    label,
                    (1.0, position),
                    xycoords=("axes fraction", "data"),
                    xytext=(6, 0),
                    textcoords="offset points",
                    va="center",
                    color=color if color != NEARLY_BLACK else TEXT,
                    fontsize=9.5,
                    fontweight="bold",
                    annotation_clip=False,
                )
            if not ends:
                axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", color=MUTED_TEXT)
                axes.set_facecolor(GRID)
        return drawn(figure)


_TRADE_OFF = (
    ("validation_score", "{chosen_by}", "higher is better", "{:.3f}"),
    ("validation_passage_mrr", "a passage finds its note", "MRR, higher is better", "{:.3f}"),
    (
        "validation_similarities_kept",
        "similarities of phrases",
        "correlation with base",
        "{:.3f}",
    ),
    ("validation_rank_kept", "effective rank", "share of base", "{:.0%}"),
)


def trade_off_picture(rows: Sequence[Mapping[str, Any]], *, chosen_by: str = "score") -> Picture:
    """What each share of the tuned weights gives on the validation notes, and what it costs.

    Parameters
    ----------
    rows
        a row per share, as `training.averaging.trade_off` makes them.
    chosen_by
        name of the figure that chose, validation_score.

    Raises
    ------
    PictureError
        no rows.
    """
    if not rows:
        raise PictureError("trade_off: expected at least one row.")
    shares = np.array([row["share"] for row in rows], dtype=np.float64)
    allowed = np.array([not row["broken"] for row in rows])
    taken = next(row["share"] for row in rows if row["taken"])
    with new_figure(
        height=3.6,
        title="What tuning gives, and what it costs",
        subtitle=f"Weights averaged with the base model's, on validation notes; {taken:.0%} of the tuned is taken. "
        "Hollow: loses what must be kept.",
    ) as figure:
        panels = figure.subplots(1, len(_TRADE_OFF))
        figure.subplots_adjust(left=0.065, right=0.985, top=0.66, bottom=0.17, wspace=0.4)
        for axes, (key, name, unit, form) in zip(panels, _TRADE_OFF, strict=True):
            values = np.array([_number(row.get(key)) for row in rows])
            axes.set_title(f"{name.format(chosen_by=chosen_by)}\n{unit}", fontsize=9.5)
            axes.set_xlabel("share of the tuned model")
            quiet_grid(axes, axis="y")
            axes.spines["left"].set_visible(False)
            axes.margins(x=0.06, y=0.18)
            axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
            if not np.isfinite(values).any():
                axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", color=MUTED_TEXT)
                continue
            axes.plot(shares, values, color=BLUE, linewidth=2, zorder=1)
            axes.scatter(shares[allowed], values[allowed], s=30, color=BLUE, zorder=2)
            axes.scatter(
                shares[~allowed], values[~allowed], s=30, facecolors="white", edgecolors=BLUE, zorder=2
            )
            axes.axvline(taken, color=MUTED_TEXT, linewidth=1, linestyle=(0, (4, 3)), zorder=0.5)
            axes.annotate(
                form.format(values[shares == taken][0]),
                (taken, values[shares == taken][0]),
                xytext=(-5, -14),
                textcoords="offset points",
                ha="right",
                color=TEXT,
                fontsize=9.5,
                fontweight="bold",
            )
        return drawn(figure)


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


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
