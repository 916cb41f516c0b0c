"""The figures of the health of a space: before and after, hubs, and the spread within its specialties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from medembed_pipeline.pictures.charts import dumbbells, listing
from medembed_pipeline.pictures.curves import pillars
from medembed_pipeline.pictures.numbers import is_number, number, signed
from medembed_pipeline.pictures.specification import Figure, Known, Row

UP, DOWN = "\N{UPWARDS ARROW}", "\N{DOWNWARDS ARROW}"


class _Line(NamedTuple):
    title: str
    explanation: str
    good: str
    digits: int
    counted: str = "notes"


_SECTIONS: Mapping[str, Mapping[str, _Line]] = {
    "Shape of the space": {
        "alignment": _Line("alignment", "squared distance of notes that share a specialty", DOWN, 3, "pairs"),
        "uniformity": _Line(
            "uniformity", "how evenly notes fill the sphere; 0 is one point", DOWN, 3, "pairs"
        ),
        "effective_rank": _Line("effective rank", "directions that are truly used", UP, 1),
    },
    "Hubs": {
        "hubness_skew": _Line("hubness", "skewness of how often notes are found; 0 is even", DOWN, 2),
        "unreachable_share": _Line("unreachable notes", "share that no search by a note finds", DOWN, 3),
    },
    "Detail kept within a specialty": {
        "within_class_recall": _Line("", "share of its like that a note finds", UP, 3)
    },
    "Specialty read off a vector, macro-F1": {
        "knn_macro_f1": _Line("nearest neighbours", "vote of the nearest training notes", UP, 3),
        "probe_macro_f1": _Line("linear probe", "logistic regression on training notes", UP, 3),
    },
}
_METHODS = {"near_duplicate": "near-duplicates", "sample_name": "same kind of sample"}


def health_figures(rows: Sequence[Row], known: Known) -> list[Figure]:
    """Both models' figures, how often notes are found, and the spread within specialties, as far as there.

    Parameters
    ----------
    rows
        of `embedding_diagnostics`.
    known
        the facts `hub_neighbors`, and `detail`: what neighbours in random order would keep, by method.
    """
    of: dict[str, dict[tuple[str, str], Row]] = {"baseline": {}, "tuned": {}}
    for row in rows:
        of[row["model"]][row["figure"], row["name"] or ""] = row
    both = {key: (before, of["tuned"][key]) for key, before in of["baseline"].items() if key in of["tuned"]}
    made = [_listed(both, known), _spread(both), _hubness(rows, known)]
    return [figure for figure in made if figure is not None]


Pairs = Mapping[tuple[str, str], tuple[Row, Row]]


def _listed(pairs: Pairs, known: Known) -> Figure | None:
    random = {
        one["method"]: one["random_order"] for one in known.fact("embedding_diagnostics", "detail") or ()
    }
    shown: list[Row] = []
    for heading, lines in _SECTIONS.items():
        found = [row for name, line in lines.items() for row in _told(pairs, name, line, random)]
        shown += [{"name": heading}, *found] if found else []
    if not shown:
        return None
    columns = {
        "good": ("", 0.01, "left"),
        "name": ("", 0.03, "left"),
        "explanation": ("", 0.24, "left"),
        "before": ("baseline", 0.72, "right"),
        "after": ("tuned", 0.8, "right"),
        "counted": ("counted", 0.92, "right"),
        "change": ("change", 1.0, "right"),
    }
    return Figure(
        "figures_before_and_after",
        "Health of the space, baseline and tuned model",
        "Arrows point to where a figure is better. Blue is better than before, red worse; small changes may be "
        "chance. Tuning on labels buys alignment with uniformity, rank and detail: some loss is its price.",
        "Health of the space",
        listing(shown, columns),
    )


def _told(pairs: Pairs, figure: str, line: _Line, random: Mapping[str, float]) -> Iterator[Row]:
    for (one, method), (before, after) in pairs.items():
        if one != figure or not (is_number(before["value"]) and is_number(after["value"])):
            continue
        change = round(after["value"], line.digits) - round(before["value"], line.digits)
        better = change > 0 if line.good == UP else change < 0
        by_chance = f"; {random[method]:.2f} in random order" if method in random else ""
        yield {
            "good": line.good,
            "name": line.title or _METHODS.get(method, method),
            "explanation": line.explanation + by_chance,
            "before": number(before["value"], line.digits),
            "after": number(after["value"], line.digits),
            "change": signed(change, line.digits),
            "counted": f"{_short_count(after['n'])} {line.counted}",
            "verdict": "unclear" if not change else "better" if better else "worse",
        }


def _spread(pairs: Pairs) -> Figure | None:
    lines: list[dict[str, Any]] = [
        {
            "name": name,
            "baseline": before,
            "tuned": after,
            "change": {"value": after["value"] - before["value"]},
        }
        for (figure, name), (before, after) in pairs.items()
        if figure == "specialty_spread" and is_number(before["value"]) and is_number(after["value"])
    ]
    lines.sort(key=lambda line: (line["tuned"]["value"], line["name"]))
    if not lines:
        return None
    return Figure(
        "spread_within_specialties",
        "Spread within each specialty",
        "Median cosine distance between the held-out notes of one specialty, the tightest first. Tuning draws them "
        "together. Bad: blue circles near zero, where a specialty has collapsed to a point and its notes can no "
        "longer be told apart.",
        "Spread within each specialty",
        dumbbells(lines, digits=2),
    )


def _hubness(rows: Sequence[Row], known: Known) -> Figure | None:
    counts: dict[str, dict[int, float]] = {"baseline": {}, "tuned": {}}
    for row in rows:
        if row["figure"] == "k_occurrence":
            counts[row["model"]][int(row["name"])] = row["value"]
    if not all(counts.values()):
        return None
    ranges = occurrence_ranges(max(max(one) for one in counts.values()))
    k = known.fact("embedding_diagnostics", "hub_neighbors")
    named = [
        (low, high, f"{low:,}" if low == high else f"{low:,}\N{EN DASH}{high:,}") for low, high in ranges
    ]
    bars = [
        {
            "group": name,
            "series": model,
            "value": (
                notes := round(sum(one for times, one in counts[model].items() if low <= times <= high))
            ),
            "words": f"{model}: {notes:,} notes are found {name} times",
        }
        for low, high, name in named
        for model in counts
    ]
    return Figure(
        "how_often_notes_are_found",
        "How often each note is found",
        f"Notes, by how many others have them among their {k} nearest; the mean is {k}. Left end: notes that no "
        "search finds. Right end: hubs, which crowd the results. Each range is twice as wide as the last.",
        "How often each note is found",
        pillars(bars, {"baseline": "--baseline", "tuned": "--tuned"}, axis="times that a note is found"),
    )


def occurrence_ranges(largest: int) -> list[tuple[int, int]]:
    """Ranges of whole numbers up to `largest`: 0, 1, 2-3, 4-7, 8-15, and so on, each twice as wide."""
    ranges = [(0, 0)]
    low = 1
    while low <= largest:
        ranges.append((low, 2 * low - 1))
        low *= 2
    return ranges


def _short_count(count: int) -> str:
    return f"{count:,}" if count < 1_000_000 else f"{count / 1_000_000:,.1f}M"
