"""The table and its records: what is judged, what is not, and what the verdict reads."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medembed_pipeline.section import SettingsError, validate
from medembed_pipeline.tasks.settings import TaskSettings
from medembed_pipeline.tasks.table import TASK_SCHEMA, judgement, task_table
from medembed_pipeline.tasks.task import NotAsked, TripletTask
from medembed_pipeline.verdict.evidence import Task
from medembed_pipeline_tests.tasks.words import WordModel

SETTINGS = TaskSettings()


def triplets(name: str, count: int = 30) -> TripletTask:
    anchors = [f"{name} a{row} b{row} c{row}" for row in range(count)]
    same = [f"a{row} b{row} other" for row in range(count)]
    other = [f"{name} x{row} y{row}" for row in range(count)]
    return TripletTask(name, "own", anchors, same, other, np.arange(count))


def made(*tasks: Any, noise: float = 0.0) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    table, facts = task_table(
        list(tasks),
        {"baseline": WordModel().encode, "tuned": WordModel("tuned", noise=noise).encode},
        confidence=0.95,
        tolerance=SETTINGS.tolerance,
        decides=SETTINGS.decides,
    )
    assert table.schema.equals(TASK_SCHEMA)
    return table.to_pylist(), {one["name"]: one for one in facts["tasks"]}


def test_every_model_and_difference_has_its_row_and_the_record_says_the_same() -> None:
    rows, records = made(triplets("one"), noise=3.0)
    by_model = {row["model"]: row for row in rows}
    assert list(by_model) == ["baseline", "tuned", "lexical", "difference", "tuned_over_lexical"]
    change = by_model["tuned"]["value"] - by_model["baseline"]["value"]
    assert by_model["difference"]["value"] == pytest.approx(change) and change < -0.03
    for row in rows:
        assert row["ci_low"] <= row["value"] <= row["ci_high"] and row["is_main"] and row["decides"]
        assert (row["n"], row["groups"], row["tolerance"]) == (30, 30, 0.03)
    assert by_model["tuned"]["ci_low"] >= 0 and by_model["baseline"]["ci_high"] <= 1
    record = records["one"]
    assert record["judgement"] == "lost" and record["metric"] == "accuracy"
    for name in ("baseline", "tuned", "lexical", "difference"):
        assert record[name] == by_model[name]["value"]


def test_an_unchanged_model_keeps_everything() -> None:
    _, records = made(triplets("one"))
    assert records["one"]["judgement"] == "kept" and records["one"]["difference"] == 0


def test_what_is_broken_decides_and_what_cannot_be_asked_does_not() -> None:
    rows, records = made(
        NotAsked("passages", "passages", "too short", failed=False),
        NotAsked("mine", "own", "tasks/mine/pairs.csv, row 3: ...", failed=True),
        triplets("one"),
    )
    assert {row["task"] for row in rows} == {"one"}
    assert [(name, one["decides"], one["failed"], bool(one["problem"])) for name, one in records.items()] == [
        ("passages", False, False, True),
        ("mine", True, True, True),
        ("one", True, False, False),
    ]
    # The verdict reads each of them, whatever is missing.
    tasks = {name: Task.from_record(one) for name, one in records.items()}
    assert math.isnan(tasks["mine"].difference) and tasks["mine"].decides and tasks["one"].degrees == 29
    assert len({tuple(one) for one in records.values()}) == 1


def test_one_group_has_no_interval_and_is_unclear() -> None:
    task = triplets("one", 4)
    rows, records = made(
        TripletTask("one", "own", task.anchors, task.same, task.other, np.zeros(4, dtype=int))
    )
    assert all(math.isnan(row["ci_low"]) for row in rows)
    assert records["one"]["judgement"] == "unclear" and records["one"]["ci_low"] is None


@given(value=st.floats(-1, 1), half=st.floats(0, 1), tolerance=st.floats(0, 0.5))
def test_a_judgement_excludes_what_it_says(value: float, half: float, tolerance: float) -> None:
    low, high = value - half, value + half
    said = judgement(value, low, high, tolerance)
    assert (said == "kept") == (low >= -tolerance - 1e-9)
    if said == "lost":
        assert value < -tolerance and high < 0


def test_no_task_gives_an_empty_table() -> None:
    assert made() == ([], {})


def test_own_tasks_decide_or_inform() -> None:
    assert TaskSettings().decides("own", "mine") and TaskSettings().decides("passages", "passages")
    assert not TaskSettings(own_tasks_decide=[]).decides("own", "mine")
    named = TaskSettings(own_tasks_decide=["mine"])
    assert (
        named.decides("own", "mine")
        and not named.decides("own", "yours")
        and named.decides("passages", "passages")
    )
    for wrong in ({"own_tasks_decide": ["all", "mine"]}, {"families": ["passages", "poems"]}):
        with pytest.raises(SettingsError):
            validate(TaskSettings, wrong, where="test")
