"""Baseline against tuned model on held-out notes, with 95% intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.figure import Picture, drawn, new_figure, quiet_grid
from medembed_pipeline.pictures.palette import (
    BASELINE_COLOR,
    LEXICAL_COLOR,
    MUTED_TEXT,
    TEXT,
    TUNED_COLOR,
    WORSE_COLOR,
)

_SHOWN: tuple[tuple[str, int | None, str], ...] = (
    ("precision", 1, "precision@1"),
    ("precision", 5, "precision@5"),
    ("precision", 10, "precision@10"),
    ("mrr", None, "MRR"),
    ("ndcg", 10, "nDCG@10"),
    ("map", None, "MAP"),
    ("silhouette", None, "cosine silhouette"),
)
_COLUMNS = {"model", "split", "scope", "metric", "k", "value", "ci_low", "ci_high", "n"}
_NOT_SPECIALTIES = ("all", "macro")

Row = Mapping[str, Any]


def metrics_picture(
    metrics: pa.Table,
    *,
    split: str = "test",
) -> Picture:
    """The headline: each figure before and after, and the paired difference; beside them word matching.

    Parameters
    ----------
    metrics
        the `embedding_metrics` table; rows of `baseline`, `tuned` and `difference`, scope `all`, and of `lexical` and
        `tuned_over_lexical` where they are there.
    split
        whose rows.

    Raises
    ------
    PictureError
        columns are missing, or no figure has both models.
    """
    rows = _rows(metrics, split=split, scopes=("all",))
    found = {(row["model"], row["metric"], row["k"]): row for row in rows}
    keys = _shown_keys(found)
    lines = [
        (name, found["baseline", metric, k], found["tuned", metric, k], found.get(("difference", metric, k)))
        for metric, k, name in keys
    ]
    words = [
        (found.get(("lexical", metric, k)), found.get(("tuned_over_lexical", metric, k)))
        for metric, k, _ in keys
    ]
    three = any(level is not None for level, _ in words)
    if not lines:
        raise PictureError(
            f"metrics: no figure of both models for split '{split}', scope 'all'. "
            "Materialize embedding_metrics."
        )
    count = max(int(line[1]["n"]) for line in lines)
    height = 1.75 + (0.66 if three else 0.52) * len(lines)
    # Where the models stand on a line: closer together where there are only two.
    before_at, after_at = (0.0, -0.25) if three else (0.13, -0.13)
    with new_figure(
        height=height,
        title="Baseline and tuned model on held-out notes",
        subtitle=f"{split} split, {count:,} notes; bars are 95% intervals (jackknife over groups).",
    ) as figure:
        axes = figure.subplots()
        figure.subplots_adjust(left=0.17, right=0.77, top=1 - 1.12 / height, bottom=0.35 / height)
        quiet_grid(axes, axis="x")
        axes.spines[["left", "bottom"]].set_visible(False)
        for position, ((_, before, after, change), (level, over)) in enumerate(
            zip(lines, words, strict=True)
        ):
            axes.plot(
                [before["value"], after["value"]],
                [position] * 2,
                color="#C9CED6",
                linewidth=6,
                zorder=1,
                solid_capstyle="butt",
            )
            if level is not None:
                _word_matching(axes, level, position + 0.25, left=level["value"] <= after["value"])
            for row, color, marker, offset in (
                (before, BASELINE_COLOR, "s", before_at),
                (after, TUNED_COLOR, "o", after_at),
            ):
                _interval(axes, row, position + offset, color)
                axes.plot(
                    row["value"],
                    position + offset,
                    marker=marker,
                    color=color,
                    markersize=8,
                    zorder=3,
                    markeredgecolor="white",
                    markeredgewidth=0.8,
                )
                ahead = row["value"] >= (before if row is after else after)["value"]
                side = 1 if ahead else -1
                end = row["ci_high"] if ahead else row["ci_low"]
                axes.annotate(
                    f"{row['value']:.3f}",
                    (end if _is_number(end) else row["value"], position + offset),
                    xytext=(7 * side, 0),
                    textcoords="offset points",
                    ha="left" if ahead else "right",
                    va="center",
                    fontsize=9.5,
                    color=color if row is after else MUTED_TEXT,
                    fontweight="bold" if row is after else "normal",
                )
            for compared, sign, offset in (
                ((change, "■", -0.14), (over, "◆", 0.14)) if three else ((change, "", 0.0),)
            ):
                if compared is None:
                    continue
                axes.annotate(
                    f"{sign} {_difference_text(compared)}".strip(),
                    (1.02, position + offset),
                    xycoords=("axes fraction", "data"),
                    va="center",
                    fontsize=9 if three else 10,
                    color=_verdict_color(compared),
                    annotation_clip=False,
                )
        axes.set_yticks(range(len(lines)), [line[0] for line in lines], color=TEXT)
        axes.set_ylim(len(lines) - 0.5, -0.5)
        lows = [
            row["ci_low"] if _is_number(row["ci_low"]) else row["value"]
            for line, (level, _) in zip(lines, words, strict=True)
            for row in (*line[1:3], level)
            if row is not None
        ]
        # Room for the value label on the left of the lowest interval.
        axes.set_xlim(min(-0.02, min(lows) - 0.1), 1.06)
        axes.axvline(0, color="#B9BEC6", linewidth=1)
        head = 1 - 0.92 / height
        figure.text(
            0.17, head, "■ baseline", color=BASELINE_COLOR, fontsize=10.5, fontweight="bold", va="center"
        )
        figure.text(0.28, head, "● tuned", color=TUNED_COLOR, fontsize=10.5, fontweight="bold", va="center")
        if three:
            figure.text(0.365, head, "◆", color=LEXICAL_COLOR, fontsize=10.5, va="center")
            figure.text(0.385, head, "word matching", color=TEXT, fontsize=10, va="center")
        heading = "tuned minus ■, minus ◆" if three else "difference [95%]"
        figure.text(0.782, head, heading, color=MUTED_TEXT, fontsize=10, va="center")
        return drawn(figure)


def _word_matching(axes: Any, row: Row, position: float, *, left: bool) -> None:
    """The level of the lexical baseline with its interval, and its value on one side."""
    _interval(axes, row, position, LEXICAL_COLOR)
    axes.plot(
        row["value"],
        position,
        marker="D",
        color=LEXICAL_COLOR,
        markersize=6.5,
        zorder=3,
        markeredgecolor="white",
        markeredgewidth=0.8,
    )
    end = row["ci_low" if left else "ci_high"]
    axes.annotate(
        f"{row['value']:.3f}",
        (end if _is_number(end) else row["value"], position),
        xytext=(-7 if left else 7, 0),
        textcoords="offset points",
        ha="right" if left else "left",
        va="center",
        fontsize=9,
        color=MUTED_TEXT,
    )


def specialty_change_picture(
    metrics: pa.Table,
    *,
    split: str = "test",
    metric: str = "precision",
    k: int | None = 5,
    label: str = "precision@5",
) -> Picture:
    """How one figure changed for each specialty, the largest gain on top.

    Parameters
    ----------
    metrics
        the `embedding_metrics` table; one row of `baseline`, `tuned` and `difference` per specialty.
    split
        whose rows.
    metric, k
        the figure.
    label
        its name on the picture.

    Raises
    ------
    PictureError
        columns are missing, or no specialty has a difference.
    """
    rows = [row for row in _rows(metrics, split=split) if row["metric"] == metric and row["k"] == k]
    found = {(row["model"], row["scope"]): row for row in rows if row["scope"] not in _NOT_SPECIALTIES}
    changes = sorted(
        (row for (model, _), row in found.items() if model == "difference"),
        key=lambda row: (-row["value"], row["scope"]),
    )
    if not changes:
        raise PictureError(f"metrics: no difference of {label} for any specialty of split '{split}'.")
    height = 1.6 + 0.27 * len(changes)
    with new_figure(
        height=height,
        title=f"Change in {label} by specialty",
        subtitle=(
            f"{split} split, tuned minus baseline, bars are 95% intervals (jackknife over groups).\n"
            "Grey: the interval includes no change. "
            "Intervals are not corrected for the number of specialties."
        ),
    ) as figure:
        axes = figure.subplots()
        figure.subplots_adjust(left=0.29, right=0.74, top=1 - 1.05 / height, bottom=0.35 / height)
        quiet_grid(axes, axis="x")
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.axvline(0, color="#8A8F98", linewidth=1.2, zorder=1)
        for position, row in enumerate(changes):
            color = _verdict_color(row)
            marker = {TUNED_COLOR: "o", WORSE_COLOR: "v"}.get(color, "s")
            _interval(axes, row, position, color)
            axes.plot(
                row["value"],
                position,
                marker=marker,
                color=color,
                markersize=7,
                zorder=3,
                markeredgecolor="white",
                markeredgewidth=0.6,
            )
            before, after = found.get(("baseline", row["scope"])), found.get(("tuned", row["scope"]))
            values = f"{before['value']:.2f} → {after['value']:.2f}" if before and after else ""
            for place, text in ((1.02, _signed(row["value"], 2)), (1.15, values), (1.54, f"{row['n']:,}")):
                axes.annotate(
                    text,
                    (place, position),
                    xycoords=("axes fraction", "data"),
                    va="center",
                    fontsize=9,
                    color=color if place < 1.1 else MUTED_TEXT,
                    annotation_clip=False,
                    ha="right" if place > 1.4 else "left",
                )
        for place, text, side in (
            (1.02, "change", "left"),
            (1.15, "baseline → tuned", "left"),
            (1.54, "notes", "right"),
        ):
            axes.annotate(
                text,
                (place, 1.0),
                xycoords="axes fraction",
                xytext=(0, 4),
                textcoords="offset points",
                fontsize=8.5,
                color=MUTED_TEXT,
                ha=side,
                annotation_clip=False,
            )
        names = [shorten(row["scope"], 34) for row in changes]
        axes.set_yticks(range(len(changes)), names, color=TEXT, fontsize=9.5)
        axes.set_ylim(len(changes) - 0.4, -0.6)
        ends = [
            abs(v) for row in changes for v in (row["value"], row["ci_low"], row["ci_high"]) if _is_number(v)
        ]
        reach = max(0.05, *ends) * 1.06
        axes.set_xlim(-reach, reach)
        return drawn(figure)


def shorten(name: str, most: int) -> str:
    """The name, cut off with an ellipsis where it is longer than `most` characters."""
    return name if len(name) <= most else name[: most - 1].rstrip() + "…"


def _shown_keys(found: Mapping[tuple[str, str, int | None], Row]) -> list[tuple[str, int | None, str]]:
    return [
        (metric, k, name)
        for metric, k, name in _SHOWN
        if ("baseline", metric, k) in found and ("tuned", metric, k) in found
    ]


def _rows(metrics: pa.Table, *, split: str, scopes: tuple[str, ...] | None = None) -> list[Row]:
    missing = _COLUMNS.difference(metrics.column_names)
    if missing:
        raise PictureError(f"metrics: the columns {', '.join(sorted(missing))} are missing.")
    return [
        row
        for row in metrics.select(sorted(_COLUMNS)).to_pylist()
        if row["split"] == split and (scopes is None or row["scope"] in scopes) and _is_number(row["value"])
    ]


def _interval(axes: Any, row: Row, position: float, color: str) -> None:
    if _is_number(row["ci_low"]) and _is_number(row["ci_high"]):
        axes.plot([row["ci_low"], row["ci_high"]], [position] * 2, color=color, linewidth=2, zorder=2)


def _difference_text(change: Row) -> str:
    text = _signed(change["value"], 3)
    if _is_number(change["ci_low"]) and _is_number(change["ci_high"]):
        text += f"  [{_signed(change['ci_low'], 3)}, {_signed(change['ci_high'], 3)}]"
    return text


def _signed(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _verdict_color(change: Row) -> str:
    """Blue for better, vermillion for worse, grey where the interval includes zero or is missing."""
    if _is_number(change["ci_low"]) and change["ci_low"] > 0:
        return TUNED_COLOR
    if _is_number(change["ci_high"]) and change["ci_high"] < 0:
        return WORSE_COLOR
    return MUTED_TEXT


def _is_number(value: Any) -> bool:
    return value is not None and math.isfinite(value)
