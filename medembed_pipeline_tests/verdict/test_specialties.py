"""The tests by specialty rest on the same queries as embedding_metrics."""

from __future__ import annotations

import numpy as np
import pytest

from medembed_pipeline.verdict import specialties as module
from medembed_pipeline.verdict.specialties import SpecialtyTest, specialty_tests
from medembed_pipeline_tests.evaluation.corpus import make_corpus
from medembed_pipeline_tests.verdict.planted import Notes, metric_rows, planted


def results_for(notes: Notes, **changes: object) -> list[SpecialtyTest]:
    options: dict[str, object] = {
        "metric": ("precision", 5),
        "tolerance": 0.05,
        "significance": 0.05,
        "minimum_notes": 3,
        "seed": 7,
        **changes,
    }
    return specialty_tests(
        notes.note_ids,
        notes.baseline,
        notes.tuned,
        notes.specialties,
        notes.groups,
        **options,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("metric", [("precision", 5), ("ndcg", 10), ("map", None)])
def test_differences_and_sizes_are_those_of_the_metrics_table(metric: tuple[str, int | None]) -> None:
    corpus = make_corpus(80, unlabelled=5, seed=3)
    notes = Notes(
        corpus.note_ids,
        [sorted(one) for one in corpus.specialties],
        corpus.groups,
        corpus.baseline,
        corpus.tuned,
    )
    rows = {
        row["scope"]: row
        for row in metric_rows(notes).to_pylist()
        if row["model"] == "difference" and (row["metric"], row["k"]) == metric
    }
    found = results_for(notes, metric=metric)
    assert [one.specialty for one in found] == sorted(rows.keys() - {"all", "macro"})
    for one in found:
        assert one.difference == pytest.approx(rows[one.specialty]["value"], abs=1e-9)
        assert one.queries == rows[one.specialty]["n"] >= one.groups >= 1


def test_the_order_of_rows_does_not_matter() -> None:
    notes = planted(harmed="Specialty 1", seed=2)
    order = np.random.default_rng(0).permutation(len(notes.note_ids))
    mixed = Notes(
        [notes.note_ids[row] for row in order],
        [notes.specialties[row] for row in order],
        [notes.groups[row] for row in order],
        notes.baseline[order],
        notes.tuned[order],
    )
    assert results_for(notes) == results_for(mixed)


def test_only_the_harmed_specialty_is_significant() -> None:
    found = {
        one.specialty: one for one in results_for(planted(gain=1.0, harmed="Specialty 4", specialties=8))
    }
    significant = {name for name, one in found.items() if one.p_adjusted <= 0.05}
    assert significant == {"Specialty 4"}
    assert all(one.p_adjusted >= one.p_value for one in found.values())


def test_no_alarm_without_harm_over_many_corpora() -> None:
    alarms = sum(
        any(one.p_adjusted <= 0.05 for one in results_for(planted(gain=0.0, seed=seed), tolerance=0.0))
        for seed in range(25)
    )
    assert alarms <= 4


def test_near_duplicates_prove_no_more_than_one_note() -> None:
    notes = planted(gain=1.0, harmed="Specialty 4", specialties=8)
    notes.groups = [names[0] + str(row % 2) for row, names in enumerate(notes.specialties)]
    worst = min(results_for(notes), key=lambda one: one.difference)
    assert worst.specialty == "Specialty 4" and worst.groups == 2 and worst.p_value >= 0.25


def test_enough_resamples_for_many_specialties() -> None:
    notes = planted(
        gain=1.0, harmed="Specialty 51", specialties=52, notes=12, dimensions=96, tuned_dimensions=96
    )
    harmed = next(one for one in results_for(notes) if one.specialty == "Specialty 51")
    assert harmed.p_value < 1 / module.RESAMPLES and harmed.p_adjusted <= 0.05


def test_blocks_give_the_same_answer_within_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    notes = planted(harmed="Specialty 2", seed=1)
    whole = results_for(notes)
    monkeypatch.setattr(module, "_BLOCK_BYTES", 8 * len(notes.note_ids) * 100)
    parts = results_for(notes)
    assert [one.difference for one in parts] == [one.difference for one in whole]
    assert [one.p_value for one in parts] == pytest.approx([one.p_value for one in whole], abs=0.06)


def test_no_specialty_that_is_large_enough() -> None:
    assert results_for(planted(specialties=6, notes=2)) == []
