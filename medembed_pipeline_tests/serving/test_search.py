"""Exact search: the order of a float64 product, whatever the batch, with filters before the cut."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.evaluation.neighbors import nearest_neighbors
from medembed_pipeline.serving.errors import ServingError
from medembed_pipeline.serving.search import Query, SearchIndex


def unit(random: np.random.Generator, rows: int, dimensions: int) -> npt.NDArray[np.float32]:
    found = random.normal(size=(rows, dimensions))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.integers(1, 80), st.integers(2, 40), st.integers(1, 30), st.integers(1, 6))
def test_it_is_what_sorting_by_hand_gives(seed: int, rows: int, size: int, k: int, queries: int) -> None:
    random = np.random.default_rng(seed)
    # Few different rows, so that many are equally near.
    matrix = unit(random, max(1, rows // 3), size)[random.integers(0, max(1, rows // 3), rows)]
    asked = [
        Query(vector, k, None if random.random() < 0.4 else random.random(rows) < 0.5)
        for vector in unit(random, queries, size)
    ]
    index = SearchIndex(matrix)
    for query, hits in zip(asked, index.search(asked), strict=True):
        allowed = np.ones(rows, dtype=np.bool_) if query.allowed is None else query.allowed
        norms = np.linalg.norm(matrix.astype(np.float64), axis=1, keepdims=True)
        wide = matrix.astype(np.float64) / norms
        similarity = wide @ (
            query.vector.astype(np.float64) / np.linalg.norm(query.vector.astype(np.float64))
        )
        steps = np.rint(similarity * 1e9)
        expected = sorted(np.flatnonzero(allowed).tolist(), key=lambda row: (-steps[row], row))[:k]
        assert hits.rows.tolist() == expected
        np.testing.assert_allclose(hits.similarities, similarity[expected], atol=1e-9)


def test_a_stored_row_finds_what_the_table_of_neighbors_has() -> None:
    matrix = unit(np.random.default_rng(3), 200, 24)
    matrix[50:60] = matrix[10]
    indices, similarities = nearest_neighbors(matrix, 12)
    found = SearchIndex(matrix).search([Query(row, 12, None, own) for own, row in enumerate(matrix)])
    assert np.array_equal(np.stack([hits.rows for hits in found]), indices)
    assert np.array_equal(np.stack([hits.similarities for hits in found]).astype(np.float32), similarities)


def test_alone_or_among_others_a_query_finds_the_same() -> None:
    random = np.random.default_rng(4)
    index = SearchIndex(unit(random, 500, 48))
    asked = [Query(vector, 25) for vector in unit(random, 33, 48)]
    together = index.search(asked)
    for query, hits in zip(asked, together, strict=True):
        alone = index.search([query])[0]
        assert alone.rows.tolist() == hits.rows.tolist()
        assert alone.similarities.tolist() == hits.similarities.tolist()


def test_fewer_are_found_where_fewer_may_be() -> None:
    index = SearchIndex(unit(np.random.default_rng(5), 4, 8))
    one = np.array([False, True, False, False])
    assert index.search([Query(index.vectors[0], 9)])[0].rows.size == 4
    assert index.search([Query(index.vectors[0], 9, None, 0)])[0].rows.size == 3
    assert index.search([Query(index.vectors[0], 9, one)])[0].rows.tolist() == [1]
    assert index.search([Query(index.vectors[1], 9, one, 1)])[0].rows.size == 0
    assert index.search([Query(index.vectors[1], 9, np.zeros(4, dtype=np.bool_))])[0].rows.size == 0
    assert index.search([]) == []


@pytest.mark.parametrize("wrong", [np.nan, 0.5])
def test_vectors_that_are_none_are_refused(wrong: float) -> None:
    matrix = unit(np.random.default_rng(6), 3, 8)
    matrix[1] = wrong
    with pytest.raises(ServingError, match="1 of 3 vectors"):
        SearchIndex(matrix)
