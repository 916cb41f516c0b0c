"""What splits that leak make of a gain: the leak meter's protocols, and the published experiment's epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.figure import Picture, drawn, new_figure, quiet_grid
from medembed_pipeline.pictures.palette import (
    BASELINE_COLOR,
    BLUE,
    GRID,
    MUTED_TEXT,
    NEARLY_BLACK,
    ORANGE,
    TEXT,
    TUNED_COLOR,
    VERMILLION,
    WORSE_COLOR,
)
from medembed_pipeline.pictures.training_picture import spread_labels

_PROTOCOLS = {
    "by_patient": "held-out patients",
    "by_group": "held-out groups",
    "by_text": "split by text",
    "by_row": "split by row",
    "all_notes": "all notes",
    "training_notes": "training notes",
}
_UNSEEN = ("by_patient", "by_group")
_SETS = {
    "training_rows": ("training rows", ORANGE, "^"),
    "all_rows": ("all rows", VERMILLION, "o"),
    "held_out_rows": ("held-out rows", BLUE, "s"),
    "new_texts": ("new texts", NEARLY_BLACK, "D"),
}

Row = Mapping[str, Any]


def leakage_picture(
    table: pa.Table, *, metric: str = "precision", k: int | None = 5, label: str = "precision@5"
) -> Picture:
    """One figure under each protocol, before and after, with the part of the gain that is memory.

    Parameters
    ----------
    table
        the `leak_meter` table.
    metric, k
        the figure, one of which more is better.
    label
        its name on the picture.

    Raises
    ------
    PictureError
        the table has no such figure under `by_patient` or `by_group`, in which nothing was seen.
    """
    found = {
        (row["protocol"], row["model"]): row
        for row in table.to_pylist()
        if row["metric"] == metric and row["k"] == k and _is_number(row["value"])
    }
    names = [
        name
        for name in _PROTOCOLS
        if all((name, model) in found for model in ("baseline", "tuned", "difference"))
    ]
    if not names or names[0] not in _UNSEEN:
        raise PictureError(f"leak_meter: no {label} of both models under by_group. Materialize leak_meter.")
    unseen = names[0]
    true_gain = found[unseen, "difference"]["value"]
    height = 2.05 + 0.62 * len(names)
    with new_figure(
        height=height,
        title=f"What a leak would make of the gain in {label}",
        subtitle=(
            f"The same two models on {found[unseen, 'baseline']['n']:,} items under every protocol, of which the "
            "share “seen” was trained on; thin bars are intervals.\n"
            f"The blue bar is the gain on {_PROTOCOLS[unseen]}, what goes beyond it is memory of the training notes."
        ),
    ) as figure:
        axes = figure.subplots()
        figure.subplots_adjust(left=0.16, right=0.70, top=1 - 1.45 / height, bottom=0.42 / height)
        quiet_grid(axes, axis="x")
        axes.spines[["left", "bottom"]].set_visible(False)
        for position, name in enumerate(names):
            before, after = found[name, "baseline"], found[name, "tuned"]
            gain = found[name, "difference"]["value"]
            _gain_bar(axes, before["value"], gain, true_gain, position)
            for row, color, marker, offset in (
                (before, BASELINE_COLOR, "s", 0.14),
                (after, TUNED_COLOR, "o", -0.14),
            ):
                if _is_number(row["ci_low"]):
                    axes.plot(
                        [row["ci_low"], row["ci_high"]],
                        [position + offset] * 2,
                        color=color,
                        linewidth=2,
                        zorder=2,
                    )
                axes.plot(
                    row["value"],
                    position + offset,
                    marker=marker,
                    color=color,
                    markersize=8,
                    markeredgecolor="white",
                    markeredgewidth=0.8,
                    zorder=3,
                )
                ahead = row["value"] >= (before if row is after else after)["value"]
                end = row["ci_high" if ahead else "ci_low"]
                axes.annotate(
                    f"{row['value']:.3f}",
                    (end if _is_number(end) else row["value"], position + offset),
                    xytext=(7 if ahead else -7, 0),
                    textcoords="offset points",
                    ha="left" if ahead else "right",
                    va="center",
                    fontsize=9.5,
                    color=color if row is after else MUTED_TEXT,
                    fontweight="bold" if row is after else "normal",
                )
            memory = 1 - true_gain / gain if name != unseen and gain > 0 else None
            _column(axes, 1.10, position, f"{gain:+.3f}".replace("-", "\N{MINUS SIGN}"), TEXT)
            _column(
                axes,
                1.32,
                position,
                "" if name == unseen else _percent(memory),
                WORSE_COLOR if memory is not None and memory >= 0.005 else MUTED_TEXT,
            )
            _column(axes, 1.53, position, f"{before['seen_share']:.0%}", MUTED_TEXT)
        for place, text in ((1.10, "gain"), (1.32, "memory"), (1.53, "seen")):
            _column(axes, place, -0.78, text, MUTED_TEXT)
        axes.set_yticks(range(len(names)), [_PROTOCOLS[name] for name in names], color=TEXT)
        axes.set_ylim(len(names) - 0.5, -0.6)
        ends = [
            value
            for name in names
            for model in ("baseline", "tuned")
            for value in (found[name, model][key] for key in ("value", "ci_low", "ci_high"))
            if _is_number(value)
        ]
        # Room for the values beside the outermost intervals.
        room = 0.12 * max(0.1, max(ends) - min(ends))
        axes.set_xlim(min(ends) - 1.6 * room, max(ends) + 1.6 * room)
        head = 1 - 1.15 / height
        for place, text, color in (
            (0.16, "■ baseline", BASELINE_COLOR),
            (0.27, "● tuned", TUNED_COLOR),
            (0.36, "▬ true gain", TUNED_COLOR),
            (0.48, "▬ memory", WORSE_COLOR),
        ):
            figure.text(place, head, text, color=color, fontsize=10, fontweight="bold", va="center")
        return drawn(figure)


def _gain_bar(axes: Any, start: float, gain: float, true_gain: float, position: int) -> None:
    """The gain from `start` on: up to the true gain in pale blue, what is beyond it in pale vermillion."""
    if gain <= 0:
        axes.plot(
            [start, start + gain], [position] * 2, color=GRID, linewidth=7, solid_capstyle="butt", zorder=1
        )
        return
    true_part = min(max(true_gain, 0.0), gain)
    for first, last, color in ((0.0, true_part, TUNED_COLOR), (true_part, gain, WORSE_COLOR)):
        if last > first:
            axes.plot(
                [start + first, start + last],
                [position] * 2,
                color=color,
                alpha=0.35,
                linewidth=7,
                solid_capstyle="butt",
                zorder=1,
            )


def _column(axes: Any, place: float, position: float, text: str, color: str) -> None:
    axes.annotate(
        text,
        (place, position),
        xycoords=("axes fraction", "data"),
        ha="right",
        va="center",
        fontsize=10,
        color=color,
        annotation_clip=False,
    )


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


def _percent(share: float | None) -> str:
    return "no gain" if share is None else f"{share:.0%}".replace("-", "\N{MINUS SIGN}")


def _is_number(value: Any) -> bool:
    return value is not None and math.isfinite(value)
