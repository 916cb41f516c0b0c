from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from medembed_pipeline.maps.errors import MapError
from medembed_pipeline.maps.tables import (
    ALIGNED_PROJECTIONS_SCHEMA,
    MAP_QUALITY_SCHEMA,
    PROJECTIONS_SCHEMA,
    Projection,
    judged,
    make_projections,
    map_quality_table,
    neighbor_arrays,
    projections_table,
)
from medembed_pipeline_tests.maps.conftest import Space, make_space


def neighbors_of(space: Space, ids: list[str], model: str = "baseline") -> pa.Table:
    count, width = space.indices.shape
    return pa.table(
        {
            "model": [model] * (count * width),
            "pool": ["all"] * (count * width),
            "note_id": np.repeat(ids, width),
            "rank": np.tile(np.arange(1, width + 1), count),
            "neighbor_id": np.array(ids)[space.indices.reshape(-1)],
            "similarity": space.similarities.reshape(-1),
        }
    )


def some_ids(count: int) -> list[str]:
    return [f"note-{number:03d}" for number in np.random.default_rng(1).permutation(count)]


def maps_of(space: Space, ids: list[str]) -> list[Projection]:
    return list(
        make_projections(
            model="baseline",
            note_ids=ids,
            embeddings=space.embeddings,
            neighbor_indices=space.indices,
            neighbor_similarities=space.similarities,
            seed=1,
        )
    )


def test_neighbors_come_back_whatever_the_order_of_the_table() -> None:
    space, ids = make_space(40, k=9), some_ids(40)
    table = pa.concat_tables(
        [neighbors_of(space, ids), neighbors_of(make_space(40, k=9, seed=2), ids, "tuned")]
    )
    shuffled = table.take(np.random.default_rng(0).permutation(len(table)))
    indices, similarities = neighbor_arrays(shuffled, model="baseline", note_ids=ids)
    np.testing.assert_array_equal(indices, space.indices)
    np.testing.assert_array_equal(similarities, space.similarities)


def test_neighbors_that_do_not_fit_are_refused() -> None:
    space, ids = make_space(40, k=9), some_ids(40)
    table = neighbors_of(space, ids)
    for wrong, names in (
        (table.slice(1), ids),
        (table, ids[:-1]),
        (table, [*ids, "new"]),
        (table.slice(0, 0), ids),
    ):
        with pytest.raises(MapError, match="Materialize neighbors again"):
            neighbor_arrays(wrong, model="baseline", note_ids=names)


def test_a_note_lies_at_the_same_place_whatever_the_order_of_the_input() -> None:
    space, ids = make_space(40), some_ids(40)
    order = np.random.default_rng(5).permutation(40)
    place = np.argsort(order)
    turned = Space(
        space.embeddings[order], place[space.indices[order]], space.similarities[order], space.clusters[order]
    )
    first = projections_table(maps_of(space, ids), note_ids=ids)
    names = [ids[row] for row in order]
    assert first.equals(projections_table(maps_of(turned, names), note_ids=names))


def test_the_table_holds_every_map_sorted() -> None:
    space, ids = make_space(20), some_ids(20)
    maps = judged(maps_of(space, ids), embeddings={"baseline": space.embeddings})
    table = projections_table(maps[::-1], note_ids=ids)
    assert table.schema.equals(PROJECTIONS_SCHEMA, check_metadata=True)
    keys = list(
        zip(*(table[c].to_pylist() for c in ("model", "method", "dimensions", "note_id")), strict=True)
    )
    assert keys == sorted(keys)
    assert len(set(keys)) == 6 * 20
    for row in table.to_pylist():
        one = next(m for m in maps if (m.method, m.dimensions) == (row["method"], row["dimensions"]))
        expected = one.coordinates[ids.index(row["note_id"])].tolist()
        assert [row["x"], row["y"], row["z"]][: len(expected)] == expected
        assert (row["z"] is None) == (row["dimensions"] == 2)
        assert one.trustworthiness is not None
        assert row["trustworthiness"] == one.trustworthiness[ids.index(row["note_id"])]


def test_every_column_is_described() -> None:
    for schema in (PROJECTIONS_SCHEMA, ALIGNED_PROJECTIONS_SCHEMA, MAP_QUALITY_SCHEMA):
        assert all((field.metadata or {}).get(b"description") for field in schema)


def test_quality_table() -> None:
    space, ids = make_space(30), some_ids(30)
    table = map_quality_table(maps_of(space, ids), embeddings={"baseline": space.embeddings})
    assert table.schema.equals(MAP_QUALITY_SCHEMA)
    assert [(r["method"], r["dimensions"]) for r in table.to_pylist()] == [
        (method, size) for method in ("pca", "tsne", "umap") for size in (2, 3)
    ]
    assert min(table["trustworthiness"].to_pylist()) > 0.6
    local = judged(maps_of(space, ids), embeddings={"baseline": space.embeddings})
    means = {(one.method, one.dimensions): np.mean(one.trustworthiness) for one in local}  # type: ignore[arg-type]
    for row in table.to_pylist():
        assert row["trustworthiness"] == pytest.approx(means[row["method"], row["dimensions"]], abs=1e-6)
    with pytest.raises(MapError, match="no embeddings of the model 'baseline'"):
        map_quality_table(maps_of(space, ids), embeddings={"tuned": space.embeddings})


def test_maps_that_were_not_judged_say_so() -> None:
    table = projections_table(maps_of(make_space(20), some_ids(20)), note_ids=some_ids(20))
    assert table["trustworthiness"].null_count == len(table)
    with pytest.raises(MapError, match="no embeddings of the model 'baseline'"):
        judged(maps_of(make_space(20), some_ids(20)), embeddings={})


def test_wrong_ids_are_refused() -> None:
    space = make_space(20)
    with pytest.raises(MapError, match="19 different ids for 20 embeddings"):
        maps_of(space, ["a", "a", *some_ids(18)])
    with pytest.raises(MapError, match=r"expected \(4, 2\)"):
        projections_table(
            [Projection("tuned", "pca", 2, np.zeros((3, 2), np.float32))], note_ids=list("abcd")
        )
