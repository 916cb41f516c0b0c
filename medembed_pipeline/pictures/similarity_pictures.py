"""Similarity of pairs before and after, and the ten nearest neighbours of example queries."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from medembed_pipeline.lake import compute as pc
from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.figure import Picture, drawn, new_figure, shorten
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


def _darker(color: str) -> str:
    """A colour of the same hue that is read easily as small text."""
    return {BLUE: "#005A8C", ORANGE: "#9A6700", WORSE_COLOR: "#A84600"}.get(color, color)


def _number(value: float, digits: int = 3) -> str:
    if not math.isfinite(value):
        return "n/a"
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")
