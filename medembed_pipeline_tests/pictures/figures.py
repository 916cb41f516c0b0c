"""Figures as the tests look at them: drawn for the UI, and as the page embeds them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from medembed_pipeline.pictures.drawing import picture
from medembed_pipeline.pictures.figure import Picture
from medembed_pipeline.pictures.specification import Figure
from medembed_pipeline_tests.pictures.test_pictures import pixels


def drawn(figures: Sequence[Figure], name: str) -> Picture:
    """The picture of one of them, small and wide enough, once its data are what JSON holds."""
    (figure,) = [one for one in figures if one.name == name]
    json.dumps(figure.to_json(), allow_nan=False)
    made = picture(figure)
    # Heatmaps and rows of maps are as wide as their cells.
    pixels(made, least=900 if {"width", "facet"}.isdisjoint(figure.drawing.wide) else 300)
    return made


def words(figures: Sequence[Figure], name: str, data: str = "rows") -> list[Any]:
    """What is said of the marks that are drawn before anybody has chosen."""
    (figure,) = [one for one in figures if one.name == name]
    return [row["words"] for row in figure.chosen_data()[data]]
