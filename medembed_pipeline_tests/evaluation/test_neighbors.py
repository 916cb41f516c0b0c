"""Nearest neighbours against a full sort, ties, blocks, and the table."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.engine import LocalEngine
from medembed_pipeline.evaluation import sharded_neighbors as sharded
from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline.evaluation.neighbors import NEIGHBORS_SCHEMA, nearest_neighbors, neighbors_table
from medembed_pipeline.evaluation.sharded_neighbors import sharded_neighbors
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline_tests.evaluation.corpus import make_corpus, unit


def by_full_sort(rows: np.ndarray, k: int) -> np.ndarray:
    exact = rows.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    nearest = []
    for query in range(len(exact)):
        similarity = [round(float(np.dot(exact[query], other)), 9) for other in exact]
        others = [row for row in range(len(exact)) if row != query]
        order = np.lexsort((others, [-similarity[row] for row in others]))
        nearest.append([others[place] for place in order[:k]])
    return np.array(nearest)


@given(
    st.integers(2, 40), st.integers(1, 8), st.integers(1, 50), st.integers(1, 45), st.integers(0, 2**32 - 1)
)
@settings(max_examples=60, deadline=None)
def test_agrees_with_a_full_sort_also_where_rows_repeat(
    count: int, dimensions: int, k: int, block_rows: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    different = unit(random.normal(size=(max(1, count // 2), dimensions)))
    rows = different[random.integers(len(different), size=count)]
    indices, similarities = nearest_neighbors(rows, k, block_rows=block_rows)
    assert indices.dtype == np.int64
    assert similarities.dtype == np.float32
    np.testing.assert_array_equal(indices, by_full_sort(rows, k))
    expected = np.einsum("id,ikd->ik", rows.astype(np.float64), rows.astype(np.float64)[indices])
    np.testing.assert_allclose(similarities, expected, atol=3e-7)


@given(
    st.integers(2, 40),
    st.integers(1, 45),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_blocks_of_queries_and_candidates_give_the_same(
    count: int, k: int, query_rows: int, candidate_rows: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    different = unit(random.normal(size=(max(1, count // 2), 5)))
    rows = different[random.integers(len(different), size=count)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharded, "QUERY_ROWS", query_rows)
        patch.setattr(sharded, "CANDIDATE_ROWS", candidate_rows)
        indices, similarities = sharded_neighbors(LocalEngine(Lake("unused")), rows, k)
    expected = nearest_neighbors(rows, k)
    np.testing.assert_array_equal(indices, expected[0])
    np.testing.assert_array_equal(similarities, expected[1])


def test_agrees_with_scikit_learn() -> None:
    from sklearn.neighbors import NearestNeighbors

    rows = make_corpus(200, dimensions=32).tuned
    indices, similarities = nearest_neighbors(rows, 7)
    distances, expected = (
        NearestNeighbors(n_neighbors=8, metric="cosine", algorithm="brute").fit(rows).kneighbors(rows)
    )
    np.testing.assert_array_equal(indices, expected[:, 1:])
    np.testing.assert_allclose(similarities, 1 - distances[:, 1:], atol=1e-6)


def test_a_tie_goes_to_the_lower_row_and_a_row_is_never_its_own_neighbour() -> None:
    indices, similarities = nearest_neighbors(np.tile([[0.6, 0.8]], (5, 1)), 3)
    assert indices.tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2], [0, 1, 2]]
    assert (similarities == 1).all()


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_rows_have_no_neighbours(count: int) -> None:
    indices, similarities = nearest_neighbors(np.ones((count, 1)), 5)
    assert indices.shape == similarities.shape == (count, 0)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.array([[1.0, 0.0], [3.0, 4.0]]), "row 1, norm 5"),
        (np.array([[1.0, 0.0], [np.nan, 0.0]]), "not L2-normalised"),
        (np.zeros((2, 3)), "2 of 2 rows"),
        (np.ones(3), r"shape \(3,\)"),
    ],
)
def test_vectors_that_cannot_be_compared_are_refused(rows: np.ndarray, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        nearest_neighbors(rows, 1)


def test_k_below_one_is_refused() -> None:
    with pytest.raises(EvaluationError, match="k = 0"):
        nearest_neighbors(np.eye(3), 0)


def test_table_has_both_pools_and_does_not_depend_on_the_order_of_the_notes() -> None:
    corpus = make_corpus(30)
    scored = sorted(corpus.note_ids)[::3]
    table = neighbors_table("tuned", corpus.note_ids, corpus.tuned, scored_note_ids=scored, k=12)
    assert table.schema.equals(NEIGHBORS_SCHEMA, check_metadata=True)
    frame = table.to_pandas()
    assert frame.groupby("pool").size().to_dict() == {"all": 30 * 12, "test": 10 * 9}
    assert (
        set(frame.query("pool == 'test'").note_id)
        == set(frame.query("pool == 'test'").neighbor_id)
        == set(scored)
    )
    assert (frame.note_id != frame.neighbor_id).all()
    assert frame.equals(frame.sort_values(["pool", "note_id", "rank"], ignore_index=True))
    assert (frame.groupby(["pool", "note_id"]).similarity.diff().dropna() <= 0).all()

    vector = dict(zip(corpus.note_ids, corpus.tuned.astype(np.float64), strict=True))
    for row in frame.sample(40, random_state=0).itertuples():
        assert row.similarity == pytest.approx(vector[row.note_id] @ vector[row.neighbor_id], abs=1e-6)

    shuffled = np.random.default_rng(1).permutation(30)
    again = neighbors_table(
        "tuned",
        [corpus.note_ids[row] for row in shuffled],
        corpus.tuned[shuffled],
        scored_note_ids=set(scored),
        k=12,
    )
    assert again.equals(table)


def test_table_of_no_scored_notes_has_only_the_pool_of_all() -> None:
    table = neighbors_table("baseline", ["a", "b"], np.eye(2), scored_note_ids=[])
    assert table["pool"].to_pylist() == ["all", "all"]
    assert table["neighbor_id"].to_pylist() == ["b", "a"]


@pytest.mark.parametrize(
    ("note_ids", "scored", "message"),
    [
        (["a", "b", "a"], [], "a occurs more than once"),
        (["a", "b"], [], "2 ids for 3 rows"),
        (["a", "b", "c"], ["c", "x"], "first: x"),
    ],
)
def test_table_refuses_ids_that_do_not_fit(note_ids: list[str], scored: list[str], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        neighbors_table("tuned", note_ids, np.eye(3), scored_note_ids=scored)
