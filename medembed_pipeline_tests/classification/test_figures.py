"""The classifier's figures: drawn from the facts and rows that the assets hold."""

from __future__ import annotations

from typing import Any

from medembed_pipeline.classification.figures import classifier_figures, ladder_figures
from medembed_pipeline.pictures.specification import Known
from medembed_pipeline_tests.pictures.figures import drawn, words

BINS = [
    {"low": 0.1 * at, "high": 0.1 * at + 0.1, "said": 0.1 * at, "true": 0.1 * at, "n": 5} for at in range(9)
]


def known(**facts: Any) -> Known:
    return Known({"classification_metrics": facts})


def confusions(labels: int) -> list[dict[str, Any]]:
    return [
        {
            "expected": f"Label {one:02d} / $x",
            "came": f"Label {(one + shift) % labels:02d} / $x",
            "notes": 30 - one // 2,
        }
        for one in range(labels)
        for shift in (0, 1)
    ]


def test_forty_labels_are_legible_and_more_are_left_out() -> None:
    figures = classifier_figures([], known(confusions=confusions(45)))
    svg = drawn(figures, "confusion").svg.decode()
    assert "Label 00 / $x" in svg and "Label 39 / $x" in svg and "Label 44 / $x" not in svg
    said = words(figures, "confusion", "cells")
    assert said[0] == "30 of the 60 notes of Label 00 / $x came out as Label 00 / $x"


def test_the_ladder_names_every_rung_and_tells_the_served_one() -> None:
    ladder: list[dict[str, Any]] = [
        {
            "rung": "tfidf",
            "shown": "TF-IDF + logistic regression",
            "value": 0.8,
            "ci_low": 0.7,
            "ci_high": 0.9,
        },
        {"rung": "tuned", "shown": "tuned vectors", "value": 0.9, "ci_low": 0.8, "ci_high": 1.0},
        {"rung": "none", "shown": "nothing learned", "value": None, "ci_low": None, "ci_high": None},
    ]
    figures = ladder_figures({"ladder": ladder, "served": "tuned"})
    svg = drawn(figures, "ladder").svg.decode()
    assert all(row["shown"] in svg for row in ladder)
    assert words(figures, "ladder", "marks")[1] == "tuned vectors, served: 0.900 (0.800 to 1.000)"
    assert ladder_figures({}) == []


def test_the_held_out_ladder_shows_three_figures() -> None:
    rows = [
        {"model": model, "over": None, "scope_kind": "all", "metric": metric, "k": k, "value": 0.5}
        | {"ci_low": 0.4, "ci_high": 0.6}
        for model in ("tfidf", "tuned")
        for metric, k in (("macro_f1", None), ("map", None), ("top", 1))
    ]
    (figure,) = classifier_figures(rows, known(served="tuned", shown={"tuned": "tuned vectors"}))
    assert [value for value, _ in figure.choices[0].options] == ["Macro-F1", "mAP", "Top-1"]
    assert [row["name"] for row in figure.chosen_data()["rows"]] == ["tfidf", "tuned vectors"]


def test_reliability_says_how_many_predictions_each_point_is() -> None:
    figures = classifier_figures([], known(reliability=BINS, top_reliability=BINS[3:]))
    drawn(figures, "reliability")
    said = words(figures, "reliability", "points")
    assert said[0] == "every pair of note and label, said 0: 0.00 (5 predictions)" and len(said) == 9 + 6 + 2
    assert classifier_figures([], known()) == []
