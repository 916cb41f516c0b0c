"""The history as a table: added to, never changed, whatever the order in which work ends."""

import itertools

import pyarrow as pa
import pytest

from medembed_pipeline.history.show import detail_lines, overview, overview_lines
from medembed_pipeline.history.table import (
    CHECKPOINT_HISTORY_SCHEMA,
    HistoryError,
    Judgement,
    history_version,
    judgements,
    note_figures,
    task_figures,
    with_judgement,
)
from medembed_pipeline_tests.history.small_history import day, judgement, metric_rows, task_rows

FIGURES = [
    *note_figures(pa.Table.from_pylist(metric_rows()), "precision@5"),
    *task_figures(pa.Table.from_pylist(task_rows())),
]


def history_of(*judged: Judgement) -> pa.Table:
    table = None
    for one in judged:
        table = with_judgement(table, one, FIGURES)
    assert table is not None and table.schema.equals(CHECKPOINT_HISTORY_SCHEMA)
    return table


def test_a_judgement_has_a_row_per_task_and_metric_over_all_notes() -> None:
    rows = history_of(judgement("a", 1)).to_pylist()
    assert [(row["task"], row["metric"], row["k"], row["is_main"]) for row in rows] == [
        ("notes", "precision", 5, True),
        ("notes", "map", None, False),
        ("passages", "mrr", None, True),
    ]
    first, _, task = rows
    assert (first["baseline"], first["tuned"], first["difference"]) == (0.5, 0.75, 0.25)
    assert (first["ci_low"], first["ci_high"], first["n"]) == pytest.approx((0.15, 0.35, 40))
    assert task["tuned"] == 0.4 and task["ci_low"] != task["ci_low"] and task["n"] == 25
    assert first["made_at"] == day(0) and first["judged_at"] == day(1) == first["released_at"]


def test_rows_do_not_depend_on_the_order_in_which_judgements_arrive() -> None:
    judged = [
        judgement("a", 1),
        judgement("b", 2),
        judgement("a", 3, notes="of May"),
        judgement("a", 4, notes="of June"),
    ]
    tables = [history_of(*order) for order in itertools.permutations(judged)]
    assert all(repr(table.to_pylist()) == repr(tables[0].to_pylist()) for table in tables)
    assert [one["checkpoint"] for one in judgements(tables[0])] == ["a", "b", "a", "a"]


def test_the_same_judgement_again_changes_nothing_whenever_it_is_made() -> None:
    once = history_of(judgement("a", 1))
    assert with_judgement(once, judgement("a", 9), FIGURES) is once


def test_released_since_counts_from_the_last_change_of_the_released_checkpoint() -> None:
    table = history_of(
        judgement("a", 1),
        judgement("a", 2, notes="of April"),
        judgement("b", 3, "retrain"),
        judgement("a", 4, "retrain", notes="of May"),
        judgement("b", 5, notes="of June"),
        judgement("a", 6, notes="of July"),
    )
    since = [(one["checkpoint"], one["released"], one["released_at"]) for one in judgements(table)]
    assert since == [
        ("a", True, day(1)),
        ("a", True, day(1)),
        ("b", False, None),
        ("a", False, None),
        ("b", True, day(5)),
        ("a", True, day(6)),
    ]


def test_a_restored_checkpoint_is_no_younger() -> None:
    table = history_of(judgement("a", 1), judgement("a", 30, notes="of April"))
    assert {one["made_at"] for one in judgements(table)} == {day(0)}


def test_the_version_says_what_was_judged_and_not_when() -> None:
    early, late = history_of(judgement("a", 1)), history_of(judgement("a", 2))
    assert not early.equals(late) and history_version(early) == history_version(late)
    assert history_version(early) != history_version(history_of(judgement("a", 1, "retrain")))


def test_what_is_printed_names_the_released_one_and_every_figure() -> None:
    table = history_of(judgement("aaaa", 1), judgement("bbbb", 3, "retrain"))
    newest, oldest = overview(table, released="aaaa")
    assert (newest["checkpoint"], newest["now"], newest["released"]) == ("bbbb", "", "")
    assert (oldest["now"], oldest["released"]) == ("*", "2026-03-02 09:30")
    assert oldest["notes"] == "0.500 -> 0.750 (+0.250, +0.150 to +0.350)"
    assert oldest["passages"] == "0.600 -> 0.400 (-0.200)"
    assert overview_lines(table, released="aaaa")[2].startswith("*  aaaa")
    lines = "\n".join(detail_lines(table, "aa", released="aaaa"))
    assert "aaaa (released now)" in lines and "precision@5 (decides)" in lines and "map" in lines
    assert "bbbb" not in lines
    with pytest.raises(HistoryError, match=r"none begins so. The history holds: aaaa, bbbb\."):
        detail_lines(table, "c", released=None)
    empty = CHECKPOINT_HISTORY_SCHEMA.empty_table()
    assert overview_lines(empty, released=None) == ["No checkpoint has been judged yet."]
