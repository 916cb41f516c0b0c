"""The figures of the tasks: what they show is what the table says."""

from __future__ import annotations

from medembed_pipeline.pictures.palette import PAPER
from medembed_pipeline.pictures.specification import Figure, Known
from medembed_pipeline.tasks.figures import task_figures
from medembed_pipeline_tests.pictures.figures import drawn
from medembed_pipeline_tests.pictures.test_pictures import shows


def figures(**changes: float) -> list[Figure]:
    rows = []
    for name, change in changes.items():
        values = {"baseline": 0.6, "tuned": 0.6 + change, "lexical": 0.3, "difference": change}
        for model, value in values.items():
            ends = {"ci_low": value - 0.02, "ci_high": value + 0.02}
            row = {"task": name, "family": "own", "metric": "ndcg", "k": 10, "model": model, "value": value}
            about = {"n": 1200, "groups": 900, "is_main": True, "decides": name != "third", "tolerance": 0.03}
            rows.append({**row, **ends, **about})
    return task_figures(rows, Known())


def test_kept_is_blue_lost_is_vermillion_and_unclear_is_grey() -> None:
    colors = {"better": PAPER["--tuned"], "worse": PAPER["--worse"]}
    for change, verdict in ((0.01, "better"), (-0.1, "worse"), (-0.025, "unclear")):
        made = figures(first=change)
        picture = drawn(made, "what_was_kept")
        assert [row["verdict"] for row in made[0].drawing.data["rows"]] == [verdict]
        assert [name for name, color in colors.items() if shows(picture, color) > 60] == [verdict][
            : verdict in colors
        ]


def test_names_figures_and_judgements_stand_in_the_picture() -> None:
    svg = drawn(figures(first=-0.1, third=0.01), "what_was_kept").svg.decode()
    for text in ("First: lost (1,200)", "\N{MINUS SIGN}0.10", "0.60 → 0.50", "+0.01", "Third: kept, informs"):
        assert text in svg, text


def test_levels_show_all_three_models() -> None:
    picture = drawn(figures(first=-0.1), "before_and_after")
    for text in ("word matching", "baseline", "tuned", "First (nDCG at 10)"):
        assert text in picture.svg.decode()
    assert all(shows(picture, PAPER[name]) > 60 for name in ("--tuned", "--baseline", "--fourth"))


def test_without_a_task_there_is_no_figure() -> None:
    assert figures() == []
