"""The figures of the classifier: its ladder, what it takes for what, and whether its probabilities hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medembed_pipeline.pictures.charts import dumbbells
from medembed_pipeline.pictures.curves import reliability
from medembed_pipeline.pictures.grids import heatmap
from medembed_pipeline.pictures.numbers import words
from medembed_pipeline.pictures.specification import Choice, Drawing, Figure, Known, Row

MOST_LABELS = 40

_ASSET = "classification_metrics"
_METRICS: tuple[tuple[str, int | None, str], ...] = (
    ("macro_f1", None, "Macro-F1"),
    ("map", None, "mAP"),
    ("top", 1, "Top-1"),
)


def ladder_figures(facts: Mapping[str, Any]) -> list[Figure]:
    """The rungs on validation notes, in what they are chosen by; nothing without a rung.

    Parameters
    ----------
    facts
        of `label_probabilities`: `ladder`, and the rung that is `served`.
    """
    ladder = facts.get("ladder") or ()
    lines = [_rung(row["shown"], row, served=row["rung"] == facts["served"]) for row in ladder]
    if not lines:
        return []
    return [
        Figure(
            "ladder",
            "The ladder on validation notes",
            "What is chosen by, with its interval. Blue: the rung that is served.",
            "The ladder on validation notes",
            _ladder(lines),
        )
    ]


def classifier_figures(rows: Sequence[Row], known: Known) -> list[Figure]:
    """The ladder on held-out notes, what is taken for what, and the reliability of the probabilities.

    Parameters
    ----------
    rows
        of `classification_metrics`.
    known
        its facts `served`, `shown`, `confusions`, `reliability` and `top_reliability`.
    """

    def fact(name: str) -> Any:
        return known.fact(_ASSET, name) or ()

    named = dict(fact("shown"))
    lines = [
        {
            **_rung(named.get(row["model"], words(row["model"])), row, served=row["model"] == fact("served")),
            "figure": name,
        }
        for metric, k, name in _METRICS
        for row in rows
        if row["scope_kind"] == "all" and row["over"] is None and (row["metric"], row["k"]) == (metric, k)
    ]
    made = []
    if lines:
        there = [name for _, _, name in _METRICS if any(line["figure"] == name for line in lines)]
        made.append(
            Figure(
                "held_out_ladder",
                "The ladder on held-out notes",
                "With 95% intervals over groups of notes. Blue: the rung that is served.",
                "The ladder on held-out notes",
                _ladder(lines),
                (Choice("Figure", "figure", tuple((name, name) for name in there), there[0]),),
            )
        )
    if fact("confusions"):
        made.append(_confusions(fact("confusions")))
    if fact("reliability"):
        made.append(_reliability(fact("reliability"), fact("top_reliability")))
    return made


def _rung(name: str, row: Row, *, served: bool) -> dict[str, Any]:
    return {"name": name, "tuned" if served else "baseline": row}


def _ladder(lines: Sequence[Mapping[str, Any]]) -> Drawing:
    return dumbbells(lines, models={"tuned": "served", "baseline": "not served"})


def _confusions(confusions: Sequence[Row]) -> Figure:
    sizes: dict[str, int] = {}
    for row in confusions:
        sizes[row["expected"]] = sizes.get(row["expected"], 0) + row["notes"]
        sizes.setdefault(row["came"], 0)
    names = sorted(sizes, key=lambda name: (-sizes[name], name))[:MOST_LABELS]
    cells = [
        {
            "row": row["expected"],
            "column": row["came"],
            "value": row["notes"] / sizes[row["expected"]],
            "words": f"{row['notes']:,} of the {sizes[row['expected']]:,} notes of {row['expected']} came out as "
            f"{row['came']}",
        }
        for row in confusions
    ]
    return Figure(
        "confusion",
        "What is taken for what",
        "Row: the expected label. Column: the likeliest one; the share of the row's held-out notes. Good: a strong "
        "diagonal.",
        "Confusions of the classifier",
        heatmap(cells, rows=names, columns=names, domain=[0, 1], form=".0%"),
    )


def _reliability(pooled: Sequence[Row], top: Sequence[Row]) -> Figure:
    return Figure(
        "reliability",
        "Are the probabilities right?",
        "Along: what was said. Up: how often it was true. Good: on the straight line.",
        "Reliability of the probabilities",
        reliability(
            {"every pair of note and label": pooled, "likeliest label of each note": top}, "predictions"
        ),
    )
