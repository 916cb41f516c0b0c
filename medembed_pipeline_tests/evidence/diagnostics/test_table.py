"""The table as a whole: planted truths show in it, and neither order nor turning changes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.evidence.diagnostics.errors import HealthError
from medembed_pipeline.evidence.diagnostics.table import HEALTH_SCHEMA, HealthNotes, health_table
from medembed_pipeline_tests.evidence.diagnostics.spaces import (
    make_notes,
    make_rows,
    neighbors_of,
    random_rows,
    rotation,
    unit,
)


def measured(
    notes: HealthNotes, baseline: FloatArray, tuned: FloatArray, **more: Any
) -> tuple[pa.Table, dict[str, Any]]:
    embeddings = {"baseline": baseline, "tuned": tuned}
    options = {"hub_neighbors": 10, "detail_neighbors": 5, "classifier_neighbors": 10, **more}
    return health_table(notes, embeddings, neighbors_of(notes, embeddings), **options)


def value_of(table: pa.Table) -> Callable[[str, str, str], float]:
    found = {(row["model"], row["figure"], row["name"]): row["value"] for row in table.to_pylist()}
    assert len(found) == table.num_rows

    def value(model: str, figure: str, name: str) -> float:
        return found[model, figure, name]

    return value


def test_every_figure_is_there_for_both_models() -> None:
    notes = make_notes()
    table, facts = measured(notes, make_rows(notes), make_rows(notes, detail=0.5))
    assert table.schema.equals(HEALTH_SCHEMA)
    names: dict[str, set[tuple[str, str, int]]] = {model: set() for model in ("baseline", "tuned")}
    for row in table.to_pylist():
        if row["figure"] not in ("hub", "k_occurrence"):
            names[row["model"]].add((row["figure"], row["name"], row["n"]))
    assert names["baseline"] == names["tuned"]
    assert {figure for figure, _, _ in names["tuned"]} == {
        *("alignment", "uniformity", "effective_rank", "hubness_skew", "unreachable_share"),
        *("specialty_spread", "within_class_recall", "knn_macro_f1", "probe_macro_f1"),
    }
    hubs = [row for row in table.to_pylist() if row["figure"] == "hub"]
    assert len(hubs) == 40 and {row["name"] for row in hubs} <= set(notes.note_ids)
    for model in ("baseline", "tuned"):
        rows = [row for row in table.to_pylist() if (row["model"], row["figure"]) == (model, "k_occurrence")]
        assert sum(row["value"] for row in rows) == 240
        assert sum(int(row["name"]) * row["value"] for row in rows) == 2400
        largest = [row["value"] for row in hubs if row["model"] == model]
        assert largest == sorted(largest, reverse=True) and largest[0] == max(
            int(row["name"]) for row in rows
        )
    assert facts["hub_neighbors"] == 10


def test_a_space_without_detail_shows() -> None:
    notes = make_notes()
    table, facts = measured(notes, make_rows(notes), make_rows(notes, detail=0.0))
    value = value_of(table)
    assert value("tuned", "within_class_recall", "sample_name") < 0.5 * value(
        "baseline", "within_class_recall", "sample_name"
    )
    assert value("tuned", "effective_rank", "") < value("baseline", "effective_rank", "")
    assert facts["mean_detail_tuned"] < facts["mean_detail_baseline"]
    assert facts["smallest_detail_share"] < 0.2
    by_method = {row["method"]: row for row in facts["detail"]}
    assert by_method["sample_name"]["tuned"] == value("tuned", "within_class_recall", "sample_name")


def test_one_collapsed_specialty_shows_in_its_own_row() -> None:
    notes = make_notes(several=0.0)
    rows = make_rows(notes)
    tuned = rows.copy()
    members = [row for row, names in enumerate(notes.specialties) if names == ["specialty 2"]]
    tuned[members] = unit(rows[members].mean(axis=0, keepdims=True) + 1e-3 * random_rows(len(members), 24))
    value = value_of(measured(notes, rows, tuned)[0])
    for name in ("specialty 0", "specialty 1", "specialty 3"):
        assert value("tuned", "specialty_spread", name) == value("baseline", "specialty_spread", name)
    assert value("tuned", "specialty_spread", "specialty 2") < 1e-4
    assert value("baseline", "specialty_spread", "specialty 2") > 0.1
    assert (
        value("tuned", "within_class_recall", "sample_name")
        < value("baseline", "within_class_recall", "sample_name") - 0.1
    )


def test_a_planted_hub_and_unreachable_notes_show() -> None:
    notes = make_notes(several=0.0)
    baseline = random_rows(240, 24)
    spokes = np.hstack([np.eye(240), np.ones((240, 1))])
    spokes[17] = np.eye(241)[240]
    embeddings = {"baseline": baseline, "tuned": unit(spokes)}
    neighbors = neighbors_of(notes, embeddings, k=10)
    table, _ = health_table(
        notes, embeddings, neighbors, hub_neighbors=1, detail_neighbors=5, classifier_neighbors=10
    )
    value = value_of(table)
    assert value("tuned", "hub", "note-0017") == 239
    assert value("tuned", "unreachable_share", "") > 0.98
    assert value("tuned", "hubness_skew", "") > 10 > value("baseline", "hubness_skew", "")


def test_neither_turning_nor_reordering_changes_the_table() -> None:
    notes = make_notes(120)
    rows, tuned = make_rows(notes), make_rows(notes, detail=0.5)
    table, _ = measured(notes, rows, tuned)
    turned, _ = measured(notes, rows @ rotation(24), tuned @ rotation(24, 1))
    for before, after in zip(table.to_pylist(), turned.to_pylist(), strict=True):
        # The solver of the linear probe stops within a tolerance, not at the very same point.
        tolerance = 0.03 if before["figure"] == "probe_macro_f1" else 1e-6
        assert after["value"] == pytest.approx(before["value"], abs=tolerance)
        assert (before["figure"], before["name"], before["n"]) == (after["figure"], after["name"], after["n"])


def test_models_of_different_dimensions() -> None:
    notes = make_notes(120)
    table, facts = measured(notes, make_rows(notes), make_rows(notes, dimensions=6))
    assert (facts["dimensions_baseline"], facts["dimensions_tuned"]) == (24, 6)
    assert 1 <= value_of(table)("tuned", "effective_rank", "") <= 6


def test_three_specialties_of_four_held_out_notes() -> None:
    base = make_notes(60, specialties=3, several=0.0)
    held_out = np.zeros(60, dtype=np.bool_)
    for name in sorted({names[0] for names in base.specialties}):
        held_out[[row for row, names in enumerate(base.specialties) if names == [name]][:4]] = True
    notes = HealthNotes(base.note_ids, base.specialties, held_out, ~held_out, base.kinds)
    table, facts = measured(notes, make_rows(notes), make_rows(notes))
    assert facts["held_out_notes"] == 12 and facts["classifier_specialties"] == 3
    assert value_of(table)("tuned", "knn_macro_f1", "") > 0.9


def test_one_specialty_only() -> None:
    notes = make_notes(60, specialties=1)
    table, _ = measured(notes, make_rows(notes), make_rows(notes))
    assert (
        value_of(table)("tuned", "knn_macro_f1", "") == value_of(table)("tuned", "probe_macro_f1", "") == 1.0
    )


def test_without_held_out_or_training_notes_only_hubs_remain() -> None:
    full = make_notes(30)
    nobody = np.zeros(30, dtype=np.bool_)
    notes = HealthNotes(full.note_ids, full.specialties, nobody, nobody, full.kinds)
    table, facts = measured(notes, make_rows(notes), make_rows(notes))
    assert set(table["figure"].to_pylist()) == {*("hubness_skew", "unreachable_share", "hub", "k_occurrence")}
    assert facts["mean_detail_baseline"] is facts["smallest_detail_share"] is None
    assert facts["detail"] == []


def test_both_models_are_needed() -> None:
    notes = make_notes(30)
    with pytest.raises(HealthError, match="none of the model 'tuned'"):
        health_table(
            notes,
            {"baseline": make_rows(notes)},
            neighbors_of(notes, {"baseline": make_rows(notes)}),
            hub_neighbors=5,
            detail_neighbors=5,
            classifier_neighbors=5,
        )
