from __future__ import annotations

import itertools
import re

import numpy as np

from medembed_pipeline.pictures.palette import (
    COMBINATIONS,
    NO_SPECIALTY,
    OTHER,
    PAPER,
    legend_styles,
    specialty_order,
)
from medembed_pipeline.report.page_revision import PAGE_FOLDER

# Machado, Oliveira & Fernandes (2009), severity 1.0, in linear RGB.
VISIONS = {
    "normal": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(color: str, vision: str) -> np.ndarray:
    """CIELAB of a colour as seen; D65."""
    srgb = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(VISIONS[vision] @ linear, 0, 1)
    ratio = XYZ @ seen / np.array([0.9505, 1.0, 1.089])
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_twelve_combinations_that_any_eye_can_tell_apart() -> None:
    assert len(set(COMBINATIONS)) == len(COMBINATIONS) >= 12
    for (color, marker), (other, other_marker) in itertools.combinations(COMBINATIONS, 2):
        if marker == other_marker:
            for vision in VISIONS:
                assert np.linalg.norm(lab(color, vision) - lab(other, vision)) >= 45, (color, other, vision)


def test_no_color_vanishes_on_white() -> None:
    assert all(lab("#FFFFFF", "normal")[0] - lab(color, "normal")[0] > 25 for color, _ in COMBINATIONS)


def test_order_is_by_frequency_then_name() -> None:
    assert specialty_order({"1": ["b", "c"], "2": ["c"], "3": ["a"], "4": []}) == ["c", "a", "b"]


def test_rare_specialties_and_notes_without_one_share_a_style() -> None:
    notes: dict[str, list[str]] = {
        f"{name}{number}": [name]
        for rank, name in enumerate("abcdefghijklmnop")
        for number in range(20 - rank)
    }
    notes |= {"several": ["p", "c", "a"], "none": []}
    styles, style_of = legend_styles(notes)
    assert [style.name for style in styles] == [*"abcdefghijkl", OTHER, NO_SPECIALTY]
    assert styles[style_of["several"]].name == "a"
    assert styles[style_of["p0"]].name == OTHER
    assert styles[style_of["none"]].name == NO_SPECIALTY
    assert [(style.color, style.marker) for style in styles[:12]] == list(COMBINATIONS)
    assert sum(style.notes for style in styles) == len(notes)
    assert [style.notes for style in styles[:2]] == [21, 19]
    backwards = dict(reversed(notes.items()))
    assert legend_styles(backwards)[0] == styles


def test_empty_entries_are_left_out() -> None:
    styles, style_of = legend_styles({"1": ["a"], "2": ["b"]}, most=1)
    assert [style.name for style in styles] == ["a", OTHER]
    assert style_of == {"1": 0, "2": 1}
    assert [style.name for style in legend_styles({"1": []})[0]] == [NO_SPECIALTY]


def test_paper_has_the_colours_that_the_page_has_in_the_light() -> None:
    style = (PAGE_FOLDER / "style.css").read_text("utf-8")
    light = dict(re.findall(r"(--[a-z-]+): (#[0-9a-f]{6});", style[: style.index("}")]))
    colors = {name: color.lower() for name, color in PAPER.items() if name != "--font"}
    assert {name: light.get(name) for name in colors} == colors
