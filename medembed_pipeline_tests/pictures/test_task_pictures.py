"""The picture of the tasks: states that agree with the verdict, few and many tasks, what could not be measured."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.palette import LEXICAL_COLOR, TUNED_COLOR, WORSE_COLOR
from medembed_pipeline.pictures.task_pictures import task_state, tasks_picture
from medembed_pipeline.verdict.evidence import Evidence, Task
from medembed_pipeline.verdict.rules import task_outcomes
from medembed_pipeline_tests.pictures.test_pictures import pixels, shows
from medembed_pipeline_tests.tasks_shown import FEW, MANY, PROBLEM, task_metrics

BROKEN, KEPT, UNCLEAR, INFORMS = FEW


def words(picture: Any) -> str:
    return str(picture.svg.decode("utf-8"))


def record(**values: Any) -> dict[str, Any]:
    levels = {"baseline": 0.5, "tuned": 0.5, "lexical": 0.4, "degrees": 40.0, "n": 50, "groups": 41}
    return {"name": "x", "family": "own", "metric": "MRR", "problem": "", "decides": True, **levels, **values}


@settings(deadline=None)
@given(
    difference=st.floats(-0.5, 0.5),
    half=st.floats(0.001, 0.3),
    tolerance=st.floats(0.0, 0.2),
    decides=st.booleans(),
    problem=st.sampled_from(["", "no such file"]),
)
@example(difference=-0.1, half=0.05, tolerance=0.15, decides=True, problem="")
def test_the_states_are_those_of_the_verdict(
    difference: float, half: float, tolerance: float, decides: bool, problem: str
) -> None:
    task = record(
        difference=difference,
        ci_low=difference - half,
        ci_high=difference + half,
        tolerance=tolerance,
        decides=decides,
        problem=problem,
    )
    known = cast("Evidence", SimpleNamespace(tasks=[Task.from_record(task)], confidence=0.95))
    (outcome,) = task_outcomes(known)
    state = task_state(task)
    assert (state == "informs") == (outcome.kind == "information")
    if state != "informs":
        assert state == {True: "kept", False: "broken", None: "not_judged"}[outcome.passed]


@pytest.mark.parametrize("tasks", [(BROKEN,), FEW[:3], FEW, MANY])
def test_few_and_many_tasks_are_drawn_wide_enough_and_each_is_named(tasks: Any) -> None:
    picture = tasks_picture(*task_metrics(tasks))
    assert pixels(picture).shape[1] == 1080
    assert picture == tasks_picture(*task_metrics(tasks))
    for task in tasks:
        assert task.name[:11].replace("_", " ") in words(picture)


def test_colours_and_words_say_how_a_task_is_judged() -> None:
    for task, state, color in ((BROKEN, "broken", WORSE_COLOR), (KEPT, "kept", TUNED_COLOR)):
        picture = tasks_picture(*task_metrics([task]))
        text = words(picture)
        assert f">{state}<" in text and shows(picture, color) > 100
        assert not any(f">{other}<" in text for other in {"broken", "kept", "not judged"} - {state})
        assert (shows(picture, WORSE_COLOR) > 100) == (state == "broken")
        assert shows(picture, LEXICAL_COLOR) > 20
    assert ">not judged<" in words(tasks_picture(*task_metrics([UNCLEAR])))
    informs = tasks_picture(*task_metrics([INFORMS]))
    assert ">informs only<" in words(informs) and shows(informs, WORSE_COLOR) == 0


def test_the_tolerance_is_marked_at_each_task() -> None:
    def marked(tolerance: float) -> int:
        table, facts = task_metrics([KEPT._replace(tolerance=tolerance)])
        return shows(tasks_picture(table, facts), "#E3E6EA")

    # The pale band goes from the tolerance to zero, and the axis with it.
    assert marked(0.2) > marked(0.001) + 2000


def test_families_stand_in_their_order_and_an_unknown_one_last() -> None:
    tasks = [
        INFORMS._replace(name="zeta", family="of_tomorrow"),
        *(INFORMS, UNCLEAR, KEPT, BROKEN),
    ]
    text = words(tasks_picture(*task_metrics(tasks)))
    headings = ("Passages of", "Clinical terms", "Everyday language", "Your own tasks", "of tomorrow")
    places = [text.index(f">{heading}") for heading in headings]
    assert places == sorted(places)


def test_a_task_that_was_not_measured_says_why_and_the_others_are_drawn() -> None:
    lost = KEPT._replace(name="pairs", problem=PROBLEM)
    text = words(tasks_picture(*task_metrics([BROKEN, lost])))
    assert "not measured: data_lake/tasks/pairs.csv, row 14" in text and ">broken<" in text
    alone = words(tasks_picture(*task_metrics([lost])))
    assert "not measured" in alone and ">broken<" not in alone


def test_what_is_missing_is_named() -> None:
    table, facts = task_metrics()
    with pytest.raises(PictureError, match="columns is_main, n are missing"):
        tasks_picture(table.drop_columns(["n", "is_main"]), facts)
    for wrong in ({}, {"tasks": []}, {"tasks": [{"name": "passages"}]}):
        with pytest.raises(PictureError, match="facts of at least one task"):
            tasks_picture(table, wrong)
