"""Exact search: the order of a float64 product, whatever the batch, with filters before the cut."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.evaluation.neighbors import nearest_neighbors
from medembed_pipeline.serving.errors import ServingError
from medembed_pipeline.serving.search import Hits, Query, SearchIndex


def unit(random: np.random.Generator, rows: int, dimensions: int) -> npt.NDArray[np.float32]:
    found = random.normal(size=(rows, dimensions))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**31),
    st.integers(1, 80),
    st.sampled_from([2, 7, 40, 96]),
    st.integers(1, 30),
    st.integers(1, 6),
    st.booleans(),
)
def test_it_is_what_sorting_by_hand_gives(
    seed: int, rows: int, size: int, k: int, queries: int, prune: bool
) -> None:
    random = np.random.default_rng(seed)
    # Few different rows, so that many are equally near.
    matrix = unit(random, max(1, rows // 3), size)[random.integers(0, max(1, rows // 3), rows)]
    if prune:
        matrix = narrow(matrix)
    asked = [
        Query(vector, k, None if random.random() < 0.4 else random.random(rows) < 0.5)
        for vector in unit(random, queries, size)
    ]
    index = SearchIndex(matrix, prune_from=0 if prune else 10**9)
    assert index.head_width == (32 if prune and size == 96 else 0)
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


def narrow(matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The same with most of every row in the first directions."""
    weighed = matrix.astype(np.float64)
    weighed[:, 24:] *= 0.2
    return (weighed / np.linalg.norm(weighed, axis=1, keepdims=True)).astype(np.float32)


def test_bounds_rule_out_most_rows_and_no_hit() -> None:
    random = np.random.default_rng(8)
    centers = unit(random, 12, 128)
    rows = centers[random.integers(0, 12, 3_000)] + 0.1 * random.normal(size=(3_000, 128)) * (
        np.arange(128) < 20
    )
    matrix = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    plain, bound = SearchIndex(matrix), SearchIndex(matrix, prune_from=0)
    assert (plain.head_width, bound.head_width) == (0, 32)
    allowed = random.random(3_000) < 0.3
    asked = [Query(row, 10, mask, own) for own, row in enumerate(matrix[:200]) for mask in (None, allowed)]
    compared: list[int] = []
    keep = bound._compared

    def count(query: Query, candidates: npt.NDArray[np.int64], wanted: int) -> Hits:
        compared.append(len(candidates))
        return keep(query, candidates, wanted)

    bound._compared = count  # type: ignore[method-assign]
    for own, other in zip(plain.search(asked), bound.search(asked), strict=True):
        assert own.rows.tolist() == other.rows.tolist()
        assert own.similarities.tolist() == other.similarities.tolist()
    assert np.mean(compared) < 400


def test_vectors_that_spread_in_all_directions_have_no_bounds() -> None:
    matrix = unit(np.random.default_rng(9), 500, 128)
    assert SearchIndex(matrix, prune_from=0).head_width == 0
    assert SearchIndex(narrow(matrix), prune_from=501).head_width == 0


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
