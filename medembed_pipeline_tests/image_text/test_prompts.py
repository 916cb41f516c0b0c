"""The published prompts, a CSV, and what is refused with pair and field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medembed_pipeline.image_text.errors import ImageTextError
from medembed_pipeline.image_text.prompts import (
    PROMPT_PAIRS_SCHEMA,
    built_in_prompts,
    paraphrases,
    prompts_of_table,
    read_prompts,
)

PAIR = {"pair_id": "p1", "tumor": "a tumour", "healthy": "no tumour"}


def published(*pairs: Any, **more: Any) -> bytes:
    return json.dumps({"experiment_name": "mri", "prompt_pairs": list(pairs), **more}).encode()


def test_the_published_form_is_read_and_survives_its_table() -> None:
    prompts = read_prompts(published(PAIR, {**PAIR, "pair_id": 2, "healthy_labels": ["normal"]}), "a.json")
    assert prompts.experiment == "mri" and prompts.sides == ("tumor", "healthy")
    assert [pair.pair_id for pair in prompts.pairs] == ["p1", "2"]
    assert prompts.pairs[0].positive_labels == ("tumor",) and prompts.pairs[1].negative_labels == ("normal",)
    assert prompts.texts() == ["a tumour", "no tumour"]
    table = prompts.table()
    assert table.schema.equals(PROMPT_PAIRS_SCHEMA) and prompts_of_table(table) == prompts


def test_any_two_words_and_a_csv() -> None:
    data = b"pair_id,sick,well,sick_labels\n1,ill lungs,good lungs,a|b\n2,large heart,small heart,\n"
    prompts = read_prompts(data, "mine.csv")
    assert prompts.experiment == "mine" and prompts.sides == ("sick", "well")
    assert prompts.pairs[0].positive_labels == ("a", "b") and prompts.pairs[1].positive_labels == ("sick",)


@pytest.mark.parametrize(
    ("data", "name", "told"),
    [
        (published({**PAIR, "healthy": " "}), "a.json", "pair 'p1', field healthy"),
        (published(PAIR, {"pair_id": "p2", "tumor": "x"}), "a.json", "pair 'p2', field healthy"),
        (published(PAIR, PAIR), "a.json", "pair 'p1', field pair_id: occurs twice"),
        (published({"tumor": "x", "healthy": "y"}), "a.json", "pair 1, field pair_id"),
        (published({**PAIR, "healthy": "a tumour"}), "a.json", "field healthy: is the same"),
        (published(PAIR, {**PAIR, "pair_id": "p2", "other": "z"}), "a.json", "pair 'p2', field other"),
        (published({**PAIR, "third": "z"}), "a.json", "3 fields"),
        (published({**PAIR, "tumor_labels": "a"}), "a.json", "field tumor_labels"),
        (published("p"), "a.json", "pair 1"),
        (published(), "a.json", "no pair"),
        (b"{}", "a.json", "prompt_pairs"),
        (b"no json", "a.json", "not JSON"),
        ("é".encode("latin-1"), "a.json", "UTF-8"),
        (b"pair_id,sick,well\n1,,good\n", "a.csv", "pair '1', field sick"),
    ],
)
def test_what_is_broken_is_refused_with_pair_and_field(data: bytes, name: str, told: str) -> None:
    with pytest.raises(ImageTextError) as caught:
        read_prompts(data, name)
    assert told in str(caught.value) and name in str(caught.value)


def test_the_built_in_ones_and_their_paraphrases_differ() -> None:
    prompts = built_in_prompts()
    texts = prompts.texts()
    assert len(prompts.pairs) == 4 and len(texts) == 8
    others = [other for text in texts for other in paraphrases(text)]
    assert len(set(others)) == 24 and not set(others) & set(texts)


@pytest.mark.parametrize(
    ("name", "sides"), [("published", ("tumor", "healthy")), ("covid", ("covid", "other"))]
)
def test_the_presets_are_read_and_say_which_pictures_belong_to_a_side(
    name: str, sides: tuple[str, str]
) -> None:
    file = Path(__file__).resolve().parents[2] / "presets" / f"{name}_prompts.json"
    prompts = read_prompts(file.read_bytes(), file.name)
    assert prompts.sides == sides
    assert all(pair.positive_labels and pair.negative_labels for pair in prompts.pairs)
