"""Margins and their table: each picture and prompt once, controls, what is absent, and a model that is tuned."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
import pytest
from sklearn.metrics import roc_auc_score

from medembed_pipeline.image_text.margins import (
    PREFERENCE_MARGINS_SCHEMA,
    ShownPicture,
    Space,
    all_texts,
    margins_table,
    shown_pictures,
    sides_of,
)
from medembed_pipeline.image_text.metrics import IMAGE_TEXT_METRICS_SCHEMA, metrics_table
from medembed_pipeline.image_text.prompts import Prompts, built_in_prompts
from medembed_pipeline.image_text.settings import ImageTextSettings
from medembed_pipeline.image_text.spaces import spaces_of_table, vectors_table

PROMPTS = built_in_prompts()
LABELS = (
    ("opacity", "right lung", "large heart"),
    ("clear lungs", "normal heart"),
    ("opacity", "left lung", "normal heart"),
)


def pictures(count: int = 120, patients: int = 60) -> list[ShownPicture]:
    return [
        ShownPicture(f"i{row:03}", frozenset(LABELS[row % 3]), f"p{row % patients}", "test")
        for row in range(count)
    ]


def a_space(shown: list[ShownPicture], prompts: Prompts, *, signal: float, seed: int = 0) -> Space:
    """Pictures that lie towards the prompts of their labels, as far as `signal` says."""
    random = np.random.default_rng(seed)
    texts = all_texts(prompts)
    rows = random.standard_normal((len(texts), 24))
    place = {text: row for row, text in enumerate(texts)}
    for pair in prompts.pairs:
        for text in (pair.positive, pair.negative):
            for other in texts:
                if other != text and text in other:
                    rows[place[other]] = rows[place[text]] + 0.3 * random.standard_normal(24)
    found = random.standard_normal((len(shown), 24))
    for pair in prompts.pairs:
        for row, side in enumerate(sides_of(pair, shown)):
            if not np.isnan(side):
                found[row] += signal * rows[place[pair.positive if side else pair.negative]]
    unit = [matrix / np.linalg.norm(matrix, axis=1, keepdims=True) for matrix in (found, rows)]
    return Space.of(unit[0], texts, unit[1])


def test_sides_follow_labels_and_say_nothing_where_both_or_none_are_there() -> None:
    right = PROMPTS.pairs[3]
    shown = [
        ShownPicture(name, frozenset(labels), name, "test")
        for name, labels in (
            ("a", {"right lung"}),
            ("b", {"left lung"}),
            ("c", {"right lung", "left lung"}),
            ("d", set()),
        )
    ]
    assert sides_of(right, shown)[:2].tolist() == [1.0, 0.0] and np.isnan(sides_of(right, shown)[2:]).all()


def test_a_picture_of_several_cases_stands_once_with_all_labels() -> None:
    rows = [
        {"case_id": "c1", "image_id": "i1", "findings": ["opacity"]},
        {"case_id": "c2", "image_id": "i1", "findings": ["large heart"]},
        {"case_id": "c3", "image_id": None, "findings": []},
    ]
    (one,) = shown_pictures(rows, {"c1": "test", "c2": "test"}, {"c1": "g", "c2": "g"})
    assert one.labels == {"opacity", "large heart"} and (one.group, one.split) == ("g", "test")


def test_each_picture_and_pair_has_one_margin_that_is_the_difference_of_cosines() -> None:
    shown = pictures(12, 6)
    space = a_space(shown, PROMPTS, signal=0.5)
    table = margins_table(PROMPTS, shown, {"base": space})
    assert table.schema.equals(PREFERENCE_MARGINS_SCHEMA) and len(table) == 12 * 4
    assert len(table.group_by(["model", "pair_id", "image_id"]).aggregate([])) == 48
    row = table.to_pylist()[5]
    pair = PROMPTS.pairs[0]
    expected = space.pictures[5] @ space.texts[pair.positive] - space.pictures[5] @ space.texts[pair.negative]
    assert row["margin"] == pytest.approx(expected, abs=1e-9) and row["side"] == "present"


def test_figures_are_scikit_learns_and_the_controls_behave() -> None:
    shown = pictures()
    spaces = {"base": a_space(shown, PROMPTS, signal=0.0), "finetuned": a_space(shown, PROMPTS, signal=0.4)}
    table, facts = metrics_table(PROMPTS, shown, spaces, ImageTextSettings())
    assert (
        table.schema.equals(IMAGE_TEXT_METRICS_SCHEMA)
        and facts["pictures"] == 120
        and facts["patients"] == 60
    )
    rows = {(row["model"], row["arm"], row["pair_id"], row["figure"]): row for row in table.to_pylist()}
    pair = PROMPTS.pairs[0]
    margin = spaces["finetuned"].margin(pair.positive, pair.negative)
    sides = sides_of(pair, shown)
    own = rows["finetuned", "as_written", "opacity", "auc"]
    assert (
        own["value"] == pytest.approx(roc_auc_score(sides, margin))
        and own["ci_low"] < own["value"] < own["ci_high"]
    )
    assert rows["finetuned", "as_written", "opacity", "accuracy"]["value"] == pytest.approx(
        ((margin > 0) == sides).mean()
    )
    assert rows["finetuned", "sides_swapped", "opacity", "auc"]["value"] == pytest.approx(1 - own["value"])
    assert rows["finetuned", "paraphrased", None, "auc"]["value"] > 0.7
    dealt = rows["finetuned", "shuffled", None, "auc"]
    assert dealt["ci_low"] < 0.5 < dealt["ci_high"] and abs(dealt["value"] - 0.5) < 0.1
    change = rows["difference", "as_written", None, "auc"]
    assert change["ci_low"] > 0 and change["value"] == pytest.approx(
        rows["finetuned", "as_written", None, "auc"]["value"]
        - rows["base", "as_written", None, "auc"]["value"]
    )
    low = rows["base", "as_written", None, "auc"]
    assert low["ci_low"] < 0.5 < low["ci_high"]
    assert (
        rows["finetuned", "as_written", None, "silhouette_repeated"]["value"]
        > rows["finetuned", "as_written", None, "silhouette"]["value"]
    )
    # No picture is labelled with extensive opacities: the figure is absent, and the reason is told.
    assert ("finetuned", "as_written", "extensive_opacities", "auc") not in rows
    assert [one["pair_id"] for one in facts["absent"]] == ["extensive_opacities"]
    assert "0 patients" in facts["absent"][0]["why"] and not pc.any(pc.is_nan(table["value"])).as_py()


def test_with_few_patients_or_no_labels_figures_are_absent_and_margins_are_not() -> None:
    few = pictures(30, 10)
    table, facts = metrics_table(
        PROMPTS, few, {"base": a_space(few, PROMPTS, signal=1.0)}, ImageTextSettings()
    )
    figures = set(table["figure"].to_pylist())
    assert "auc" not in figures and {"margin_mean", "silhouette", "picture_similarity_mean"} <= figures
    assert len(facts["absent"]) == 4
    none, told = metrics_table(PROMPTS, [], {}, ImageTextSettings())
    assert not len(none) and told["absent"] == [{"pair_id": "all", "why": "no held-out picture"}]


def test_pairs_that_ask_one_question_have_one_auc_of_their_mean() -> None:
    pairs = tuple(
        type(pair)(f"q{place}", pair.positive, pair.negative, ("opacity",), ("clear lungs",))
        for place, pair in enumerate(PROMPTS.pairs[:2])
    )
    prompts = Prompts("one", ("sick", "well"), pairs)
    shown = pictures()
    space = a_space(shown, prompts, signal=0.3)
    table, _ = metrics_table(prompts, shown, {"base": space}, ImageTextSettings())
    (row,) = [
        one
        for one in table.to_pylist()
        if one["figure"] == "auc_of_mean_margin" and one["arm"] == "as_written"
    ]
    mean = np.mean([space.margin(pair.positive, pair.negative) for pair in pairs], axis=0)
    assert row["value"] == pytest.approx(roc_auc_score(sides_of(pairs[0], shown), mean))


def test_spaces_survive_their_table() -> None:
    shown = pictures(9, 3)
    spaces = {"base": a_space(shown, PROMPTS, signal=0.1), "finetuned": a_space(shown, PROMPTS, signal=1.0)}
    again = spaces_of_table(vectors_table(spaces, [one.image_id for one in shown]))
    assert list(again) == ["base", "finetuned"]
    for name, space in spaces.items():
        assert np.allclose(again[name].pictures, space.pictures, atol=1e-6)
        assert list(again[name].texts) == list(space.texts)
    assert spaces_of_table(vectors_table({}, [])) == {}
