"""The figures of a study: what they show is what the table says."""

from __future__ import annotations

import pytest

from medembed_pipeline.pictures.specification import Figure, Known
from medembed_pipeline.study.figures import study_figures
from medembed_pipeline.study.trial import State
from medembed_pipeline_tests.pictures.figures import drawn, words
from medembed_pipeline_tests.pictures.test_study_pictures import SPACE, trials

SHARES = [{"parameter": "rank_of_it", "importance": 0.75}, {"parameter": "rate", "importance": 0.25}]


def figures(*states: State, broken: bool = False) -> list[Figure]:
    facts = {"score": "score of one kind", "space": SPACE.described(), "importances": SHARES}
    return study_figures("toy_study", trials(*states, broken=broken).to_pylist(), Known({"toy_study": facts}))


def test_the_course_tells_what_became_of_each_trial() -> None:
    made = figures("complete", "complete", "pruned", "failed")
    assert "score of one kind" in made[0].reading and "chosen on the notes" in made[0].reading
    assert words(made, "history", "points") == [
        "Trial 0, complete: 0.4000",
        "Trial 1, complete: 0.4100",
        "Trial 2, ended early: 0.3000",
    ]
    assert [row["value"] for row in made[0].drawing.data["best"]] == pytest.approx([0.4, 0.41, 0.41])
    assert ">ended early<" in drawn(made, "history").svg.decode()
    broken = figures("complete", "complete", broken=True)
    assert words(broken, "history", "points")[1] == "Trial 1, does not keep what must be kept: 0.4100"
    assert [row["value"] for row in broken[0].drawing.data["best"]] == [0.4, 0.4]


def test_each_parameter_has_its_own_ends() -> None:
    made = figures("complete", "complete", "pruned")
    (slices,) = [one for one in made if one.name == "slices"]
    ticks: dict[str, list[str]] = {}
    for row in slices.drawing.data["ticks"]:
        ticks.setdefault(row["parameter"], []).append(row["name"])
    assert ticks == {
        "rate": ["0.0001", "0.00316", "0.1"],
        "rank_of_it": ["1", "32.5", "64"],
        "kind": ["round", "square"],
    }
    assert slices.choices[0].options == (("rate", "Rate"), ("rank_of_it", "Rank of it"), ("kind", "Kind"))
    assert words(made, "slices", "points")[1] == "Trial 1, complete: rate 0.00316, score 0.4100"
    assert ">0.00316<" in drawn(made, "slices").svg.decode()


def test_importance_is_spelled_out() -> None:
    svg = drawn(figures("complete"), "importance").svg.decode()
    for text in ("rank of it", "75%", "rate", "25%"):
        assert f">{text}<" in svg, text


def test_without_a_score_there_is_no_figure() -> None:
    for states in ((), ("failed", "failed")):
        assert [one.name for one in figures(*states)] == ["importance"]
