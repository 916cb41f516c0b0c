"""The course of the training: figures and small maps of the held-out notes, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from medembed_pipeline.pictures.figure import Picture, drawn, new_figure, quiet_grid
from medembed_pipeline.pictures.metrics_pictures import shorten
from medembed_pipeline.pictures.palette import (
    BLUE,
    GREEN,
    GRID,
    MUTED_TEXT,
    NEARLY_BLACK,
    NO_SPECIALTY,
    OTHER,
    TEXT,
    VERMILLION,
    legend_styles,
)
from medembed_pipeline.pictures.similarity_pictures import figure_rows
from medembed_pipeline.pictures.training_picture import spread_labels

MOST_MAPS = 8
"""Maps of one picture; of a longer training, epochs at even distances, the first, the best and the last among them."""

# metric -> (name, colour, marker); dashed where the notes are those that chose the epoch.
_LOSSES = {
    "train_loss": ("training", BLUE, "o"),
    "validation_loss": ("validation", VERMILLION, "s"),
}
_SCORES = {
    "precision@5": ("precision@5", BLUE, "o"),
    "map": ("MAP", GREEN, "D"),
    "silhouette": ("silhouette", NEARLY_BLACK, "^"),
    "validation_precision_at_5": ("precision@5, val.", BLUE, "o"),
    "validation_map": ("MAP, val.", GREEN, "D"),
}


def progress_picture(evidence: pa.Table, *, best_epoch: int | None = None) -> Picture:
    """Losses and scores by epoch: of validation notes, and of held-out notes where epochs were kept.

    Parameters
    ----------
    evidence
        the table `similarity_evidence`.
    best_epoch
        the epoch whose weights became the checkpoint, marked by a line.

    Raises
    ------
    PictureError
        the table lacks the figure `progress`.
    """
    values: dict[str, dict[int, float]] = {}
    for row in figure_rows(evidence, "progress"):
        values.setdefault(row["group"], {})[row["position"]] = row["value"]
    held_out = "precision@5" in values
    note = (
        "Solid: held-out notes, which had no part in training or in the choice. Dashed: validation notes."
        if held_out
        else "Validation notes. Set keep_epochs under [training] to see the held-out notes at each epoch, too."
    )
    with new_figure(
        height=4.4,
        title="Training progress",
        subtitle=f"Epoch 0 is the model before training; the dotted line is the epoch that was kept.\n{note}",
    ) as figure:
        for left, width, title, lines in (
            (0.07, 0.235, "Loss (lower is better)", _LOSSES),
            (0.485, 0.31, "Scores (higher is better)", _SCORES),
        ):
            axes = figure.add_axes((left, 0.13, width, 0.58))
            axes.set_title(title)
            axes.set_xlabel("epoch")
            quiet_grid(axes, axis="y")
            axes.spines["left"].set_visible(False)
            ends: list[tuple[float, str, str]] = []
            for metric, (name, color, marker) in lines.items():
                points = {
                    epoch: value for epoch, value in values.get(metric, {}).items() if math.isfinite(value)
                }
                if not points:
                    continue
                epochs = sorted(points)
                dashed = metric.startswith("validation") and lines is _SCORES
                axes.plot(
                    epochs,
                    [points[epoch] for epoch in epochs],
                    color=color,
                    marker=marker,
                    markersize=4.5,
                    linewidth=1.4 if dashed else 2,
                    linestyle="--" if dashed else "-",
                    markerfacecolor="white" if dashed else color,
                )
                last = points[epochs[-1]]
                ends.append((last, f"{name} {last:.3f}".replace("-", "\N{MINUS SIGN}"), color))
            axes.margins(x=0.05, y=0.12)
            axes.locator_params(axis="x", integer=True, nbins=8)
            if best_epoch is not None and ends:
                axes.axvline(best_epoch, color=MUTED_TEXT, linewidth=1, linestyle=":", zorder=0.5)
            low, high = axes.get_ylim()
            spots = spread_labels([end[0] for end in ends], gap=0.085 * (high - low))
            for spot, (_, label, color) in zip(spots, ends, strict=True):
                axes.annotate(
                    label,
                    (1.0, spot),
                    xycoords=("axes fraction", "data"),
                    xytext=(6, 0),
                    textcoords="offset points",
                    va="center",
                    color=TEXT if color == NEARLY_BLACK else color,
                    fontsize=9,
                    fontweight="bold",
                    annotation_clip=False,
                )
            if not ends:
                axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", color=MUTED_TEXT)
                axes.set_facecolor(GRID)
        return drawn(figure)


def progress_maps_picture(
    evidence: pa.Table, specialties: Mapping[str, Sequence[str]], *, best_epoch: int | None = None
) -> Picture:
    """Small maps of the held-out notes at each kept epoch, all on the same plane and scale.

    Parameters
    ----------
    evidence
        the table `similarity_evidence`.
    specialties
        the specialties of each note by note_id.
    best_epoch
        the epoch whose weights became the checkpoint; its map is marked, and always among those shown.

    Raises
    ------
    PictureError
        the table lacks the figure `progress_map`.
    """
    places: dict[int, dict[str, dict[str, float]]] = {}
    for row in figure_rows(evidence, "progress_map"):
        places.setdefault(row["position"], {}).setdefault(row["group"], {})[row["statistic"]] = row["value"]
    shown = _evenly(sorted(places), best_epoch)
    notes = sorted(places[shown[0]])
    styles, style_of = legend_styles({note: specialties.get(note) or () for note in notes}, most=8)
    numbers = np.array([style_of[note] for note in notes])
    points = {
        epoch: np.array([[places[epoch][note][axis] for axis in "xy"] for note in notes]) for epoch in shown
    }
    everything = np.concatenate(list(points.values()))
    middle = (everything.min(axis=0) + everything.max(axis=0)) / 2
    reach = max(float(np.ptp(everything, axis=0).max()) / 2 * 1.05, 1e-9)
    columns = min(4, max(2, len(shown)))
    lines = -(-len(shown) // columns)
    side = (9 - 0.3) / columns - 0.12
    height = 1.02 + lines * (side + 0.36) + 0.72
    with new_figure(
        height=height,
        title="Held-out notes at each epoch",
        subtitle=(
            f"{len(notes):,} notes on the plane of their two main directions over all epochs: same axes and "
            "scale in every map.\nMuch lies outside of this plane. Good: colours gather, and the groups move apart."
        ),
    ) as figure:
        size = float(np.clip(2400 / len(notes), 2, 18))
        for number, epoch in enumerate(shown):
            line, column = divmod(number, columns)
            bottom = height - 1.02 - (line + 1) * (side + 0.36) + 0.06
            axes = figure.add_axes(
                ((0.18 + column * (side + 0.12)) / 9, bottom / height, side / 9, side / height)
            )
            title = "before training" if epoch == 0 else f"epoch {epoch}"
            axes.set_title(title + (", kept" if epoch == best_epoch else ""), fontsize=10, pad=5)
            for style_number in sorted(
                range(len(styles)),
                key=lambda n: (styles[n].name not in (OTHER, NO_SPECIALTY), -styles[n].notes),
            ):
                style = styles[style_number]
                mine = points[epoch][numbers == style_number]
                axes.scatter(
                    mine[:, 0],
                    mine[:, 1],
                    s=size,
                    c=style.color,
                    marker=style.marker,
                    linewidths=0.4,
                    alpha=0.85,
                )
            axes.set(
                xlim=(middle[0] - reach, middle[0] + reach),
                ylim=(middle[1] - reach, middle[1] + reach),
                xticks=[],
                yticks=[],
            )
            for spine in axes.spines.values():
                kept = epoch == best_epoch
                spine.set(visible=True, color=MUTED_TEXT if kept else GRID, linewidth=1.6 if kept else 1)
        legend = figure.add_axes((0.02, 0.02, 0.96, 0.62 / height))
        legend.axis("off")
        handles = [
            legend.scatter([], [], s=30, c=style.color, marker=style.marker, label=shorten(style.name, 24))
            for style in styles
        ]
        legend.legend(
            handles=handles,
            loc="lower left",
            ncols=5,
            frameon=False,
            fontsize=8.5,
            labelcolor=TEXT,
            handletextpad=0.2,
            columnspacing=1.2,
            borderpad=0,
        )
        return drawn(figure)


def _evenly(epochs: Sequence[int], best_epoch: int | None) -> list[int]:
    """At most MOST_MAPS of some epochs, at even distances; the first, the last and the best always."""
    if len(epochs) <= MOST_MAPS:
        return list(epochs)
    chosen = [epochs[round(place)] for place in np.linspace(0, len(epochs) - 1, MOST_MAPS)]
    if best_epoch in epochs and best_epoch not in chosen:
        # The nearest one makes room, but for the first and the last.
        inner = range(1, len(chosen) - 1)
        chosen[min(inner, key=lambda place: abs(chosen[place] - best_epoch))] = best_epoch
    return sorted(chosen)
