"""Our optimisation of UMAP's maps, against a plain one, and against umap-learn."""

from __future__ import annotations

import numpy as np
import pytest
import umap
from scipy.sparse import csr_matrix
from sklearn.manifold import trustworthiness
from umap.umap_ import find_ab_params, fuzzy_simplicial_set

from medembed_pipeline.maps.aligned_umap import Space as MapSpace
from medembed_pipeline.maps.projections import neighbors_with_itself, project, umap_knn
from medembed_pipeline.maps.umap_layout import curve_of, fuzzy_graph, place_notes
from medembed_pipeline_tests.maps.conftest import Space, make_space, space_of
from medembed_pipeline_tests.maps.plain_umap import plain_places


def graph_of(space: Space) -> csr_matrix:
    known = neighbors_with_itself(
        space.indices, space.similarities, count=len(space.embeddings), method="umap"
    )
    return fuzzy_graph(*umap_knn(*known, 15))


def plain_notes(graph: csr_matrix, start: np.ndarray, *, seed: int, steps: int) -> np.ndarray:
    wide = 10.0 * (start - start.min(axis=0)) / (start.max(axis=0) - start.min(axis=0))
    curve = find_ab_params(1.0, 0.1)
    return plain_places([graph], [wide], hold=np.zeros(len(start)), curve=curve, seed=seed, steps=steps)


@pytest.mark.parametrize(
    "space",
    [
        space_of(make_space(40).embeddings),
        space_of(make_space(300, seed=1).embeddings),
        space_of(make_space(4).embeddings),
        # Equal notes, and notes that are far from all others.
        space_of(np.repeat(np.eye(4), 5, axis=0)),
        space_of(np.vstack([np.repeat(np.eye(6), 3, axis=0), np.random.default_rng(0).normal(size=(30, 6))])),
    ],
    ids=["40", "300", "4", "equal", "some equal"],
)
def test_the_graph_is_umap_learns(space: MapSpace) -> None:
    known = neighbors_with_itself(
        space.neighbor_indices, space.neighbor_similarities, count=len(space.embeddings), method="umap"
    )
    indices, distances = umap_knn(*known, 15)
    theirs, _, _ = fuzzy_simplicial_set(
        np.zeros((len(indices), 1)),
        indices.shape[1],
        None,
        "cosine",
        knn_indices=indices,
        knn_dists=distances,
    )
    ours = fuzzy_graph(indices, distances)
    np.testing.assert_allclose(ours.toarray(), theirs.toarray(), atol=1e-4)
    assert ours.dtype == np.float32 and (ours.data > 0).all()


@pytest.mark.parametrize("minimum_distance", [0.0, 0.1, 0.5, 0.99])
def test_the_curve_is_umap_learns(minimum_distance: float) -> None:
    np.testing.assert_allclose(curve_of(minimum_distance), find_ab_params(1.0, minimum_distance), rtol=1e-4)


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_few_steps_lead_where_plain_ones_lead(dimensions: int, seed: int) -> None:
    """Few: what differs by a millionth differs by a whole after five steps, in plain Python as well."""
    graph = graph_of(make_space(40, seed=seed))
    start = np.random.default_rng(seed).normal(size=(40, dimensions)).astype(np.float32)
    for steps, near in ((2, 1e-4), (3, 2e-2)):
        ours = place_notes(graph, start, minimum_distance=0.1, seed=seed, steps=steps)
        plain = plain_notes(graph, start, seed=seed, steps=steps)
        np.testing.assert_allclose(ours, plain, atol=near)
        assert np.abs(ours - plain_notes(graph, start, seed=seed, steps=1)).max() > 0.5


def test_another_seed_draws_other_notes() -> None:
    graph, start = graph_of(make_space(40)), np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    one, same, other = (place_notes(graph, start, minimum_distance=0.1, seed=seed) for seed in (0, 0, 1))
    assert one.tobytes() == same.tobytes() and not np.allclose(one, other)


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize(("count", "seeds", "tolerance"), [(60, 8, 0.02), (400, 1, 0.01), (1_500, 1, 0.01)])
def test_maps_are_as_trustworthy_as_umap_learns(
    dimensions: int, count: int, seeds: int, tolerance: float
) -> None:
    # Maps of few notes differ from seed to seed by 0.013 (one standard deviation), on both sides.
    space = make_space(count, dimensions=24, seed=count)
    trusted = []
    for seed in range(7, 7 + seeds):
        ours = project(
            space.embeddings,
            method="umap",
            dimensions=dimensions,
            seed=seed,
            neighbor_indices=space.indices,
            neighbor_similarities=space.similarities,
        )
        peer = umap.UMAP(n_components=dimensions, metric="cosine", random_state=seed, n_jobs=1)
        theirs = peer.fit_transform(space.embeddings)
        trusted.append(
            [
                trustworthiness(space.embeddings, places, n_neighbors=15, metric="cosine")
                for places in (ours, theirs)
            ]
        )
    own, other = np.mean(trusted, axis=0)
    assert own > other - tolerance
