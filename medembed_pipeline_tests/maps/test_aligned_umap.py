from __future__ import annotations

import numpy as np
import pytest
import umap.aligned_umap
from scipy.sparse import csr_matrix
from sklearn.metrics import roc_auc_score

from medembed_pipeline.maps.aligned_umap import (
    AlignedMaps,
    Space,
    aligned_umap,
    lay_out,
    shared_neighbors,
)
from medembed_pipeline.maps.alignment import map_scale, motion, motion_floor
from medembed_pipeline.maps.errors import MapError
from medembed_pipeline_tests.maps.conftest import make_space, space_of
from medembed_pipeline_tests.maps.plain_umap import plain_places


def clusters(count: int, *, width: int = 16, seed: int = 0) -> Space:
    made = make_space(count, dimensions=width, seed=seed)
    return Space(made.embeddings, made.indices, made.similarities)


def random_graph(count: int, seed: int) -> csr_matrix:
    weights = np.triu(np.random.default_rng(seed).uniform(size=(count, count)), 1)
    weights[weights < 0.8] = 0
    return csr_matrix((weights + weights.T).astype(np.float32))


@pytest.fixture(scope="module")
def half_moved() -> tuple[Space, Space, AlignedMaps]:
    """300 notes in ten clusters; in the tuned space, half of the notes of every other cluster join the next."""
    generator = np.random.default_rng(1)
    centers = generator.normal(size=(10, 24))
    label = np.arange(300) % 10
    noise = 0.5 * generator.normal(size=(300, 24))
    rows = centers[label] + noise
    moving = np.where(moved_notes(), (label + 1) % 10, label)
    after = centers[moving] + noise
    baseline, tuned = space_of(rows), space_of(after)
    return baseline, tuned, aligned_umap(baseline, tuned, dimensions=2, seed=3)


def moved_notes() -> np.ndarray:
    number = np.arange(300)
    return (number % 10 % 2 == 0) & (number // 10 % 2 == 0)


def test_what_moves_on_the_map_moved_in_truth(half_moved: tuple[Space, Space, AlignedMaps]) -> None:
    _, _, found = half_moved
    moved, shown = moved_notes(), motion(found.places)
    assert roc_auc_score(moved, shown) > 0.99
    floor = motion_floor(found.unmoved)
    assert 0 < floor < 0.15 * map_scale(found.places)
    assert (shown[moved] > floor).mean() > 0.98
    assert (shown[~moved] < 4 * floor).mean() > 0.95
    assert np.median(shown[moved]) > 4 * np.median(shown[~moved])


def test_without_regularisation_the_maps_drift_apart(half_moved: tuple[Space, Space, AlignedMaps]) -> None:
    baseline, tuned, held = half_moved
    free = aligned_umap(baseline, tuned, dimensions=2, seed=3, regularisation=0.0)
    assert motion_floor(free.unmoved) > 3 * motion_floor(held.unmoved)


def test_same_input_same_bytes_another_seed_another_map() -> None:
    baseline, tuned = clusters(60), clusters(60, seed=1)
    first, again, other = (aligned_umap(baseline, tuned, dimensions=3, seed=seed) for seed in (1, 1, 2))
    for one, two in zip((*first.places, *first.unmoved), (*again.places, *again.unmoved), strict=True):
        assert one.tobytes() == two.tobytes()
        assert one.shape == (60, 3)
    assert not np.allclose(first.places.tuned, other.places.tuned)


def test_models_of_different_dimensions() -> None:
    baseline, tuned = clusters(80, width=24), clusters(80, width=6)
    found = aligned_umap(baseline, tuned, dimensions=2, seed=0)
    assert np.isfinite(np.vstack(found.places)).all()


@pytest.mark.parametrize("count", [3, 4, 7])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_few_notes(count: int, dimensions: int) -> None:
    found = aligned_umap(clusters(count), clusters(count, seed=1), dimensions=dimensions, seed=0)
    assert found.places.tuned.shape == (count, dimensions)
    assert np.isfinite(np.vstack([*found.places, *found.unmoved])).all()


def test_equal_notes_in_groups_that_fall_apart() -> None:
    rows = np.repeat(np.eye(4), 8, axis=0)
    found = aligned_umap(space_of(rows, k=5), space_of(rows[::-1], k=5), dimensions=2, seed=0, neighbors=5)
    assert np.isfinite(np.vstack([*found.places, *found.unmoved])).all()


def test_few_steps_lead_where_plain_ones_lead() -> None:
    """Few: see test_umap_layout."""
    graphs = [random_graph(12, seed) for seed in (0, 1)]
    starts = [np.random.default_rng(seed).normal(size=(12, 2)).astype(np.float32) for seed in (2, 3)]
    hold = np.linspace(0, 0.9, 12).astype(np.float64)
    for steps, near in ((2, 1e-4), (3, 2e-2)):
        found = lay_out(graphs, starts, hold=hold, seed=9, curve=(1.5, 0.9), epochs=steps)
        plain = plain_places(graphs, starts, hold=hold, curve=(1.5, 0.9), seed=9, steps=steps)
        np.testing.assert_allclose(np.vstack(found), plain, atol=near)
        assert np.abs(plain - np.vstack(starts)).max() > 0.1


def test_held_fully_both_maps_are_one() -> None:
    graphs = [random_graph(30, seed) for seed in (0, 1)]
    starts = [np.random.default_rng(seed).normal(size=(30, 2)).astype(np.float32) for seed in (2, 3)]
    held, free = (
        lay_out(
            graphs, starts, hold=np.full(30, strength, dtype=np.float64), seed=1, curve=(1.5, 0.9), epochs=200
        )
        for strength in (1.0, 0.0)
    )
    assert np.median(motion(held)) < 0.1 * np.median(motion(free))


def test_shared_neighbors_are_umap_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    module = umap.aligned_umap
    monkeypatch.setattr(module, "in1d", module.in1d.py_func)
    graphs = [random_graph(20, seed) for seed in (0, 1)]
    relations = np.tile(np.arange(20, dtype=np.int32), (2, 3, 1))
    expected = module.build_neighborhood_similarities.py_func(
        [graph.indptr for graph in graphs], [graph.indices for graph in graphs], relations
    )
    found = shared_neighbors(*graphs)
    np.testing.assert_allclose(found, expected[0, 2], atol=1e-7)
    assert 0 < found.mean() < 1
    np.testing.assert_array_equal(shared_neighbors(graphs[0], graphs[0]), np.ones(20))
    np.testing.assert_array_equal(shared_neighbors(csr_matrix((3, 3)), csr_matrix((3, 3))), np.ones(3))


@pytest.mark.parametrize(
    ("tuned", "options", "message"),
    [
        (clusters(20), {}, "baseline has 30 notes, tuned 20"),
        (clusters(30)._replace(embeddings=np.ones((30, 4))), {}, "not of unit length"),
        (clusters(30)._replace(neighbor_indices=np.zeros((30, 29), int)), {}, "without the note itself"),
        (space_of(np.eye(30), k=4), {"neighbors": 9}, "needs 8 neighbours per note, but neighbors holds 4"),
    ],
)
def test_wrong_input_is_refused(tuned: Space, options: dict[str, int], message: str) -> None:
    with pytest.raises(MapError, match=message):
        aligned_umap(clusters(30), tuned, dimensions=2, seed=0, **options)
