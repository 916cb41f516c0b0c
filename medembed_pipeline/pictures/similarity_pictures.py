"""Similarity of pairs before and after, and the ten nearest neighbours of example queries."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.lake import compute as pc
from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.figure import Picture, drawn, new_figure, quiet_grid
from medembed_pipeline.pictures.metrics_pictures import shorten
from medembed_pipeline.pictures.palette import BLUE, MUTED_TEXT, ORANGE, TEXT, TUNED_COLOR, WORSE_COLOR

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MODEL_NAMES = (("baseline", "Baseline"), ("tuned", "Tuned"))
_GROUPS = (("positive", "share a specialty", BLUE), ("negative", "share none", ORANGE))
_RIGHT, _WRONG = "#D6E6F2", "#F9DDCC"
_NEIGHBORS = 10

Row = Mapping[str, Any]


def figure_rows(evidence: pa.Table, figure: str) -> list[Row]:
    """The rows of one figure of the table `similarity_evidence`.

    Raises
    ------
    PictureError
        there are none.
    """
    rows: list[Row] = evidence.filter(pc.equal(evidence["figure"], figure)).to_pylist()
    if not rows:
        raise PictureError(f"similarity_evidence: no rows of the figure '{figure}'. Materialize it again.")
    return rows


def distributions_picture(evidence: pa.Table) -> Picture:
    """Histogram and box plot of the similarity of positive and negative pairs, for both models.

    Parameters
    ----------
    evidence
        the table `similarity_evidence`.

    Raises
    ------
    PictureError
        the table lacks the figures `histogram` or `spread`.
    """
    counts: dict[tuple[str, str], dict[int, float]] = {}
    for row in figure_rows(evidence, "histogram"):
        counts.setdefault((row["model"], row["group"]), {})[row["position"]] = row["value"]
    spread = {
        (row["model"], row["group"], row["statistic"]): row["value"]
        for row in figure_rows(evidence, "spread")
    }
    shares = {}
    for key, by_bin in counts.items():
        values = np.array([by_bin[position] for position in sorted(by_bin)])
        shares[key] = 100 * values / max(values.sum(), 1)
    bins = len(next(iter(shares.values())))
    edges = np.linspace(-1, 1, bins + 1)
    ends = [
        value
        for (_, _, statistic), value in spread.items()
        if statistic in ("minimum", "maximum") and math.isfinite(value)
    ]
    low, high = (min(ends), max(ends)) if ends else (-1.0, 1.0)
    reach = max(0.05, 0.03 * (high - low))
    pairs = {row["group"]: row["n"] for row in figure_rows(evidence, "spread")}
    top = max(1.0, *(float(values.max()) for values in shares.values()))
    with new_figure(
        height=5.5,
        title="Similarity of pairs of held-out notes",
        subtitle=(
            f"All {pairs['positive'] + pairs['negative']:,} pairs. The less blue and orange overlap, the better "
            "a search tells specialties apart.\n"
            "Box: middle half of the pairs, line: median, dot: mean, whiskers: smallest and largest."
        ),
    ) as figure:
        for column, (model, name) in enumerate(MODEL_NAMES):
            left = 0.15 + column * 0.43
            histogram = figure.add_axes((left, 0.36, 0.385, 0.40))
            boxes = figure.add_axes((left, 0.085, 0.385, 0.215))
            histogram.set_title(name)
            histogram.set_title(
                f"margin {_number(spread[model, 'margin', 'value'])}   "
                f"separation {_number(spread[model, 'separation', 'value'], 2)}",
                loc="right",
                fontsize=10,
                fontweight="normal",
                color=TEXT,
            )
            quiet_grid(histogram, axis="y")
            for group, _, color in _GROUPS:
                histogram.stairs(shares[model, group], edges, fill=True, color=color, alpha=0.35)
                histogram.stairs(shares[model, group], edges, color=color, linewidth=1.4)
            histogram.set(xlim=(low - reach, high + reach), ylim=(0, top * 1.06))
            histogram.tick_params(labelbottom=False, labelleft=column == 0)
            histogram.spines["left"].set_visible(False)
            histogram.locator_params(axis="x", nbins=6)
            boxes.locator_params(axis="x", nbins=6)
            _boxes(boxes, model, spread)
            boxes.set(xlim=histogram.get_xlim())
            boxes.set_xlabel("cosine similarity")
            if column == 0:
                histogram.set_ylabel("% of the pairs")
                names = [f"{name}\n{pairs[group]:,} pairs" for group, name, _ in _GROUPS]
                boxes.set_yticks(range(len(names)), names, fontsize=8.5)
                for label, (_, _, color) in zip(boxes.get_yticklabels(), _GROUPS, strict=True):
                    label.set(color=_darker(color), fontweight="bold")
            else:
                boxes.set_yticks([])
        return drawn(figure)


def neighbors_picture(evidence: pa.Table, specialties: Mapping[str, Sequence[str]]) -> Picture:
    """The ten nearest notes of example queries, before and after, the right ones blue, the wrong ones red.

    Notes are named by the beginning of their id and a specialty, never by their text.

    Parameters
    ----------
    evidence
        the table `similarity_evidence`.
    specialties
        the specialties of each note by note_id.

    Raises
    ------
    PictureError
        the table lacks the figure `neighbors`.
    """
    rows = figure_rows(evidence, "neighbors")
    ranked: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["position"]):
        ranked.setdefault((row["group"], row["model"]), []).append(row)
    hits = {key: sum(row["relevant"] for row in found) for key, found in ranked.items()}
    changes = {query: hits[query, "tuned"] - hits[query, "baseline"] for query, _ in ranked}
    # Improved ones first, then those that got worse, then the others.
    queries = sorted(changes, key=lambda query: (changes[query] <= 0, changes[query] == 0, query))
    line, gap = 0.35, 0.30
    height = 1.12 + len(queries) * (2 * line + gap) + 0.05
    with new_figure(
        height=height,
        title="Ten nearest notes of example queries",
        subtitle=(
            "Drawn by seed among queries that improved, got worse, and stayed. Nearest on the left. Each cell: a "
            "specialty of the note\nthat was found, its id, its similarity. Blue ✓: shares a specialty with the "
            "query. Red ✗: shares none."
        ),
    ) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, 9), ylim=(height, 0))
        axes.axis("off")
        left, width = 1.02, 0.785
        top = 0.98
        for query in queries:
            change = changes[query]
            word, color = (
                ("improved", TUNED_COLOR)
                if change > 0
                else ("got worse", WORSE_COLOR)
                if change < 0
                else ("as before", MUTED_TEXT)
            )
            names = " + ".join(specialties.get(query) or ("no specialty",))
            axes.text(
                0.18, top + 0.14, f"{query[:8]}   {shorten(names, 74)}", fontsize=9.5, fontweight="bold"
            )
            axes.text(
                left + width * _NEIGHBORS,
                top + 0.14,
                f"{word}: {hits[query, 'baseline']} → {hits[query, 'tuned']} of {len(ranked[query, 'tuned'])} right",
                fontsize=9.5,
                color=color,
                fontweight="bold",
                ha="right",
            )
            for number, (model, name) in enumerate(MODEL_NAMES):
                y = top + 0.2 + number * line
                axes.text(
                    left - 0.1, y + line / 2, name, fontsize=9, color=MUTED_TEXT, ha="right", va="center"
                )
                for row in ranked[query, model]:
                    _cell(axes, row, left + (row["position"] - 1) * width, y, width, line, specialties, query)
            top += 2 * line + gap
        return drawn(figure)


def _cell(
    axes: Axes,
    row: Row,
    x: float,
    y: float,
    width: float,
    height: float,
    specialties: Mapping[str, Sequence[str]],
    query: str,
) -> None:
    from matplotlib.patches import Rectangle

    right = bool(row["relevant"])
    axes.add_patch(
        Rectangle(
            (x, y), width - 0.03, height - 0.03, facecolor=_RIGHT if right else _WRONG, edgecolor="none"
        )
    )
    own = set(specialties.get(query) or ())
    found = specialties.get(row["other"]) or ("no specialty",)
    # The one that makes it right, where it is right.
    shown = next((name for name in found if name in own), found[0])
    axes.text(x + 0.04, y + 0.135, shorten(shown, 12), fontsize=6.7, color=TEXT)
    axes.text(
        x + 0.04,
        y + 0.27,
        f"{'✓' if right else '✗'} {row['other'][:4]}  {_number(row['value'], 2)}",
        fontsize=6.7,
        color=_darker(BLUE) if right else _darker(WORSE_COLOR),
    )


def _boxes(axes: Axes, model: str, spread: Mapping[tuple[str, str, str], float]) -> None:
    """A box for each group of pairs, lying, from its quartiles."""
    from matplotlib.patches import Rectangle

    for place, (group, _, color) in enumerate(_GROUPS):
        q1, median, q3, low, high, mean, std = (
            spread[model, group, name] for name in ("q1", "median", "q3", "minimum", "maximum", "mean", "std")
        )
        axes.text(
            1.0,
            place - 0.33,
            f"mean {_number(mean)} ± {_number(std)}",
            transform=axes.get_yaxis_transform(),
            ha="right",
            va="center",
            fontsize=9,
            color=_darker(color),
        )
        if not math.isfinite(mean):
            continue
        axes.plot([low, high], [place + 0.08] * 2, color=color, linewidth=1.2, zorder=1)
        axes.add_patch(
            Rectangle((q1, place - 0.11), q3 - q1, 0.38, facecolor="white", edgecolor=color, linewidth=1.4)
        )
        axes.add_patch(
            Rectangle((q1, place - 0.11), q3 - q1, 0.38, facecolor=color, alpha=0.35, edgecolor="none")
        )
        axes.plot([median] * 2, [place - 0.11, place + 0.27], color=_darker(color), linewidth=2)
        axes.plot(mean, place + 0.08, marker="o", markersize=5, color=_darker(color), markeredgecolor="white")
    axes.set_ylim(1.5, -0.6)
    axes.spines["left"].set_visible(False)
    quiet_grid(axes, axis="x")


def _darker(color: str) -> str:
    """A colour of the same hue that is read easily as small text."""
    return {BLUE: "#005A8C", ORANGE: "#9A6700", WORSE_COLOR: "#A84600"}.get(color, color)


def _number(value: float, digits: int = 3) -> str:
    if not math.isfinite(value):
        return "n/a"
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")
