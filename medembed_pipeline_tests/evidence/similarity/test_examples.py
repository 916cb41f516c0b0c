"""Example queries: what is drawn, and whether the neighbours are the right ones."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from medembed_pipeline.evidence.similarity.examples import (
    Neighbor,
    SimilarityError,
    example_queries,
    nearest_among,
)
from medembed_pipeline_tests.evidence.similarity.planted import made_up


def ranked(hits: int) -> list[Neighbor]:
    return [Neighbor("any", "query", f"n{rank}", rank, 0.5, rank <= hits) for rank in range(1, 11)]


def planted(improved: int, worsened: int, unchanged: int) -> dict[str, dict[str, list[Neighbor]]]:
    """Queries whose ids tell what happened to them."""
    before, after = {}, {}
    for word, count, hits in (
        ("improved", improved, (3, 7)),
        ("worsened", worsened, (5, 4)),
        ("unchanged", unchanged, (2, 2)),
    ):
        for number in range(count):
            before[f"{word}-{number:02}"], after[f"{word}-{number:02}"] = (ranked(count) for count in hits)
    return {"baseline": before, "tuned": after}


def kinds(queries: list[str]) -> list[str]:
    return [query.split("-")[0] for query in queries]


def test_every_kind_of_query_is_there_though_most_improved() -> None:
    nearest = planted(40, 2, 20)
    queries = example_queries(nearest, nearest["tuned"], count=8, seed=7)
    assert kinds(queries) == ["improved"] * 3 + ["worsened"] * 2 + ["unchanged"] * 3
    assert queries == example_queries(nearest, list(nearest["tuned"])[::-1], count=8, seed=7)
    assert queries != example_queries(nearest, nearest["tuned"], count=8, seed=8)


@pytest.mark.parametrize("counts", [(5, 0, 0), (0, 1, 3), (0, 0, 0), (2, 2, 2)])
def test_a_kind_that_is_missing_leaves_its_place_to_the_others(counts: tuple[int, int, int]) -> None:
    nearest = planted(*counts)
    queries = example_queries(nearest, nearest["tuned"], count=5, seed=1)
    assert len(queries) == len(set(queries)) == min(5, sum(counts))
    assert set(kinds(queries)) == {
        word for word, count in zip(("improved", "worsened", "unchanged"), counts, strict=True) if count
    }


def test_queries_that_cannot_be_answered_are_no_examples() -> None:
    nearest = planted(4, 4, 4)
    assert kinds(example_queries(nearest, ["worsened-01"], count=8, seed=1)) == ["worsened"]


def test_neighbours_are_the_ten_most_similar_by_brute_force() -> None:
    notes = made_up(30)
    found = nearest_among(notes.neighbors, notes.note_ids, notes.specialties)
    for model, vectors in notes.embeddings.items():
        for row, note in enumerate(notes.note_ids):
            similarity = (vectors @ vectors[row]).astype(float)
            similarity[row] = -9
            expected = np.argsort(-similarity, kind="stable")[:10]
            assert [one.neighbor for one in found[model][note]] == [notes.note_ids[i] for i in expected]
            assert [one.rank for one in found[model][note]] == list(range(1, 11))
            np.testing.assert_allclose(
                [one.similarity for one in found[model][note]], similarity[expected], atol=1e-6
            )
            for one, other in zip(found[model][note], expected, strict=True):
                assert one.relevant == bool(set(notes.specialties[row]) & set(notes.specialties[other]))


def test_neighbours_of_other_notes_are_refused() -> None:
    notes = made_up(14)
    with pytest.raises(SimilarityError, match="holds other notes than the held-out ones"):
        nearest_among(notes.neighbors, notes.note_ids[:-1], notes.specialties[:-1])
    short = notes.neighbors.filter(pc.field("rank") != 4)
    with pytest.raises(SimilarityError, match="lacks neighbours of some of the 14"):
        nearest_among(short, notes.note_ids, notes.specialties)
    with pytest.raises(SimilarityError, match="lacks neighbours"):
        nearest_among(pa.Table.from_pylist([], notes.neighbors.schema), notes.note_ids, notes.specialties)
