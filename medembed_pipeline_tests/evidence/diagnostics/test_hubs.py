"""k-occurrences against a count by hand, skewness against scipy, a planted hub and notes that no search finds."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import skew

from medembed_pipeline.evaluation.neighbors import neighbors_table
from medembed_pipeline.evidence.diagnostics.errors import HealthError
from medembed_pipeline.evidence.diagnostics.hubs import (
    Occurrences,
    k_occurrences,
    largest_hubs,
    skewness,
    unreachable_share,
)
from medembed_pipeline_tests.evidence.diagnostics.spaces import random_rows, unit


def occurrences(rows: np.ndarray, k: int, *, kept: int = 12) -> Occurrences:
    ids = [f"note-{row:04d}" for row in range(len(rows))]
    return k_occurrences(
        neighbors_table("tuned", ids, rows, scored_note_ids=ids[:3], k=kept), model="tuned", k=k
    )


def test_counts_are_those_of_the_similarities() -> None:
    rows = random_rows(50, 8)
    similarity = rows @ rows.T
    np.fill_diagonal(similarity, -2)
    expected = Counter(np.argsort(-similarity, axis=1)[:, :5].ravel().tolist())
    found = occurrences(rows, 5)
    assert found.counts.tolist() == [expected[row] for row in range(50)]
    assert found.counts.sum() == 50 * found.k
    assert unreachable_share(found) == pytest.approx(sum(not expected[row] for row in range(50)) / 50)


def test_fewer_neighbours_than_asked_for() -> None:
    assert occurrences(random_rows(30, 8), 50).k == 12
    assert occurrences(random_rows(4, 8), 10).k == 3
    assert occurrences(random_rows(4, 8), 10).counts.tolist() == [3, 3, 3, 3]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=60))
def test_skewness_is_that_of_scipy(values: list[int]) -> None:
    if len(set(values)) == 1:
        assert skewness(values) == 0.0
    else:
        assert skewness(values) == pytest.approx(skew(values), rel=1e-9, abs=1e-9)


def test_a_planted_hub_and_unreachable_notes_are_found() -> None:
    # Every note is orthogonal to every other but for its part in one direction, along which the hub lies.
    spokes = np.eye(40) + 0.0
    spokes[:, 0] += 1.0
    rows = unit(spokes)
    rows[7] = np.eye(40)[0]
    rows[39] = unit(np.eye(40)[[39]] - 0.6 * np.eye(40)[[0]])[0]
    found = occurrences(rows, 1)
    assert largest_hubs(found, most=1)[0][0] in {"note-0000", "note-0007"}
    calm = occurrences(random_rows(40, 3), 1)
    assert skewness(found.counts) > 3 > skewness(calm.counts)
    assert found.counts[39] == 0
    assert unreachable_share(found) > 0.9 > unreachable_share(calm)


def test_hubs_are_sorted_by_count_then_id() -> None:
    found = Occurrences(["a", "b", "c", "d"], np.array([1, 3, 0, 3]), 2)
    assert largest_hubs(found, most=3) == [("b", 3), ("d", 3), ("a", 1)]


def test_neighbours_that_do_not_fit_are_named() -> None:
    rows = random_rows(6, 3)
    ids = [f"note-{row}" for row in range(6)]
    table = neighbors_table("tuned", ids, rows, scored_note_ids=ids, k=2)
    with pytest.raises(HealthError, match="no row of model 'baseline'"):
        k_occurrences(table, model="baseline", k=2)
    part = table.filter(np.array([name != "note-3" for name in table["note_id"].to_pylist()]))
    with pytest.raises(HealthError, match="Materialize neighbors again"):
        k_occurrences(part, model="tuned", k=2)
