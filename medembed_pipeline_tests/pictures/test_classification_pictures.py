"""The classifier's pictures: drawn from the facts and rows that the assets hold, and small enough for the UI."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from medembed_pipeline.pictures.classification_pictures import (
    confusion_picture,
    held_out_ladder_picture,
    ladder_picture,
    reliability_picture,
)
from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.figure import LARGEST_BYTES

BINS = [
    {"low": 0.1 * at, "high": 0.1 * at + 0.1, "said": 0.1 * at, "true": 0.1 * at, "n": 5} for at in range(9)
]


def confusions(labels: int) -> list[dict[str, object]]:
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
    picture = confusion_picture(confusions(45))
    assert len(picture.png) <= LARGEST_BYTES
    drawn = picture.svg.decode()
    assert "Label 00 / $x" in drawn and "Label 39 / $x" in drawn
    assert "Label 44 / $x" not in drawn


def test_the_ladder_names_every_rung() -> None:
    ladder: list[dict[str, Any]] = [
        {
            "rung": "tfidf",
            "shown": "TF-IDF + logistic regression",
            "value": 0.8,
            "ci_low": 0.7,
            "ci_high": 0.9,
        },
        {"rung": "tuned", "shown": "tuned vectors", "value": None, "ci_low": None, "ci_high": None},
    ]
    drawn = ladder_picture(ladder, "tuned").svg.decode()
    assert "TF-IDF + logistic regression" in drawn and "tuned vectors" in drawn


def test_the_held_out_ladder_shows_three_figures() -> None:
    rows = [
        {
            "model": model,
            "over": None,
            "scope_kind": "all",
            "metric": metric,
            "k": k,
            "value": 0.5,
            "ci_low": 0.4,
            "ci_high": 0.6,
        }
        for model in ("tfidf", "tuned")
        for metric, k in (("macro_f1", None), ("map", None), ("top", 1))
    ]
    drawn = held_out_ladder_picture(pa.Table.from_pylist(rows), "tuned").svg.decode()
    for name in ("macro-F1", "mAP", "top-1 accuracy", "tfidf"):
        assert name in drawn


def test_reliability_shows_how_many_predictions_each_point_is() -> None:
    assert len(reliability_picture(BINS, BINS[3:]).png) <= LARGEST_BYTES


def test_nothing_to_draw_is_said() -> None:
    for draw in (
        lambda: confusion_picture([]),
        lambda: ladder_picture([], "tfidf"),
        lambda: reliability_picture([], []),
    ):
        with pytest.raises(PictureError):
            draw()
