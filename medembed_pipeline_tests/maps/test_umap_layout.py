"""Our optimisation of UMAP's maps, against a plain one, and against umap-learn."""

from __future__ import annotations

import numpy as np
import pytest
import umap
from scipy.sparse import csr_matrix
from sklearn.manifold import trustworthiness
from umap.umap_ import find_ab_params, make_epochs_per_sample

from medembed_pipeline.maps.projections import neighbors_with_itself, project, umap_knn
from medembed_pipeline.maps.umap_layout import Float32Array, fuzzy_graph, place_notes
from medembed_pipeline_tests.maps.conftest import Space, make_space


def plain_places(graph: csr_matrix, start: Float32Array, *, seed: int, steps: int) -> np.ndarray:
    """Word for word what the module says, in float64 and without numba."""
    count, dimensions = start.shape
    a, b = find_ab_params(1.0, 0.1)
    edges = graph.tocoo()
    often = edges.data >= edges.data.max() / steps
    heads, tails = edges.row[often], edges.col[often]
    pace = make_epochs_per_sample(edges.data[often], steps).astype(np.float32)
    places = 10.0 * (start - start.min(axis=0)) / (start.max(axis=0) - start.min(axis=0))
    places = places.astype(np.float64)
    states = [int(one) for one in np.random.default_rng(seed).integers(2**63, size=count, dtype=np.uint64)]
    turn = pace.copy()
    for step in range(steps):
        rate = 1 - step / steps
        for edge in np.flatnonzero(turn <= step).tolist():
            note, other = int(heads[edge]), int(tails[edge])
            turn[edge] += pace[edge]
            apart = places[note] - places[other]
            square = float(apart @ apart)
            if square > 0:
                force = -2 * a * b * square ** (b - 1) / (a * square**b + 1)
                moved = np.clip(force * apart, -4, 4) * rate
                places[note] += moved
                places[other] -= moved
            pushed = np.zeros(dimensions)
            for _ in range(5):
                states[note] = (states[note] * 6364136223846793005 + 1442695040888963407) % 2**64
                chosen = ((states[note] >> 32) * count) >> 32
                apart = places[note] - places[chosen]
                square = float(apart @ apart)
                if chosen != note and square > 0:
                    force = 2 * b / ((0.001 + square) * (a * square**b + 1))
                    pushed += np.clip(force * apart, -4, 4) * rate
            places[note] += pushed
    return places


def graph_of(space: Space) -> csr_matrix:
    known = neighbors_with_itself(
        space.indices, space.similarities, count=len(space.embeddings), method="umap"
    )
    return fuzzy_graph(*umap_knn(*known, 15))


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_few_steps_lead_where_plain_ones_lead(dimensions: int, seed: int) -> None:
    """Few: what differs by a millionth differs by a whole after five steps, in plain Python as well."""
    graph = graph_of(make_space(40, seed=seed))
    start = np.random.default_rng(seed).normal(size=(40, dimensions)).astype(np.float32)
    for steps, near in ((2, 1e-4), (3, 2e-2)):
        ours = place_notes(graph, start, minimum_distance=0.1, seed=seed, steps=steps)
        plain = plain_places(graph, start, seed=seed, steps=steps)
        np.testing.assert_allclose(ours, plain, atol=near)
        assert np.abs(ours - plain_places(graph, start, seed=seed, steps=1)).max() > 0.5


def test_another_seed_draws_other_notes() -> None:
    graph, start = graph_of(make_space(40)), np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    one, same, other = (place_notes(graph, start, minimum_distance=0.1, seed=seed) for seed in (0, 0, 1))
    assert one.tobytes() == same.tobytes() and not np.allclose(one, other)


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("count", [60, 400, 1_500])
def test_maps_are_as_trustworthy_as_umap_learns(dimensions: int, count: int) -> None:
    space = make_space(count, dimensions=24, seed=count)
    ours = project(
        space.embeddings,
        method="umap",
        dimensions=dimensions,
        seed=7,
        neighbor_indices=space.indices,
        neighbor_similarities=space.similarities,
    )
    theirs = umap.UMAP(n_components=dimensions, metric="cosine", random_state=7, n_jobs=1).fit_transform(
        space.embeddings
    )
    own, other = (
        trustworthiness(space.embeddings, places, n_neighbors=15, metric="cosine")
        for places in (ours, theirs)
    )
    assert own > other - 0.01
