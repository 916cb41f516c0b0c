"""The figures of the health of a space: what they show is what the table says."""

from __future__ import annotations

from typing import Any

import pytest

from medembed_pipeline.evidence.diagnostics.figures import health_figures, occurrence_ranges
from medembed_pipeline.pictures.palette import PAPER
from medembed_pipeline.pictures.specification import Known, Row
from medembed_pipeline_tests.pictures.figures import drawn, words
from medembed_pipeline_tests.pictures.test_pictures import shows

MINUS = "\N{MINUS SIGN}"
BETTER, WORSE = PAPER["--tuned-text"], PAPER["--worse-text"]


def health(**values: tuple[float, float]) -> list[Row]:
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


def test_better_is_blue_and_worse_is_red_by_the_direction_of_each_figure() -> None:
    better = health(alignment=(1.2, 0.7), effective_rank=(90, 120), unreachable_share=(0.1, 0.05))
    worse = health(alignment=(0.7, 1.2), effective_rank=(120, 90), unreachable_share=(0.05, 0.1))
    same = health(alignment=(0.70001, 0.70002), effective_rank=(90, 90))
    for rows, blue, red in ((better, True, False), (worse, False, True), (same, False, False)):
        picture = drawn(health_figures(rows, Known()), "figures_before_and_after")
        assert (shows(picture, BETTER) > 20, shows(picture, WORSE) > 20) == (blue, red)


def test_the_figures_and_what_random_order_gives_stand_in_the_picture() -> None:
    rows = health(alignment=(1.25, 0.75), within_class_recall__sample_name=(0.656, 0.504))
    known = Known({"embedding_diagnostics": {"detail": [{"method": "sample_name", "random_order": 0.101}]}})
    svg = drawn(health_figures(rows, known), "figures_before_and_after").svg.decode()
    for text in (
        "1.250",
        "0.750",
        f"{MINUS}0.500",
        "same kind of sample",
        "0.10 in random order",
        "40 pairs",
    ):
        assert text in svg, text
    assert ">uniformity<" not in svg and "Hubs" not in svg


def test_occurrence_ranges_double_and_leave_nothing_out() -> None:
    assert occurrence_ranges(0) == [(0, 0)]
    assert occurrence_ranges(9) == [(0, 0), (1, 1), (2, 3), (4, 7), (8, 15)]
    for largest in range(70):
        ranges = occurrence_ranges(largest)
        covered = [times for low, high in ranges for times in range(low, high + 1)]
        assert covered == list(range(covered[-1] + 1)) and ranges[-1][0] <= max(largest, 0) <= covered[-1]


def test_every_note_is_counted_once() -> None:
    rows = health(
        k_occurrence__0=(10, 31), k_occurrence__2=(40, 7), k_occurrence__3=(3, 6), k_occurrence__900=(1, 5)
    )
    figures = health_figures(rows, Known({"embedding_diagnostics": {"hub_neighbors": 10}}))
    picture = drawn(figures, "how_often_notes_are_found")
    svg = picture.svg.decode()
    for text in (">10<", ">31<", ">43<", ">13<", "512\N{EN DASH}1,023", "their 10 nearest"):
        assert text in svg, text
    assert shows(picture, PAPER["--tuned"]) > 200 and shows(picture, PAPER["--baseline"]) > 200
    assert words(figures, "how_often_notes_are_found")[:2] == [
        "baseline: 10 notes are found 0 times",
        "tuned: 31 notes are found 0 times",
    ]
    drawn(health_figures(health(k_occurrence__0=(4, 4)), Known()), "how_often_notes_are_found")


@pytest.mark.parametrize("count", [1, 40])
def test_the_tightest_specialty_comes_first(count: int) -> None:
    spread: dict[str, Any] = {
        f"specialty_spread__A $pecialty with ^a rather long name {at}": (0.6, 0.9 - at / 100)
        for at in range(count)
    }
    figures = health_figures(health(**spread), Known())
    assert drawn(figures, "spread_within_specialties").svg.decode().count("$pecialty") >= count
    names = [row["name"] for row in figures[0].drawing.data["rows"]]
    assert names[0].endswith(f" {count - 1}") and names[-1].endswith(" 0")


def test_what_one_model_alone_has_is_not_drawn() -> None:
    assert health_figures(health(alignment=(1, 2), k_occurrence__0=(1, 2))[::2], Known()) == []
