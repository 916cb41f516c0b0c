"""Pictures against prompts, drawn: what they show is what the table and the spaces say."""

from __future__ import annotations

import numpy as np
import pytest

from medembed_pipeline.image_text.margins import ShownPicture, Space, all_texts, sides_of
from medembed_pipeline.image_text.prompts import built_in_prompts
from medembed_pipeline.pictures.figure import LARGEST_BYTES, Picture
from medembed_pipeline.pictures.image_text_pictures import image_text_pictures
from medembed_pipeline.pictures.palette import BLUE, ORANGE
from medembed_pipeline_tests.pictures.test_pictures import shows

PROMPTS = built_in_prompts()
LABELS = (("opacity", "large heart"), ("clear lungs", "normal heart"))


def drawn(count: int) -> dict[str, Picture]:
    shown = [ShownPicture(f"i{row}", frozenset(LABELS[row % 2]), f"p{row}", "test") for row in range(count)]
    random = np.random.default_rng(0)
    texts = all_texts(PROMPTS)
    spaces = {}
    for name in ("base", "finetuned"):
        rows = random.standard_normal((count + len(texts), 6))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        spaces[name] = Space.of(rows[:count], texts, rows[count:])
    belongs = {pair.pair_id: sides_of(pair, shown) for pair in PROMPTS.pairs}
    return image_text_pictures(
        PROMPTS.pairs, PROMPTS.sides, belongs, spaces, label="not a medical model", seed=1
    )


def test_each_picture_says_what_the_model_is_not_and_shows_both_sides() -> None:
    pictures = drawn(80)
    assert set(pictures) == {"margins", "likeness", "map"}
    for name, picture in pictures.items():
        assert "not a medical model" in picture.svg.decode(), name
        assert len(picture.png) <= LARGEST_BYTES
    assert shows(pictures["map"], ORANGE) > 20 and shows(pictures["map"], BLUE) > 20
    assert "t-SNE" in pictures["map"].svg.decode() and "before" in pictures["margins"].svg.decode()


@pytest.mark.parametrize("count", [1, 6])
def test_a_handful_of_pictures_can_be_drawn(count: int) -> None:
    assert set(drawn(count)) == {"margins", "likeness", "map"}
