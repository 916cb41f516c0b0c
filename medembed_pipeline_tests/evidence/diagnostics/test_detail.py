"""Detail within specialties against a count by hand, and a collapsed specialty."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.evaluation.relevance import label_matrix
from medembed_pipeline.evidence.diagnostics.detail import (
    Detail,
    kind_of_name,
    kinds_by_name,
    nearest_allowed,
    share_kept,
    within_class_recall,
)
from medembed_pipeline.evidence.diagnostics.table import HealthNotes
from medembed_pipeline_tests.evidence.diagnostics.spaces import make_notes, make_rows, random_rows, rotation


def measured(notes: HealthNotes, rows: np.ndarray, *, k: int = 5, block: int | None = None) -> Detail:
    membership = label_matrix(notes.specialties).membership
    return within_class_recall(
        rows, membership, notes.kinds["sample_name"], notes.held_out, k=k, block_queries=block
    )


def by_hand(notes: HealthNotes, rows: np.ndarray, k: int) -> tuple[list[float], list[float]]:
    kept, random = [], []
    sets, kinds = [set(names) for names in notes.specialties], notes.kinds["sample_name"]
    for query in np.flatnonzero(notes.held_out).tolist():
        candidates = [row for row in range(len(rows)) if row != query and sets[row] & sets[query]]
        mates = {row for row in candidates if kinds[row] & kinds[query]}
        if not mates or len(candidates) <= k:
            continue
        nearest = sorted(candidates, key=lambda row: -float(rows[query] @ rows[row]))[:k]
        kept.append(len(mates.intersection(nearest)) / min(k, len(mates)))
        random.append(k * len(mates) / len(candidates) / min(k, len(mates)))
    return kept, random


@pytest.mark.parametrize("k", [1, 5, 30])
@pytest.mark.parametrize("block", [None, 7])
def test_detail_equals_a_count_by_hand(k: int, block: int | None) -> None:
    notes = make_notes(120, several=0.4)
    rows = make_rows(notes, detail=0.5)
    kept, random = by_hand(notes, rows, k)
    found = measured(notes, rows, k=k, block=block)
    assert found.notes == len(kept) > 10
    assert found.kept == pytest.approx(np.mean(kept))
    assert found.random == pytest.approx(np.mean(random))


def test_the_random_share_is_what_random_vectors_give() -> None:
    notes = make_notes(400)
    shares = [measured(notes, random_rows(400, 16, seed)) for seed in range(6)]
    assert np.mean([one.kept for one in shares]) == pytest.approx(shares[0].random, abs=0.02)


def test_a_collapsed_specialty_loses_its_detail() -> None:
    notes = make_notes()
    before = measured(notes, make_rows(notes))
    after = measured(notes, make_rows(notes, detail=0.0))
    assert before.kept > 0.9
    assert after.kept < before.random + 0.1
    share = share_kept(before, after)
    assert share is not None and share < 0.15
    assert share_kept(before, before) == 1.0


def test_no_share_without_detail_to_lose() -> None:
    nothing = Detail(float("nan"), float("nan"), 0)
    assert share_kept(nothing, nothing) is None
    assert share_kept(Detail(0.2, 0.3, 5), Detail(0.3, 0.3, 5)) is None


def test_notes_without_mates_or_with_too_few_candidates_are_not_asked() -> None:
    rows = random_rows(6, 4)
    alone = [frozenset({f"kind {row}"}) for row in range(6)]
    together = [frozenset({"kind"})] * 6
    one_specialty, asked = np.ones((6, 1)), np.ones(6, dtype=np.bool_)
    assert within_class_recall(rows, one_specialty, alone, asked, k=2).notes == 0
    assert within_class_recall(rows, one_specialty, [frozenset()] * 6, asked, k=2).notes == 0
    assert within_class_recall(rows, one_specialty, together, asked, k=5).notes == 0
    assert within_class_recall(rows, one_specialty, together, ~asked, k=2).notes == 0
    assert within_class_recall(rows, np.eye(6), together, asked, k=1).notes == 0
    assert within_class_recall(rows, one_specialty, together, asked, k=4) == (1.0, pytest.approx(1.0), 6)
    assert np.isnan(within_class_recall(np.empty((0, 4)), np.empty((0, 0)), [], np.empty(0, bool), k=2).kept)


def test_nearest_allowed_takes_the_candidates_alone_and_marks_what_is_missing() -> None:
    rows = np.array([[1.0, 0.0], [0.8, 0.6], [0.8, 0.6], [0.0, 1.0]])
    allowed = np.array([[False, True, True, True], [False, False, False, True]])
    found = nearest_allowed(rows, np.array([0, 1]), allowed, 3)
    assert found.tolist() == [[1, 2, 3], [3, -1, -1]]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_neither_turning_nor_reordering_changes_it(seed: int) -> None:
    notes = make_notes(60, specialties=2, seed=seed)
    rows = make_rows(notes, detail=0.4, dimensions=8, seed=seed)
    found = measured(notes, rows)
    assert measured(notes, rows @ rotation(8, seed)) == pytest.approx(found)
    order = np.random.default_rng(seed).permutation(60)
    shuffled = HealthNotes(
        [notes.note_ids[row] for row in order],
        [notes.specialties[row] for row in order],
        notes.held_out[order],
        notes.training[order],
        {method: [kinds[row] for row in order] for method, kinds in notes.kinds.items()},
    )
    assert measured(shuffled, rows[order]) == pytest.approx(found)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Appendectomy - 2", "appendectomy"),
        ("  Appendectomy  -12 ", "appendectomy"),
        ("CABG x4", "cabg x4"),
        ("X-Ray - Knee", "x-ray - knee"),
        ("Covid-19", "covid-19"),
        (" - 3", "- 3"),
        ("", ""),
    ],
)
def test_the_running_number_is_no_part_of_the_kind(name: str, kind: str) -> None:
    assert kind_of_name(name) == kind


def test_kinds_come_from_the_rows_of_a_note() -> None:
    names = {"r1": "Biopsy - 1", "r2": "Biopsy - 2", "r3": "Fever", "r4": None, "r5": "  "}
    assert kinds_by_name([["r1", "r3"], ["r2"], ["r4", "r5"], ["gone"], []], names) == [
        frozenset({"biopsy", "fever"}),
        frozenset({"biopsy"}),
        frozenset(),
        frozenset(),
        frozenset(),
    ]
