"""The figures of the metrics: before and after, and the change by specialty and by slice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from medembed_pipeline.pictures.charts import dumbbells, forest
from medembed_pipeline.pictures.numbers import capital, is_number, number, percent, words
from medembed_pipeline.pictures.specification import Choice, Figure, Known, Row

HEADLINES: tuple[tuple[str, int | None, str], ...] = (
    ("precision", 1, "Precision at 1"),
    ("precision", 5, "Precision at 5"),
    ("precision", 10, "Precision at 10"),
    ("mrr", None, "MRR"),
    ("ndcg", 10, "nDCG at 10"),
    ("map", None, "MAP"),
    ("silhouette", None, "Cosine silhouette"),
)
"""Figures of the overview, in its order: metric, k, name."""

Finder = Callable[[str, str, "int | None"], dict[str, Row]]
"""Rows of a scope, metric and k by what a chart calls their model."""

_OVERALL = ("all", "macro")
_MODELS = {"baseline": "baseline", "tuned": "tuned", "lexical": "word matching", "difference": "change"}
_HARM = "Left of zero is harm. "


def metrics_figures(rows: Sequence[Row], known: Known) -> list[Figure]:
    """Both models over all notes; and, where specialties are large enough for figures of their own, their changes.

    Parameters
    ----------
    rows
        of `embedding_metrics`.
    known
        `verdict` and `evaluation` of the settings, and the ceilings of `label_review`, as far as they are known.
    """
    split = "test" if any(row["split"] == "test" for row in rows) else rows[0]["split"]
    find = finder([row for row in rows if row["split"] == split])
    scopes = list(dict.fromkeys(row["scope"] for row in rows if row["split"] == split))
    made = [before_and_after(find, known)] if any(find("all", *one[:2]) for one in HEADLINES) else []
    specialties = [scope for scope in scopes if scope not in _OVERALL]
    return [*made, *change_by_specialty(find, specialties, known)]


def before_and_after(find: Finder, known: Known) -> Figure:
    """Each headline figure of both models over all notes."""
    ceilings = {
        (row["metric"], row["k"]): row["ceiling"] for row in known.fact("label_review", "ceilings") or ()
    }
    found = [(name, find("all", metric, k), ceilings.get((metric, k))) for metric, k, name in HEADLINES]
    lines: list[dict[str, Any]] = [
        {"name": name, **models, "limit": limit} for name, models, limit in found if models
    ]
    confidence = percent(known.setting("evaluation", "confidence", 0.95))
    notes = max(row["n"] for line in lines for row in (line.get("tuned"), line.get("baseline")) if row)
    reading = (
        f"On {notes:,} held-out notes. Each line is one figure: grey square before, blue circle after, whiskers the "
        f"{confidence} interval (jackknife over near-duplicate groups). Right is better, 1 is perfect. Good: the "
        "change at the right has its whole interval above zero (blue); an interval that includes zero proves "
        "nothing."
    )
    if any(line["limit"] is not None for line in lines):
        reading += " The upright line is the label ceiling: no model could do better with these labels."
    return Figure(
        "before_and_after",
        "Before and after",
        reading,
        "Metrics of both models",
        dumbbells(lines, limit=", the most that any model could reach with these labels"),
    )


def change_by_specialty(find: Finder, specialties: Sequence[str], known: Known) -> list[Figure]:
    """The change of the chosen figure by specialty, the most harmed first; none without a specialty that has any."""
    tolerance = known.setting("verdict", "specialty_tolerance", 0)
    lines = changes(find, {name: name for name in specialties}, tolerance)
    if not lines:
        return []
    lines.sort(key=lambda line: line["value"])
    return [
        Figure(
            "change_by_specialty",
            "Change by specialty, the most harmed first",
            "One row per specialty with its held-out notes in brackets: the change of the chosen figure and its "
            f"interval. {_HARM}{_tolerated(tolerance)}Good: no vermillion row. A wide interval means few notes, not "
            "a large effect; intervals are not corrected for the number of specialties.",
            "Change by specialty",
            forest(lines),
            (figure_choice(lines, known),),
        )
    ]


def slice_figures(rows: Sequence[Row], known: Known) -> list[Figure]:
    """The change of the chosen figure by the values of the chosen slice, from low to high.

    Parameters
    ----------
    rows
        of `slice_metrics`.
    known
        `verdict` of the settings, as far as it is known.
    """
    tolerance = known.setting("verdict", "slice_tolerance", 0)
    slices = list(dict.fromkeys(row["slice"] for row in rows))
    lines = []
    for name in slices:
        own = [row for row in rows if row["slice"] == name]
        values = {row["value_name"]: row["value_name"] for row in own}
        lines += [
            {**line, "slice": name}
            for line in changes(
                finder([{**row, "scope": row["value_name"]} for row in own]), values, tolerance
            )
        ]
    if not lines:
        return []
    return [
        Figure(
            "change_by_slice",
            "Change by slice",
            "One row per value, from low to high, with its held-out notes in brackets: the change of the chosen "
            f"figure and its interval. They search among all held-out notes. {_HARM}{_tolerated(tolerance)}Good: no "
            "vermillion row, and no value far from the others. A wide interval means few notes, not a large effect.",
            "Change by slice",
            forest(lines),
            (
                Choice(
                    "Slice",
                    "slice",
                    tuple((name, capital(words(name))) for name in slices),
                    slices[0],
                    "slice",
                ),
                figure_choice(lines, known, state="figure"),
            ),
            in_ui=False,
        )
    ]


def comparison_figure(models: Sequence[tuple[str, Sequence[Row]]]) -> list[Figure]:
    """Several models on the same notes, in the chosen figure; none where they have none.

    Parameters
    ----------
    models
        name, and rows of `embedding_metrics`.
    """
    lines = []
    for name, rows in models:
        find = finder(rows)
        for metric, k, _ in HEADLINES:
            found = find("all", metric, k)
            if "tuned" in found:
                found.pop("word matching", None)
                lines.append({"name": name, **found, "figure": key_of(metric, k)})
    if not lines:
        return []
    return [
        Figure(
            "models_side_by_side",
            "Models side by side",
            "Every model on the same notes: blue circles, against the same baseline, the grey square; whiskers are "
            "intervals. Intervals that overlap widely do not tell two models apart.",
            "Models side by side",
            dumbbells(lines, models={"tuned": "this model"}),
            (figure_choice(lines, Known()),),
        )
    ]


def finder(rows: Sequence[Row]) -> Finder:
    """Finds among rows those that have a value."""
    found: dict[tuple[str, str, int | None], dict[str, Row]] = {}
    for row in rows:
        if row["model"] in _MODELS and is_number(row["value"]):
            found.setdefault((row["scope"], row["metric"], row["k"]), {})[_MODELS[row["model"]]] = row
    return lambda scope, metric, k: dict(found.get((scope, metric, k), {}))


def changes(find: Finder, scopes: Mapping[str, str], tolerance: float) -> list[dict[str, Any]]:
    """A line of `forest` by scope and headline figure that has a change."""
    return [
        {
            "name": name,
            **{key: found["change"][key] for key in ("n", "value", "ci_low", "ci_high")},
            "before": found.get("baseline", {}).get("value"),
            "after": found.get("tuned", {}).get("value"),
            "tolerated": tolerance,
            "figure": key_of(metric, k),
        }
        for scope, name in scopes.items()
        for metric, k, _ in HEADLINES
        if "change" in (found := find(scope, metric, k))
    ]


def figure_choice(lines: Sequence[Mapping[str, Any]], known: Known, *, state: str = "") -> Choice:
    """Between the headline figures that some line is of; first that of the verdict, where it is among them."""
    there = {line["figure"] for line in lines}
    options = tuple((key_of(metric, k), name) for metric, k, name in HEADLINES if key_of(metric, k) in there)
    main = known.setting("verdict", "main_metric", "precision@5")
    return Choice("Figure", "figure", options, main if main in there else options[0][0], state)


def key_of(metric: str, k: int | None) -> str:
    """As the settings name it: `precision@5`."""
    return metric if k is None else f"{metric}@{k}"


def _tolerated(tolerance: float) -> str:
    if not tolerance:
        return ""
    return f"The shaded band is the fall that the verdict tolerates ({number(tolerance, 2)}). "
