from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score

from medembed_pipeline.maps.errors import MapError
from medembed_pipeline.maps.projections import METHODS, Float32Array, principal_components, project
from medembed_pipeline_tests.maps.conftest import Space, make_space


def on_map(space: Space, method: str, dimensions: int = 2, **options: float) -> Float32Array:
    return project(
        space.embeddings,
        method=method,
        dimensions=dimensions,
        seed=7,
        neighbor_indices=space.indices,
        neighbor_similarities=space.similarities,
        **options,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("method", METHODS)
def test_same_input_same_bytes_and_clusters_apart(space: Space, method: str, dimensions: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        first = on_map(space, method, dimensions)
    assert first.shape == (120, dimensions)
    assert first.dtype == np.float32
    assert first.tobytes() == on_map(space, method, dimensions).tobytes()
    assert silhouette_score(first, space.clusters) > (0.35 if method == "pca" else 0.5)


def test_pca_is_scikit_learns_up_to_sign(space: Space) -> None:
    ours = principal_components(space.embeddings.astype(np.float64), 3)
    theirs = PCA(3, svd_solver="full").fit_transform(space.embeddings.astype(np.float64))
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-7)


def test_pca_sign_does_not_depend_on_the_order_of_notes(space: Space) -> None:
    rows = space.embeddings.astype(np.float64)
    np.testing.assert_allclose(
        principal_components(rows, 3)[::-1], principal_components(rows[::-1], 3), atol=1e-9
    )


def test_tsne_on_given_neighbors_is_tsne_by_cosine(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    """scikit-learn's own neighbour search, from the same start, leads to the same map after few steps.

    (Few: t-SNE is chaotic, so that rounding grows until two runs differ.)
    """
    starts: list[Float32Array] = []
    real = TSNE.fit_transform

    def few_steps(self: TSNE, graph: object, y: object = None) -> Float32Array:
        starts.append(self.init.copy())
        self.min_grad_norm = 1e9
        self._N_ITER_CHECK = 1
        return np.asarray(real(self, graph, y))

    monkeypatch.setattr(TSNE, "fit_transform", few_steps)
    ours = on_map(space, "tsne")
    oracle = TSNE(
        2, perplexity=16, metric="cosine", init=starts[0].copy(), random_state=7, learning_rate=10.0
    )
    expected = oracle.fit_transform(space.embeddings.astype(np.float64))
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-6)
    assert not np.allclose(ours, starts[0])


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("count", [3, 5, 20])
def test_few_notes(method: str, dimensions: int, count: int) -> None:
    coordinates = on_map(make_space(count), method, dimensions)
    assert coordinates.shape == (count, dimensions)
    assert np.isfinite(coordinates).all()


@pytest.mark.parametrize("method", METHODS)
def test_equal_embeddings(method: str) -> None:
    one = make_space(1, k=0).embeddings
    indices = np.array([[j for j in range(30) if j != i] for i in range(30)])
    coordinates = project(
        np.repeat(one, 30, axis=0),
        method=method,
        dimensions=2,
        seed=0,
        neighbor_indices=indices,
        neighbor_similarities=np.full(indices.shape, 1.0 + 1e-6),
    )
    assert np.isfinite(coordinates).all()


def test_two_notes_are_refused() -> None:
    with pytest.raises(MapError, match="at least 3 notes, but there are 2"):
        on_map(make_space(2), "pca")


def test_too_few_neighbors_say_how_many_are_needed() -> None:
    small = make_space(120, k=10)
    with pytest.raises(MapError, match="needs 49 neighbours per note, but neighbors holds 10"):
        on_map(small, "tsne")
    with pytest.raises(MapError, match="Keep at least 14 neighbours, or set the UMAP neighbours to 11"):
        on_map(small, "umap")
    assert on_map(small, "tsne", perplexity=3.0).shape == (120, 2)
    assert on_map(small, "umap", umap_neighbors=11).shape == (120, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "mds"}, "one of pca, tsne, umap"),
        ({"dimensions": 4}, "expected 2 or 3"),
        ({"embeddings": np.full((5, 4), np.nan)}, "5 of 5 rows are not of unit length"),
        ({"embeddings": np.ones((5, 4))}, "not of unit length"),
        ({"neighbor_indices": None}, "needs neighbor_indices"),
        ({"neighbor_indices": np.zeros((120, 50), int)}, "without the note itself"),
        ({"neighbor_indices": np.zeros((7, 50), int)}, "Materialize neighbors again"),
    ],
)
def test_wrong_input_is_refused(space: Space, change: dict[str, object], message: str) -> None:
    given: dict[str, object] = {
        "embeddings": space.embeddings,
        "method": "umap",
        "dimensions": 2,
        "seed": 0,
        "neighbor_indices": space.indices,
        "neighbor_similarities": space.similarities,
    }
    with pytest.raises(MapError, match=message):
        project(**{**given, **change})  # type: ignore[arg-type]


def test_the_first_tsne_of_a_process_runs_on_one_thread_too() -> None:
    code = """
import numpy as np, sys
from medembed_pipeline.maps.projections import project
assert "sklearn" not in sys.modules
rows = np.eye(8)
nearest = np.array([[j for j in range(8) if j != i] for i in range(8)])
sys.setprofile(lambda frame, event, argument: check(frame) if event == "call" else None)
def check(frame):
    if frame.f_code.co_name == "_gradient_descent":
        sys.setprofile(None)
        from threadpoolctl import threadpool_info
        print({pool["num_threads"] for pool in threadpool_info()})
neighbors = {"neighbor_indices": nearest, "neighbor_similarities": nearest * 0.0}
project(rows, method="tsne", dimensions=2, seed=0, **neighbors)
"""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{1}"
