"""The figure says what the table says: each pair before and after, all pairs, and the controls."""

from __future__ import annotations

from typing import Any

import numpy as np

from medembed_pipeline.image_text.figures import image_text_figures
from medembed_pipeline.image_text.margins import ShownPicture, Space, all_texts
from medembed_pipeline.image_text.metrics import metrics_table
from medembed_pipeline.image_text.prompts import built_in_prompts
from medembed_pipeline.image_text.settings import ImageTextSettings
from medembed_pipeline.pictures.drawing import picture
from medembed_pipeline.pictures.numbers import without_nan
from medembed_pipeline.pictures.specification import Known

PROMPTS = built_in_prompts()
LABELS = (("opacity", "large heart"), ("clear lungs", "normal heart"))
KNOWN = Known({"image_text_metrics": {"label": "not a medical model"}})


def metrics(*models: str, count: int = 80) -> list[dict[str, Any]]:
    shown = [ShownPicture(f"i{row}", frozenset(LABELS[row % 2]), f"p{row}", "test") for row in range(count)]
    random = np.random.default_rng(0)
    texts = all_texts(PROMPTS)
    spaces = {}
    for name in models:
        rows = random.standard_normal((count + len(texts), 6))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        spaces[name] = Space.of(rows[:count], texts, rows[count:])
    table, _ = metrics_table(PROMPTS, shown, spaces, ImageTextSettings(deals=20))
    return without_nan(table.to_pylist())


def test_pairs_mean_and_controls_are_drawn_before_and_after_beside_chance() -> None:
    rows = metrics("base", "finetuned")
    (figure,) = image_text_figures(rows, KNOWN)
    assert figure.name == "auc" and "not a medical model" in figure.reading
    lines = figure.drawing.data["rows"]
    names = [line["name"] for line in lines]
    assert {"Opacity", "Large heart"} < set(names) and names[-4:] == [
        "Mean of all pairs",
        "Control: in other words",
        "Control: sides swapped",
        "Control: prompts shuffled",
    ]
    assert {line["limit"] for line in lines} == {0.5}
    mean = {row["model"]: row["value"] for row in rows if _is_mean(row)}
    (drawn,) = [line for line in lines if line["name"] == "Mean of all pairs"]
    assert (drawn["from"], drawn["to"]) == (mean["base"], mean["finetuned"])
    assert f"{mean['difference']:+.3f}".replace("-", "\N{MINUS SIGN}") in drawn["change"]
    text = picture(figure).svg.decode()
    assert ">before<" in text and ">after<" in text and ">Control: sides swapped<" in text


def test_one_model_is_drawn_alone() -> None:
    (figure,) = image_text_figures(metrics("base"), Known())
    assert {mark["model"] for mark in figure.drawing.data["marks"]} == {"model"}
    assert "The model is" not in figure.reading


def test_without_labels_of_both_sides_nothing_is_drawn() -> None:
    assert image_text_figures(metrics("base", count=4), KNOWN) == []
    assert image_text_figures([], KNOWN) == []


def _is_mean(row: dict[str, Any]) -> bool:
    return (row["figure"], row["arm"], row["pair_id"]) == ("auc", "as_written", None)
