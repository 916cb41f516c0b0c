"""The figures of triage say what the tables say, and values of landing columns stay out of Dagster's database."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medembed_pipeline.pictures.drawing import picture
from medembed_pipeline.pictures.specification import Known
from medembed_pipeline.triage.figures import arm_figures, ledger_figures, shortcut_figures
from medembed_pipeline_tests.report.synthetic_triage import triage_tables


@pytest.fixture(scope="module")
def made() -> tuple[dict[str, list[dict[str, Any]]], Known]:
    tables, facts = triage_tables(np.random.default_rng(0))
    return tables, Known(facts)


def test_arms_are_told_apart_by_what_they_see_in_each_figure(made: Any) -> None:
    tables, known = made
    arms, reliability = arm_figures(tables["triage_metrics"], known)
    assert (arms.name, reliability.name) == ("arms", "reliability")
    whole = [row for row in tables["triage_metrics"] if row["scope_kind"] == "all"]
    (choice,) = arms.choices
    assert choice.chosen == "auc" and {value for value, _ in choice.options} <= {
        row["figure"] for row in whole
    }
    marks = {(mark["words"].partition(",")[0], mark["figure"]): mark for mark in arms.drawing.data["marks"]}
    for row in whole:
        if row["figure"] in dict(choice.options):
            mark = marks[row["arm"].replace("_", " ").capitalize(), row["figure"]]
            assert mark["value"] == row["value"]
            assert mark["model"] == (
                "sees one part" if row["arm"] in ("note", "picture", "metadata") else "sees note and picture"
            )
    text = picture(arms).svg.decode()
    assert ">Gated<" in text and ">sees one part<" in text


def test_the_ledger_is_of_differences_to_the_best_single_arm(made: Any) -> None:
    tables, known = made
    (ledger,) = ledger_figures(tables["modality_ledger"], known)
    assert (
        ledger.title == f"What a partner is worth, beside the {known.fact('modality_ledger', 'single')} alone"
    )
    expected = [
        row["value"]
        for row in tables["modality_ledger"]
        if row["over"] == "best_single" and row["figure"] == known.fact("modality_ledger", "figure")
    ]
    assert [row["value"] for row in ledger.drawing.data["rows"]] == expected
    text = picture(ledger).svg.decode().replace("&#39;", "'").replace("&apos;", "'")
    assert "Gated, others' pictures (" in text


def test_shortcuts_stand_beside_shuffled_levels_and_name_no_source(made: Any) -> None:
    tables, known = made
    assert any(row["scope"] != "all" for row in tables["shortcut_meter"])
    (shortcuts,) = shortcut_figures(tables["shortcut_meter"], known)
    names = [row["name"] for row in shortcuts.drawing.data["rows"]]
    assert "Centre blacked out" in names and "In AUC" in shortcuts.reading
    assert {"this input alone", "levels shuffled"} == {
        mark["model"] for mark in shortcuts.drawing.data["marks"]
    }
    assert "radiology.example.org" not in picture(shortcuts).svg.decode()


def test_without_rows_nothing_is_drawn() -> None:
    assert arm_figures([], Known()) == ledger_figures([], Known()) == shortcut_figures([], Known()) == []
