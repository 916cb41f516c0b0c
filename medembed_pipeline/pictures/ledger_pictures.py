"""What every held-out note won or lost, and which specialties are taken for which."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.figure import Picture, drawn, new_figure, quiet_grid
from medembed_pipeline.pictures.metrics_pictures import shorten
from medembed_pipeline.pictures.palette import (
    BASELINE_COLOR,
    GRID,
    MUTED_TEXT,
    TEXT,
    TUNED_COLOR,
    WORSE_COLOR,
)

MODELS = ("baseline", "tuned")
MOST_SPECIALTIES = 20
OTHERS = "all others"

_MINUS = "\N{MINUS SIGN}"
_RIGHT_COLOR = "#ECEEF1"
_SMALLEST_NAMED_SHARE = 0.015
_DARK_FROM = 0.6  # of the colour scale; from here white figures read better


def change_picture(ledger: pa.Table) -> Picture:
    """Every held-out note as one bar, its change in P@10, the largest gain on the left.

    Parameters
    ----------
    ledger
        the table `retrieval_ledger`; columns change and precision_tuned. Undefined changes are left out.

    Raises
    ------
    PictureError
        columns are missing, or no change is defined.
    """
    _require(ledger, "retrieval_ledger", ("change", "precision_tuned"))
    change = ledger["change"].to_numpy().astype(np.float64)
    precision = ledger["precision_tuned"].to_numpy().astype(np.float64)
    precision, change = precision[np.isfinite(change)], change[np.isfinite(change)]
    if not len(change):
        raise PictureError("retrieval_ledger: no note has a change in P@10, so there is nothing to draw.")
    values = np.sort(change)[::-1]
    height = 4.3
    with new_figure(
        height=height,
        title="What every held-out note won or lost",
        subtitle=(
            f"{len(values):,} notes, one bar each: change in the share of relevant notes among its ten nearest "
            "(P@10), tuned minus baseline.\nGood: much blue, little vermillion. "
            "The table retrieval_ledger begins with the bars on the far right."
        ),
    ) as figure:
        from matplotlib.ticker import MultipleLocator

        axes = figure.subplots()
        figure.subplots_adjust(left=0.085, right=0.98, top=1 - 1.38 / height, bottom=0.42 / height)
        quiet_grid(axes, axis="y")
        axes.spines[["left", "bottom"]].set_visible(False)
        edges = np.repeat(np.arange(len(values) + 1), 2)[1:-1]
        steps = np.repeat(values, 2)
        for color, chosen in ((TUNED_COLOR, steps > 0), (WORSE_COLOR, steps < 0)):
            axes.fill_between(edges, 0, np.where(chosen, steps, 0), color=color, linewidth=0)
        axes.axhline(0, color=BASELINE_COLOR, linewidth=1.2)
        reach = max(0.2, float(np.abs(values).max()))
        axes.set_ylim(-1.08 * reach, 1.08 * reach)
        axes.set_xlim(0, len(values))
        # One digit shows these exactly; free ticks at quarters would be rounded to the wrong place.
        axes.yaxis.set_major_locator(MultipleLocator(0.2))
        axes.yaxis.set_major_formatter(lambda value, _: _signed(value, 1) if abs(value) > 1e-9 else "0")
        axes.set_xticks([])
        axes.set_xlabel("held-out notes, from the largest gain to the largest loss")
        perfect = int((precision[change == 0] == 1).sum())
        parts = (
            (values > 0, "better", TUNED_COLOR, "left", 0.085),
            (values == 0, "unchanged", MUTED_TEXT, "center", 0.53),
            (values < 0, "worse", WORSE_COLOR, "right", 0.98),
        )
        for chosen, name, color, side, place in parts:
            count = int(chosen.sum())
            texts = [f"{count:,} {name} ({count / len(values):.0%})"]
            if name == "unchanged":
                texts.append(f"{perfect:,} of them all right before and after")
            elif count:
                texts.append(f"by {_signed(float(values[chosen].mean()))} on average")
            for line, text in enumerate(texts):
                figure.text(
                    place,
                    1 - (1.02 + 0.19 * line) / height,
                    text,
                    color=color,
                    ha=side,
                    va="center",
                    fontsize=9.5 if line else 10.5,
                    weight="normal" if line else "bold",
                )
        return drawn(figure)


def confusions_picture(confusions: pa.Table, *, most: int = MOST_SPECIALTIES) -> Picture:
    """Who is taken for whom, before and after: rows ask, columns are what their neighbours are filed under.

    Parameters
    ----------
    confusions
        the table `specialty_confusions`.
    most
        how many specialties are shown, those with the most queries; wrong specialties beyond them are summed in one
        column.

    Raises
    ------
    PictureError
        columns are missing, or there are no rows.
    """
    _require(
        confusions, "specialty_confusions", ("model", "specialty", "wrong_specialty", "share", "queries")
    )
    rows = confusions.to_pylist()
    if not rows:
        raise PictureError("specialty_confusions: no wrong neighbour at all, so there is nothing to draw.")
    queries = {row["specialty"]: row["queries"] for row in rows}
    names = sorted(queries, key=lambda name: (-queries[name], name))[:most]
    shares = {model: confusion_matrix(rows, model=model, names=names) for model in MODELS}
    beyond = any(share[:, -1].any() for share in shares.values())
    columns = [*names, OTHERS] if beyond else names
    largest = max(float(share.max()) for share in shares.values())
    cell = 0.195
    height = 1.4 + max(3, len(names)) * cell + 1.6
    with new_figure(
        height=height,
        title="Which specialties are taken for which",
        subtitle=(
            "Row: specialty of the held-out note that asks. Column: what its irrelevant neighbours are filed "
            "under, % of all ten slots.\nGrey: relevant neighbours, %. "
            "Good: the same cell is paler on the right; bad: a cell that darkens."
        ),
    ) as figure:
        from matplotlib.colors import LinearSegmentedColormap

        scale = LinearSegmentedColormap.from_list("wrong", ["#FFFFFF", "#F6C3A0", WORSE_COLOR, "#7A2E00"])
        panels = np.atleast_1d(figure.subplots(1, 2, sharey=True))
        figure.subplots_adjust(
            left=0.215, right=0.985, top=1 - 1.3 / height, bottom=1.62 / height, wspace=0.04
        )
        for axes, model, color in zip(panels, MODELS, (MUTED_TEXT, TUNED_COLOR), strict=True):
            share = shares[model][:, : len(columns)]
            axes.imshow(share, cmap=scale, vmin=0, vmax=max(largest, 1e-9), aspect="auto")
            _write_shares(axes, share, 1 - shares[model].sum(axis=1), largest)
            axes.set_title(f"{model} model", color=color)
            axes.set_xticks(
                range(len(columns)), [shorten(name, 27) for name in columns], rotation=90, fontsize=7.5
            )
            axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
            axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
            axes.grid(which="minor", color=GRID, linewidth=0.6)
            axes.tick_params(which="minor", length=0)
            axes.spines[:].set_visible(False)
        labels = [f"{shorten(name, 27)}  {queries[name]:,}" for name in names]
        panels[0].set_yticks(range(len(names)), labels, color=TEXT, fontsize=8)
        panels[1].tick_params(labelleft=False)
        figure.text(
            0.207, 1 - 1.2 / height, "specialty, notes", color=MUTED_TEXT, fontsize=8, ha="right", va="center"
        )
        return drawn(figure)


def confusion_matrix(rows: list[dict[str, Any]], *, model: str, names: list[str]) -> np.ndarray:
    """Shares of one model as float64 [names, names + 1]; the last column sums what is not among the names."""
    place = {name: position for position, name in enumerate(names)}
    matrix = np.zeros((len(names), len(names) + 1))
    for row in rows:
        if row["model"] == model and row["specialty"] in place:
            matrix[place[row["specialty"]], place.get(row["wrong_specialty"], len(names))] += row["share"]
    return matrix


def _write_shares(axes: Any, share: np.ndarray, right: np.ndarray, largest: float) -> None:
    """Whole percent in the cells that are worth a figure, and the right share on the diagonal."""
    from matplotlib.patches import Rectangle

    for row in range(len(share)):
        axes.add_patch(Rectangle((row - 0.5, row - 0.5), 1, 1, color=_RIGHT_COLOR, linewidth=0))
        axes.text(row, row, f"{right[row]:.0%}"[:-1], ha="center", va="center", fontsize=6, color=MUTED_TEXT)
        for column in np.flatnonzero(share[row] >= _SMALLEST_NAMED_SHARE):
            dark = share[row, column] > _DARK_FROM * largest
            axes.text(
                column,
                row,
                f"{share[row, column]:.0%}"[:-1],
                ha="center",
                va="center",
                fontsize=6,
                color="white" if dark else TEXT,
            )


def _require(table: pa.Table, name: str, columns: tuple[str, ...]) -> None:
    missing = sorted(set(columns).difference(table.column_names))
    if missing:
        raise PictureError(f"{name}: the columns {', '.join(missing)} are missing.")


def _signed(value: float, digits: int = 2) -> str:
    return f"{value:+.{digits}f}".replace("-", _MINUS)
