from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import spearmanr

from medembed_pipeline.lake.tables import vector_column
from medembed_pipeline.maps.aligned import (
    AlignedResult,
    aligned_projections_table,
    make_aligned_projections,
    rank_correlation,
)
from medembed_pipeline.maps.aligned_umap import Space
from medembed_pipeline.maps.alignment import HARMLESS_CHANGE, JointMap, displacement, motion
from medembed_pipeline.maps.errors import MapError
from medembed_pipeline.maps.inputs import map_inputs
from medembed_pipeline.maps.tables import ALIGNED_PROJECTIONS_SCHEMA
from medembed_pipeline.maps.trustworthiness import local_map_quality
from medembed_pipeline_tests.maps.conftest import space_of
from medembed_pipeline_tests.maps.test_displacement import some_ids, spaces


@pytest.fixture(scope="module")
def found() -> tuple[Space, Space, AlignedResult]:
    baseline, tuned = spaces(60)
    return baseline, tuned, make_aligned_projections(baseline, tuned, seed=4)


def test_both_methods_in_both_dimensions_with_their_trust(found: tuple[Space, Space, AlignedResult]) -> None:
    baseline, tuned, result = found
    kinds = {(one.model, one.method, one.dimensions) for one in result.maps}
    assert len(result.maps) == len(kinds) == 8
    for one in result.maps:
        own = baseline if one.model == "baseline" else tuned
        expected, _ = local_map_quality(own.embeddings, [one.coordinates], queries=np.arange(60))
        assert one.trustworthiness is not None
        np.testing.assert_allclose(one.trustworthiness, expected[0], atol=1e-6)
        other = tuned if one.model == "baseline" else baseline
        wrong, _ = local_map_quality(other.embeddings, [one.coordinates], queries=np.arange(60))
        assert expected.mean() > wrong.mean()
    assert result.left_out == ""


def test_the_floors_and_what_the_motion_follows(found: tuple[Space, Space, AlignedResult]) -> None:
    baseline, tuned, result = found
    keys = [(one["method"], one["dimensions"]) for one in result.noise_floors]
    assert keys == [("aligned_umap", 2), ("aligned_umap", 3), ("joint_pca", 2), ("joint_pca", 3)]
    for one in result.noise_floors:
        baseline_places, tuned_places = (
            next(
                made.coordinates.astype(np.float64)
                for made in result.maps
                if made[:3] == (model, one["method"], one["dimensions"])
            )
            for model in ("baseline", "tuned")
        )
        places = JointMap(baseline_places, tuned_places)
        expected = spearmanr(motion(places), displacement(baseline.embeddings, tuned.embeddings))[0]
        assert one["follows_displacement"] == pytest.approx(expected, abs=1e-3)
        assert -1 <= one["follows_neighbors"] <= 1
        assert one["scale"] > 0
        assert one["noise_floor"] < (1.1 * HARMLESS_CHANGE if one["method"] == "joint_pca" else one["scale"])


def test_the_table_is_sorted_and_complete(found: tuple[Space, Space, AlignedResult]) -> None:
    ids = some_ids(60)
    table = aligned_projections_table(found[2].maps, note_ids=ids)
    assert table.schema.equals(ALIGNED_PROJECTIONS_SCHEMA, check_metadata=True)
    keys = list(
        zip(*(table[c].to_pylist() for c in ("model", "method", "dimensions", "note_id")), strict=True)
    )
    assert keys == sorted(keys) and len(set(keys)) == 8 * 60
    assert table["trustworthiness"].null_count == 0
    row = next(
        r for r in table.to_pylist() if (r["model"], r["method"], r["z"]) == ("tuned", "joint_pca", None)
    )
    one = next(m for m in found[2].maps if m[:3] == ("tuned", "joint_pca", 2))
    at = ids.index(row["note_id"])
    assert one.trustworthiness is not None
    assert [row["x"], row["y"], row["trustworthiness"]] == [*one.coordinates[at], one.trustworthiness[at]]


def test_models_of_different_dimensions_have_no_joint_pca() -> None:
    result = make_aligned_projections(*spaces(30, widths=(20, 5)), seed=0)
    assert {one.method for one in result.maps} == {"aligned_umap"}
    assert "20 dimensions and the tuned model 5" in result.left_out
    assert [one["follows_displacement"] for one in result.noise_floors] == [None, None]


def test_four_notes() -> None:
    said: list[str] = []
    result = make_aligned_projections(*spaces(4), seed=0, report=said.append)
    assert len(said) == 4
    assert all(np.isfinite(one.coordinates).all() for one in result.maps)
    assert len(aligned_projections_table(result.maps, note_ids=list("abcd"))) == 8 * 4


def test_rank_correlation() -> None:
    one = np.array([1.0, 2.0, 2.0, 5.0, 3.0])
    other = np.array([0.1, 0.3, 0.2, 0.2, 0.9])
    assert rank_correlation(one, other) == pytest.approx(spearmanr(one, other)[0], abs=1e-12)
    assert rank_correlation(one, np.ones(5)) is None


def neighbors_rows(space: Space, ids: list[str], model: str) -> pa.Table:
    indices = np.asarray(space.neighbor_indices)
    count, width = indices.shape
    return pa.table(
        {
            "model": [model] * (count * width),
            "pool": ["all"] * (count * width),
            "note_id": np.repeat(ids, width),
            "rank": np.tile(np.arange(1, width + 1), count),
            "neighbor_id": np.array(ids)[indices.reshape(-1)],
            "similarity": np.asarray(space.neighbor_similarities).reshape(-1),
        }
    )


def embedding_rows(space: Space, ids: list[str]) -> pa.Table:
    return pa.table({"note_id": ids, "embedding": vector_column(np.asarray(space.embeddings))})


def test_inputs_are_in_the_order_of_the_ids_whatever_the_order_of_the_tables() -> None:
    baseline, tuned = spaces(12)
    ids = some_ids(12)
    first, second = embedding_rows(baseline, ids), embedding_rows(tuned, ids)
    nearest = pa.concat_tables(
        [neighbors_rows(baseline, ids, "baseline"), neighbors_rows(tuned, ids, "tuned")]
    )
    found = map_inputs(
        baseline_embeddings=first,
        tuned_embeddings=second.take(np.arange(12)[::-1]),
        neighbors=nearest.take(np.random.default_rng(0).permutation(len(nearest))),
    )
    assert found.note_ids == sorted(ids)
    order = np.argsort(ids)
    for model, space in (("baseline", baseline), ("tuned", tuned)):
        expected = space_of(np.asarray(space.embeddings)[order])
        np.testing.assert_array_equal(found.embeddings[model], np.asarray(space.embeddings)[order])
        np.testing.assert_array_equal(found.spaces[model].neighbor_indices, expected.neighbor_indices)
    with pytest.raises(MapError, match="not the same ones"):
        map_inputs(baseline_embeddings=first, tuned_embeddings=second.slice(1), neighbors=nearest)
