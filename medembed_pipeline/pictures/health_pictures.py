"""The health of a space before and after tuning: its figures, its hubs, the spread within its specialties."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

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

_COLUMNS = {"model", "figure", "name", "value", "n"}
_MODELS = ("baseline", "tuned")
_UP, _DOWN = "\N{UPWARDS ARROW}", "\N{DOWNWARDS ARROW}"


class _Line(NamedTuple):
    figure: str
    title: str
    explanation: str
    good: str
    digits: int


_SECTIONS: tuple[tuple[str, tuple[_Line, ...]], ...] = (
    (
        "Shape of the space",
        (
            _Line("alignment", "alignment", "squared distance of notes that share a specialty", _DOWN, 3),
            _Line("uniformity", "uniformity", "how evenly notes fill the sphere; 0 is one point", _DOWN, 3),
            _Line("effective_rank", "effective rank", "directions that are truly used", _UP, 1),
        ),
    ),
    (
        "Hubs",
        (
            _Line("hubness_skew", "hubness", "skewness of how often notes are found; 0 is even", _DOWN, 2),
            _Line("unreachable_share", "unreachable notes", "share that no search by a note finds", _DOWN, 3),
        ),
    ),
    (
        "Detail kept within a specialty",
        (_Line("detail_kept", "", "share of its like that a note finds", _UP, 3),),
    ),
    (
        "Specialty read off a vector, macro-F1",
        (
            _Line("knn_macro_f1", "nearest neighbours", "vote of the nearest training notes", _UP, 3),
            _Line("probe_macro_f1", "linear probe", "logistic regression on training notes", _UP, 3),
        ),
    ),
)
_COUNTED = {"alignment": "pairs", "uniformity": "pairs"}
_NAMES = {
    "near_duplicate": "near-duplicates",
    "sample_name": "same kind of sample",
}


def health_figures_picture(health: pa.Table, *, random_order: Mapping[str, float] | None = None) -> Picture:
    """The figures of both models as a table, each with the direction that is good.

    Parameters
    ----------
    health
        the table `space_health`.
    random_order
        by method of detail, what neighbours in random order would keep, to read it by.

    Raises
    ------
    PictureError
        columns are missing, or no figure has both models.
    """
    found = _by_model(health)
    sections = []
    for heading, lines in _SECTIONS:
        shown = [
            (_named(line, name, random_order or {}), before, after)
            for line in lines
            for name, before, after in _pairs(found, line.figure)
        ]
        if shown:
            sections.append((heading, shown))
    if not sections:
        raise PictureError("space_health: no figure of both models. Materialize space_health.")
    rows = sum(len(shown) for _, shown in sections)
    height = 1.05 + 0.31 * rows + 0.42 * len(sections)
    with new_figure(
        height=height,
        title="Health of the space, baseline and tuned model",
        subtitle="Arrows point to where a figure is better. Blue is better than before, red worse; small changes\n"
        "may be chance. Tuning on labels buys alignment with uniformity, rank and detail: some loss is its price.",
    ) as figure:
        axes = figure.add_axes((0.02, 0.0, 0.96, 1.0))
        axes.set_axis_off()
        axes.set_xlim(0, 1)
        axes.set_ylim(height, 0)
        at = 0.78
        for place, text in ((0.69, "baseline"), (0.78, "tuned"), (0.88, "change"), (0.995, "counted")):
            axes.text(place, at + 0.36, text, color=MUTED_TEXT, fontsize=9.5, ha="right", va="center")
        for heading, shown in sections:
            at += 0.36
            axes.text(0, at, heading, fontsize=10.5, fontweight="bold", va="center")
            axes.plot([0, 1], [at + 0.15] * 2, color=GRID, linewidth=1)
            at += 0.06
            for line, before, after in shown:
                at += 0.31
                _draw_line(axes, at, line, before, after)
        return drawn(figure)


def _named(line: _Line, name: str, random_order: Mapping[str, float]) -> _Line:
    if line.title:
        return line
    random = f"; {random_order[name]:.2f} in random order" if name in random_order else ""
    return line._replace(title=_NAMES.get(name, name), explanation=line.explanation + random)


def _draw_line(
    axes: Any, at: float, line: _Line, before: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    change = round(after["value"], line.digits) - round(before["value"], line.digits)
    better = change > 0 if line.good == _UP else change < 0
    color = MUTED_TEXT if not change else TUNED_COLOR if better else WORSE_COLOR
    axes.text(0.012, at, line.good, color=MUTED_TEXT, fontsize=10.5, ha="center", va="center")
    axes.text(0.03, at, line.title, fontsize=10, va="center")
    axes.text(0.22, at, line.explanation, fontsize=9, color=MUTED_TEXT, va="center")
    for place, row, weight, shade in (
        (0.69, before, "normal", MUTED_TEXT),
        (0.78, after, "bold", TEXT),
    ):
        text = _number(row["value"], line.digits)
        axes.text(place, at, text, fontsize=10, fontweight=weight, color=shade, ha="right", va="center")
    signed = _number(change, line.digits, signed=True)
    axes.text(0.88, at, signed, fontsize=10, color=color, ha="right", va="center")
    counted = f"{_short_count(after['n'])} {_COUNTED.get(line.figure, 'notes')}"
    axes.text(0.995, at, counted, fontsize=9, color=MUTED_TEXT, ha="right", va="center")


def hubness_picture(health: pa.Table, *, k: int) -> Picture:
    """How often notes are among the k nearest of another, before and after. Ranges double, zero is its own.

    Parameters
    ----------
    health
        the table `space_health`, figure `k_occurrence`.
    k
        neighbours looked at, for the title.

    Raises
    ------
    PictureError
        columns are missing, or there is no k-occurrence of both models.
    """
    found = _by_model(health)
    counts = {
        model: {int(name): row["value"] for (figure, name), row in rows.items() if figure == "k_occurrence"}
        for model, rows in found.items()
    }
    if not all(counts[model] for model in _MODELS):
        raise PictureError("space_health: no k-occurrence of both models. Materialize space_health.")
    ranges = occurrence_ranges(max(max(one) for one in counts.values()))
    heights = {
        model: [sum(notes for times, notes in one.items() if low <= times <= high) for low, high in ranges]
        for model, one in counts.items()
    }
    skews = {model: found[model].get(("hubness_skew", ""), {}).get("value", math.nan) for model in _MODELS}
    size = 4.4
    with new_figure(
        height=size,
        title="How often each note is found",
        subtitle=f"Notes, by how many others have them among their {k} nearest; the mean is {k}. Left end: notes that\n"
        "no search finds. Right end: hubs, which crowd the results. Each range is twice as wide as the last.",
    ) as figure:
        axes = figure.subplots()
        figure.subplots_adjust(left=0.08, right=0.98, top=1 - 1.3 / size, bottom=0.62 / size)
        quiet_grid(axes, axis="y")
        axes.spines[["left"]].set_visible(False)
        for model, color, offset in (("baseline", BASELINE_COLOR, -0.2), ("tuned", TUNED_COLOR, 0.2)):
            places = [place + offset for place in range(len(ranges))]
            axes.bar(places, heights[model], width=0.38, color=color, zorder=2)
            for place, value in zip(places, heights[model], strict=True):
                if value:
                    axes.annotate(
                        f"{value:,.0f}",
                        (place, value),
                        xytext=(0, 2),
                        textcoords="offset points",
                        ha="center",
                        fontsize=8.5 if len(ranges) < 11 else 7.5,
                        color=color if model == "tuned" else MUTED_TEXT,
                    )
        axes.set_xticks(range(len(ranges)), [_range_name(*one) for one in ranges])
        axes.set_xlim(-0.6, len(ranges) - 0.4)
        axes.set_xlabel("times that a note is found")
        axes.set_ylabel("notes")
        axes.set_ylim(0, 1.1 * max(max(one) for one in heights.values()))
        names = {model: f"{model}, skewness {_number(skews[model], 2)}" for model in _MODELS}
        _key(figure, size, (("■", names["baseline"]), ("■", names["tuned"])))
        return drawn(figure)


def occurrence_ranges(largest: int) -> list[tuple[int, int]]:
    """Ranges of whole numbers up to `largest`: 0, 1, 2-3, 4-7, 8-15, and so on, each twice as wide."""
    ranges = [(0, 0)]
    low = 1
    while low <= largest:
        ranges.append((low, 2 * low - 1))
        low *= 2
    return ranges


def specialty_spread_picture(health: pa.Table) -> Picture:
    """The median cosine distance within each specialty, before and after, the most collapsed on top.

    Parameters
    ----------
    health
        the table `space_health`, figure `specialty_spread`.

    Raises
    ------
    PictureError
        columns are missing, or no specialty has both models.
    """
    lines = list(_pairs(_by_model(health), "specialty_spread"))
    lines.sort(key=lambda line: (line[2]["value"], line[0]))
    if not lines:
        raise PictureError("space_health: no spread of both models. Materialize space_health.")
    height = 1.95 + 0.26 * len(lines)
    with new_figure(
        height=height,
        title="Spread within each specialty",
        subtitle="Median cosine distance of its held-out notes, the tightest on top. Tuning means to move them nearer\n"
        "to 0; at 0 every note of the specialty is the same to the model, and its detail is gone.",
    ) as figure:
        axes = figure.subplots()
        figure.subplots_adjust(left=0.29, right=0.80, top=1 - 1.35 / height, bottom=0.5 / height)
        quiet_grid(axes, axis="x")
        axes.spines[["left", "bottom"]].set_visible(False)
        for place, (_, before, after) in enumerate(lines):
            axes.plot(
                [before["value"], after["value"]],
                [place] * 2,
                color="#C9CED6",
                linewidth=4,
                zorder=1,
                solid_capstyle="butt",
            )
            for row, color, marker in ((before, BASELINE_COLOR, "s"), (after, TUNED_COLOR, "o")):
                axes.plot(
                    row["value"],
                    place,
                    marker=marker,
                    color=color,
                    markersize=7,
                    markeredgecolor="white",
                    markeredgewidth=0.6,
                    zorder=3,
                )
            values = f"{_number(before['value'], 2)} → {_number(after['value'], 2)}"
            # n counts pairs: m (m - 1) / 2 of them are m notes.
            notes = round((1 + math.sqrt(1 + 8 * after["n"])) / 2)
            for at, text, side in ((1.03, values, "left"), (1.36, f"{notes:,}", "right")):
                _beside(axes, at, place, text, side)
        for at, text, side in ((1.03, "baseline → tuned", "left"), (1.36, "notes", "right")):
            axes.annotate(
                text,
                (at, 1.0),
                xycoords="axes fraction",
                xytext=(0, 4),
                textcoords="offset points",
                fontsize=8.5,
                color=MUTED_TEXT,
                ha=side,
                annotation_clip=False,
            )
        names = [shorten(name, 34) for name, _, _ in lines]
        axes.set_yticks(range(len(lines)), names, color=TEXT, fontsize=9.5)
        axes.set_ylim(len(lines) - 0.4, -0.6)
        furthest = max(row["value"] for line in lines for row in line[1:])
        axes.set_xlim(0, max(1.0, furthest * 1.03))
        axes.set_xlabel("median cosine distance within the specialty", fontsize=9.5)
        _key(figure, height, (("■", "baseline"), ("●", "tuned")))
        return drawn(figure)


def _beside(axes: Any, at: float, place: float, text: str, side: str) -> None:
    axes.annotate(
        text,
        (at, place),
        xycoords=("axes fraction", "data"),
        va="center",
        ha=side,
        fontsize=9,
        color=MUTED_TEXT,
        annotation_clip=False,
    )


def _key(figure: Any, height: float, marks: tuple[tuple[str, str], tuple[str, str]]) -> None:
    """Mark and name of the baseline and of the tuned model, under the subtitle."""
    left = 0.02
    for (mark, name), color in zip(marks, (BASELINE_COLOR, TUNED_COLOR), strict=True):
        text = f"{mark} {name}"
        at = 1 - 1.05 / height
        figure.text(left, at, text, color=color, fontsize=10, fontweight="bold", va="center")
        left += 0.035 + 0.0095 * len(text)


def _by_model(health: pa.Table) -> dict[str, dict[tuple[str, str], dict[str, Any]]]:
    missing = _COLUMNS.difference(health.column_names)
    if missing:
        raise PictureError(f"space_health: the columns {', '.join(sorted(missing))} are missing.")
    found: dict[str, dict[tuple[str, str], dict[str, Any]]] = {model: {} for model in _MODELS}
    for row in health.select(sorted(_COLUMNS)).to_pylist():
        found.setdefault(row["model"], {})[row["figure"], row["name"]] = row
    return found


def _pairs(
    found: Mapping[str, Mapping[tuple[str, str], dict[str, Any]]], figure: str
) -> Iterable[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(name, baseline row, tuned row) of a figure, where both are there."""
    for (one, name), before in found["baseline"].items():
        after = found["tuned"].get((one, name))
        if one == figure and after is not None:
            yield name, before, after


def _number(value: float, digits: int, *, signed: bool = False) -> str:
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    if not float(text):
        text = text.lstrip("+-")
    return text.replace("-", "\N{MINUS SIGN}")


def _range_name(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,}\N{EN DASH}{high:,}"


def _short_count(count: int) -> str:
    return f"{count:,}" if count < 1_000_000 else f"{count / 1_000_000:,.1f}M"
