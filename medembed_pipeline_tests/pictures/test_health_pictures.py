"""The pictures of `space_health`: what they show, small inputs, honest ranges."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.health_pictures import (
    health_figures_picture,
    hubness_picture,
    occurrence_ranges,
    specialty_spread_picture,
)
from medembed_pipeline.pictures.palette import BASELINE_COLOR, TUNED_COLOR, WORSE_COLOR

MINUS = "\N{MINUS SIGN}"
SHAPE = ("alignment", "uniformity", "effective_rank", "hubness_skew", "unreachable_share")


def health(**values: tuple[float, float]) -> list[dict[str, Any]]:
    """Rows by `figure` or `figure__name`, each with its value before and after."""
    return [
        {
            "model": model,
            "figure": key.partition("__")[0],
            "name": key.partition("__")[2],
            "value": value,
            "n": 40,
        }
        for key, pair in values.items()
        for model, value in zip(("baseline", "tuned"), pair, strict=True)
    ]


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows)


def spread(count: int, shift: float = -0.2) -> list[dict[str, Any]]:
    return health(
        **{
            f"specialty_spread__A $pecialty with ^a rather long name {at}": (0.6, 0.6 + shift)
            for at in range(count)
        }
    )


def shows(png: bytes, color: str) -> int:
    """How many pixels have nearly this colour."""
    wanted = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)])
    with Image.open(io.BytesIO(png)) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    return int((np.abs(pixels - wanted).max(axis=2) <= 12).sum())


def test_better_is_blue_and_worse_is_red_by_the_direction_of_each_figure() -> None:
    better = health(alignment=(1.2, 0.7), effective_rank=(90, 120), unreachable_share=(0.1, 0.05))
    worse = health(alignment=(0.7, 1.2), effective_rank=(120, 90), unreachable_share=(0.05, 0.1))
    same = health(alignment=(0.70001, 0.70002), effective_rank=(90, 90))
    for rows, blue, red in ((better, True, False), (worse, False, True), (same, False, False)):
        png = health_figures_picture(table(rows)).png
        assert (shows(png, TUNED_COLOR) > 20, shows(png, WORSE_COLOR) > 20) == (blue, red)


def test_the_figures_and_what_random_order_gives_stand_in_the_picture() -> None:
    rows = health(
        alignment=(1.25, 0.75), detail_kept__sample_name=(0.656, 0.504), general_pairs__topic=(0.7, 0.8)
    )
    svg = health_figures_picture(table(rows), random_order={"sample_name": 0.101}).svg.decode()
    for text in (
        "1.250",
        "0.750",
        f"{MINUS}0.500",
        "same kind of sample",
        "0.10 in random order",
        "topics",
        "+0.100",
    ):
        assert text in svg, text
    assert "uniformity</text>" not in svg and "Hubs" not in svg


def test_order_of_rows_does_not_matter() -> None:
    rows = health(**dict.fromkeys(SHAPE, (0.5, 0.4)))
    assert health_figures_picture(table(rows)) == health_figures_picture(table(rows[::-1]))
    assert specialty_spread_picture(table(spread(5))) == specialty_spread_picture(table(spread(5)[::-1]))


def test_occurrence_ranges_double_and_leave_nothing_out() -> None:
    assert occurrence_ranges(0) == [(0, 0)]
    assert occurrence_ranges(9) == [(0, 0), (1, 1), (2, 3), (4, 7), (8, 15)]
    for largest in range(70):
        ranges = occurrence_ranges(largest)
        covered = [times for low, high in ranges for times in range(low, high + 1)]
        assert covered == list(range(covered[-1] + 1)) and ranges[-1][0] <= max(largest, 0) <= covered[-1]


def test_hubness_picture_counts_every_note() -> None:
    rows = health(
        hubness_skew=(1.331, -0.254),
        k_occurrence__0=(10, 31),
        k_occurrence__2=(40, 7),
        k_occurrence__3=(3, 6),
        k_occurrence__900=(1, 5),
    )
    picture = hubness_picture(table(rows), k=10)
    svg = picture.svg.decode()
    for text in (
        ">10<",
        ">31<",
        ">43<",
        ">13<",
        "512\N{EN DASH}1,023",
        "skewness 1.33",
        f"skewness {MINUS}0.25",
    ):
        assert text in svg, text
    assert shows(picture.png, TUNED_COLOR) > 200 and shows(picture.png, BASELINE_COLOR) > 200
    only_zero = health(hubness_skew=(0.0, 0.0), k_occurrence__0=(4, 4))
    assert len(hubness_picture(table(only_zero), k=1).png) <= 200_000


@pytest.mark.parametrize("count", [1, 40])
def test_spread_picture_with_one_and_with_forty_specialties(count: int) -> None:
    picture = specialty_spread_picture(table(spread(count)))
    assert len(picture.png) <= 200_000
    assert picture.svg.decode().count("0.60 → 0.40") == count
    # 40 pairs are not those of a whole number of notes; the nearest is shown.
    assert picture.svg.decode().count(">9<") >= count


def test_spread_beyond_one_stays_inside_the_axis() -> None:
    inside, beyond = (specialty_spread_picture(table(spread(3, shift))) for shift in (0.2, 0.9))
    assert shows(beyond.png, TUNED_COLOR) == pytest.approx(shows(inside.png, TUNED_COLOR), rel=0.1)


def test_what_is_missing_is_named() -> None:
    nothing = table(health(alignment=(1, 2))).slice(0, 1)
    for picture in (health_figures_picture, specialty_spread_picture):
        with pytest.raises(PictureError, match="Materialize space_health"):
            picture(nothing)
    with pytest.raises(PictureError, match="no k-occurrence of both models"):
        hubness_picture(nothing, k=10)
    with pytest.raises(PictureError, match="columns n, name are missing"):
        health_figures_picture(nothing.drop_columns(["n", "name"]))
