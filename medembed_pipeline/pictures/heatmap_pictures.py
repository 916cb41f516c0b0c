"""Heatmaps of similarity, before and after: specialty x specialty, and query x document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.pictures.figure import Picture, drawn, new_figure
from medembed_pipeline.pictures.metrics_pictures import shorten
from medembed_pipeline.pictures.palette import BLUE, GRID, MUTED_TEXT, NO_SPECIALTY, TEXT, VERMILLION
from medembed_pipeline.pictures.similarity_pictures import MODEL_NAMES, figure_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

Matrix = npt.NDArray[np.float64]

_LEFT, _PANEL, _GAP = 2.12, 2.88, 0.2
"""Inches: room for names on the left, width of a panel, and what is between both."""


def specialties_picture(evidence: pa.Table) -> Picture:
    """Mean similarity of the notes of each two specialties, before and after, on one scale of colours.

    Parameters
    ----------
    evidence
        the table `similarity_evidence`.

    Raises
    ------
    PictureError
        the table lacks the figure `specialties`.
    """
    rows = figure_rows(evidence, "specialties")
    names = sorted({row["group"] for row in rows} | {row["other"] for row in rows})
    place = {name: number for number, name in enumerate(names)}
    matrices = {model: np.full((len(names), len(names)), np.nan) for model, _ in MODEL_NAMES}
    for row in rows:
        matrices[row["model"]][place[row["group"]], place[row["other"]]] = row["value"]
    cell = float(np.clip(4.2 / len(names), 0.125, 0.3))
    body = cell * len(names)
    height = 1.62 + body
    with new_figure(
        height=height,
        title="Mean similarity of specialties",
        subtitle=(
            "Mean over all pairs of held-out notes of two specialties; the numbers below stand for the same "
            "specialties as on the left.\n"
            "Good: a blue diagonal, and white elsewhere. Blue off it: specialties that are mixed up, or share "
            "notes. Grey: no such pair."
        ),
    ) as figure:
        size = float(np.clip(cell * 57, 6.5, 9.5))
        limit = _limit(*matrices.values())
        for column, (model, name) in enumerate(MODEL_NAMES):
            axes = _panel(figure, column, height=height, body=body, below=0.34)
            _heat(axes, matrices[model], limit)
            axes.set_title(name, pad=6)
            _diagonal_text(axes, matrices[model], len(names))
            # A figure space is as wide as a digit: the names end in one line.
            labels = [
                f"{shorten(name, 26)}  {str(number + 1).rjust(2, chr(0x2007))}"
                for number, name in enumerate(names)
            ]
            axes.set_yticks(range(len(names)), labels if column == 0 else [], fontsize=size, color=TEXT)
            # Of many columns only every other one has room for its number.
            numbered = range(0, len(names), 2 if len(names) > 32 else 1)
            numbers = [str(number + 1) for number in numbered]
            axes.set_xticks(numbered, numbers, fontsize=min(size, 7.5), rotation=90 if len(names) > 16 else 0)
        _scale(figure, limit, height=height, body=body, below=0.34)
        return drawn(figure)


def documents_picture(evidence: pa.Table, specialties: Mapping[str, Sequence[str]]) -> Picture:
    """The similarity of single notes with one another, sorted by specialty, before and after.

    Parameters
    ----------
    evidence
        the table `similarity_evidence`.
    specialties
        the specialties of each note by note_id.

    Raises
    ------
    PictureError
        the table lacks the figure `documents`.
    """
    rows = figure_rows(evidence, "documents")
    columns = {row["other"]: row["position"] for row in rows}
    notes = sorted(columns, key=columns.__getitem__)
    matrices = {model: np.full((len(notes), len(notes)), np.nan) for model, _ in MODEL_NAMES}
    relevant = np.zeros((len(notes), len(notes)), dtype=np.bool_)
    for row in rows:
        where = columns[row["group"]], row["position"]
        relevant[where] = row["relevant"] is not False
        if row["relevant"] is not None:
            matrices[row["model"]][where] = row["value"]
    blocks = _blocks([tuple(specialties.get(note) or (NO_SPECIALTY,)) for note in notes])
    height = 1.45 + _PANEL
    with new_figure(
        height=height,
        title="Queries x documents",
        subtitle=(
            f"{len(notes)} held-out notes, sorted by specialty: each row asks, each column is found. Dots: the "
            "two notes share a specialty.\n"
            "Good: blue under the dots, and white elsewhere. Columns are in the order of the rows; a note beside "
            "itself is left out."
        ),
    ) as figure:
        limit = _limit(*matrices.values())
        for column, (model, name) in enumerate(MODEL_NAMES):
            axes = _panel(figure, column, height=height, body=_PANEL, below=0.2)
            _heat(axes, matrices[model], limit)
            axes.set_title(name, pad=6)
            lines, places = np.nonzero(relevant & np.isfinite(matrices[model]))
            axes.scatter(places, lines, s=300 / max(len(notes), 12) ** 1.35, color=TEXT, linewidths=0)
            for first, _, _ in blocks[1:]:
                axes.axhline(first - 0.5, color="#B9BEC6", linewidth=0.6)
                axes.axvline(first - 0.5, color="#B9BEC6", linewidth=0.6)
            axes.set_xticks([])
            axes.set_yticks([])
            if column == 0:
                for first, last, text in blocks:
                    axes.annotate(
                        shorten(text, 30),
                        (0, (first + last) / 2),
                        xycoords=("axes fraction", "data"),
                        xytext=(-6, 0),
                        textcoords="offset points",
                        ha="right",
                        va="center",
                        fontsize=float(np.clip(200 * (last - first + 1) / len(notes), 5, 8.5)),
                        color=TEXT,
                    )
        _scale(figure, limit, height=height, body=_PANEL, below=0.2)
        return drawn(figure)


def _blocks(sets: Sequence[tuple[str, ...]]) -> list[tuple[int, int, str]]:
    """First and last place of each run of notes that share a specialty, and its name."""
    blocks: list[tuple[int, int, str]] = []
    shared: set[str] = set()
    for place, names in enumerate(sets):
        meeting = shared & set(names)
        if meeting:
            shared = meeting
            blocks[-1] = (blocks[-1][0], place, sorted(shared)[0])
        else:
            shared = set(names)
            blocks.append((place, place, sorted(shared)[0]))
    return blocks


def _panel(figure: Figure, column: int, *, height: float, body: float, below: float) -> Axes:
    left = (_LEFT + column * (_PANEL + _GAP)) / 9
    axes: Axes = figure.add_axes((left, below / height, _PANEL / 9, body / height))
    return axes


def _heat(axes: Axes, matrix: Matrix, limit: float) -> None:
    axes.set_facecolor(GRID)
    axes.imshow(
        np.ma.masked_invalid(matrix), cmap=_colours(), vmin=-limit, vmax=limit, aspect="auto", rasterized=True
    )
    axes.spines[["left", "bottom"]].set_visible(False)


def _diagonal_text(axes: Axes, matrix: Matrix, count: int) -> None:
    """What the reader looks for: how similar two notes of one specialty, and of two, are on average."""
    same = np.eye(count, dtype=np.bool_) & np.isfinite(matrix)
    apart = ~np.eye(count, dtype=np.bool_) & np.isfinite(matrix)
    parts = [
        f"{word} {matrix[chosen].mean():.2f}".replace("-", "\N{MINUS SIGN}")
        for word, chosen in (("diagonal", same), ("elsewhere", apart))
        if chosen.any()
    ]
    axes.set_title("   ".join(parts), loc="right", fontsize=9, fontweight="normal", color=MUTED_TEXT, pad=6)


def _scale(figure: Figure, limit: float, *, height: float, body: float, below: float) -> None:
    """The colours' meaning, on the right."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    left = (_LEFT + 2 * _PANEL + _GAP + 0.16) / 9
    tall = min(body, 2.6)
    axes = figure.add_axes((left, (below + body - tall) / height, 0.13 / 9, tall / height))
    bar = figure.colorbar(ScalarMappable(Normalize(-limit, limit), _colours()), cax=axes)
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.set_label("cosine similarity", fontsize=8.5, color=MUTED_TEXT)
    axes.tick_params(labelsize=8)


def _limit(*matrices: Matrix) -> float:
    """The largest distance from 0, at least 0.1, so that 0 is white on both panels."""
    known: list[Any] = [np.abs(matrix[np.isfinite(matrix)]).max(initial=0.0) for matrix in matrices]
    return max(0.1, *(float(value) for value in known))


def _colours() -> Colormap:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("similarity", [VERMILLION, "#FFFFFF", BLUE])
