"""Maps of one embedding space: PCA, t-SNE and UMAP, in two or three dimensions, seeded.

t-SNE and UMAP are given the nearest neighbours that the pipeline has computed already (exact, by cosine), so
no neighbour search runs here, and a map never disagrees with the retrieval metrics about who is near whom.
"""

from __future__ import annotations

import importlib

import numpy as np
import numpy.typing as npt

from medembed_pipeline.maps.errors import MapError
from medembed_pipeline.maps.umap_layout import compiled_walk, fuzzy_graph, place_notes
from medembed_pipeline.threads import one_thread

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

METHODS = ("pca", "tsne", "umap")
DIMENSIONS = (2, 3)
FEWEST_NOTES = 3

PERPLEXITY = 16.0
UMAP_NEIGHBORS = 15
MINIMUM_DISTANCE = 0.1

# Barnes-Hut t-SNE in 3-D costs three times as much a step as in 2-D and settles sooner: 500 coarser steps
# were as trustworthy as 1,000 on clinical notes (0.93 both), while 2-D lost 0.01 with 500.
_TSNE_STEPS = {2: 1000, 3: 500}
_TSNE_ANGLE = {2: 0.5, 3: 0.8}

# scikit-learn's rule, n / early exaggeration / 4 (Belkina et al. 2019), but with a floor of 10 where it has
# 50: with 50, 3-D maps of about a hundred notes oscillate (trustworthiness 0.82, not 0.99).
_SLOWEST_LEARNING_RATE = 10.0
_EARLY_EXAGGERATION = 12.0
_UNIT_LENGTH_TOLERANCE = 1e-2
_LIBRARIES: dict[str, tuple[str, ...]] = {
    "pca": (),
    "tsne": ("scipy.sparse", "sklearn.manifold"),
    "umap": ("scipy.sparse",),
}


def load_libraries(method: str) -> None:
    """Load what a method computes with: a limit of threads binds only the libraries that are there when it is set.

    Before maps are placed in several threads, too: limits that are set and taken back in turn would end in disorder.
    """
    for library in _LIBRARIES[method]:
        importlib.import_module(library)
    if method == "umap":
        compiled_walk()


def project(
    embeddings: npt.ArrayLike,
    *,
    method: str,
    dimensions: int,
    seed: int,
    neighbor_indices: npt.ArrayLike | None = None,
    neighbor_similarities: npt.ArrayLike | None = None,
    perplexity: float = PERPLEXITY,
    umap_neighbors: int = UMAP_NEIGHBORS,
    minimum_distance: float = MINIMUM_DISTANCE,
) -> Float32Array:
    """Place every note on a map.

    The same input and seed give the same bytes on the same machine: linear algebra and t-SNE run on one
    thread, since sums over several threads differ in the last bit from run to run (and one thread was also
    ten times faster where other work shares the cores).

    On few notes, perplexity and UMAP neighbours shrink to what n - 1 neighbours allow.

    Parameters
    ----------
    embeddings
        [n, d], L2-normalised rows, n at least 3.
    method
        `pca`; `tsne` (van der Maaten 2014, Barnes-Hut, cosine distance, started from PCA); or `umap` (McInnes, Healy
        & Melville 2018, cosine distance, started from PCA, which was as trustworthy here as the spectral start and
        also holds for neighbour graphs that fall apart; optimised by `umap_layout.py`).
    dimensions
        2 or 3.
    seed
        0 to 2**31 - 1.
    neighbor_indices
        int [n, k], row positions of the nearest other rows, nearest first, the row itself left out. Not needed by
        `pca`.
    neighbor_similarities
        [n, k], their cosine similarities.
    perplexity
        of t-SNE; needs k >= 3 * perplexity + 1, or k = n - 1.
    umap_neighbors
        UMAP's `n_neighbors`, which counts the note itself; needs k >= umap_neighbors - 1.
    minimum_distance
        UMAP's `min_dist`.

    Returns
    -------
    Float32Array
        float32 [n, dimensions].

    Raises
    ------
    MapError
        an unknown method or number of dimensions, fewer than three notes, rows that are not of unit length, or
        neighbours that do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> project(np.eye(4), method="pca", dimensions=2, seed=0).shape
    (4, 2)
    """
    if method not in METHODS:
        raise MapError(f"method = '{method}': expected one of {', '.join(METHODS)}.")
    if dimensions not in DIMENSIONS:
        raise MapError(f"dimensions = {dimensions}: expected 2 or 3.")
    rows = checked_rows(embeddings)
    load_libraries(method)
    with one_thread():
        components = principal_components(rows, dimensions)
        if method == "pca":
            return components.astype(np.float32)
        start = _start(components, seed)
        indices, distances = neighbors_with_itself(
            neighbor_indices, neighbor_similarities, count=len(rows), method=method
        )
        if method == "tsne":
            coordinates = _tsne(indices, distances, start=start, perplexity=perplexity, seed=seed)
        else:
            graph = fuzzy_graph(*umap_knn(indices, distances, umap_neighbors))
            coordinates = place_notes(graph, start, minimum_distance=minimum_distance, seed=seed)
    if not np.isfinite(coordinates).all():
        raise MapError(
            f"the {dimensions}-D {method} map of {len(rows)} notes did not converge. Try another perplexity, "
            "another number of neighbours, or leave this method out of the settings."
        )
    return coordinates


def principal_components(rows: FloatArray, dimensions: int) -> FloatArray:
    """Scores of the first principal components, float64 [n, dimensions]; zeros beyond the rank.

    From the d x d covariance, so that the cost grows with n * d * d and memory does not grow with n * n. The
    sign of a component is such that its largest loading is positive, hence the same on every run.
    """
    centered = rows - rows.mean(axis=0)
    _, vectors = np.linalg.eigh(centered.T @ centered)
    loadings = vectors[:, ::-1][:, :dimensions]
    largest = np.abs(loadings).argmax(axis=0)
    loadings = loadings * np.where(loadings[largest, np.arange(loadings.shape[1])] < 0, -1.0, 1.0)
    scores = np.zeros((len(rows), dimensions))
    scores[:, : loadings.shape[1]] = centered @ loadings
    return scores


def _start(components: FloatArray, seed: int) -> Float32Array:
    """PCA with a first component of unit spread, and a little noise that tells equal notes apart."""
    spread = components[:, 0].std()
    scaled = components / spread if spread > 1e-9 else components
    noise = np.random.default_rng(seed).normal(scale=1e-4, size=components.shape)
    return (scaled + noise).astype(np.float32)


def _tsne(
    indices: IntArray, distances: FloatArray, *, start: Float32Array, perplexity: float, seed: int
) -> Float32Array:
    """t-SNE of a sparse graph of neighbours; column 0 of both arrays is the note itself."""
    from scipy.sparse import csr_matrix
    from sklearn.manifold import TSNE

    count, width = indices.shape
    perplexity = max(1.0, min(perplexity, (count - 1) / 3))
    needed = min(count - 1, int(3 * perplexity + 1))
    if width - 1 < needed:
        raise MapError(
            f"tsne with perplexity {perplexity:g} needs {needed} neighbours per note, but neighbors holds "
            f"{width - 1}. Keep at least {needed} neighbours, "
            f"or set the perplexity to {max(1, (width - 2) // 3)} or less."
        )
    graph = csr_matrix(
        (
            distances[:, : needed + 1].reshape(-1),
            indices[:, : needed + 1].reshape(-1),
            np.arange(0, (needed + 1) * count + 1, needed + 1),
        ),
        shape=(count, count),
    )
    dimensions = start.shape[1]
    model = TSNE(
        n_components=dimensions,
        perplexity=perplexity,
        metric="precomputed",
        early_exaggeration=_EARLY_EXAGGERATION,
        learning_rate=max(_SLOWEST_LEARNING_RATE, count / _EARLY_EXAGGERATION / 4),
        init=start * np.float32(1e-4),
        random_state=seed,
        max_iter=_TSNE_STEPS[dimensions],
        angle=_TSNE_ANGLE[dimensions],
    )
    return np.asarray(model.fit_transform(graph), dtype=np.float32)


def umap_knn(indices: IntArray, distances: FloatArray, neighbors: int) -> tuple[IntArray, Float32Array]:
    """The first `neighbors` columns, as umap-learn wants them; n - 1 where there are fewer notes.

    Parameters
    ----------
    indices, distances
        as `neighbors_with_itself` gives them.
    neighbors
        counts the note itself.

    Raises
    ------
    MapError
        the arrays hold fewer.
    """
    count, width = indices.shape
    neighbors = min(neighbors, count - 1)
    if width < neighbors:
        raise MapError(
            f"umap with {neighbors} neighbours needs {neighbors - 1} neighbours per note, but neighbors "
            f"holds {width - 1}. Keep at least {neighbors - 1} neighbours, "
            f"or set the UMAP neighbours to {width} or less."
        )
    return (
        np.ascontiguousarray(indices[:, :neighbors]),
        np.ascontiguousarray(distances[:, :neighbors], dtype=np.float32),
    )


def neighbors_with_itself(
    neighbor_indices: npt.ArrayLike | None,
    neighbor_similarities: npt.ArrayLike | None,
    *,
    count: int,
    method: str,
) -> tuple[IntArray, FloatArray]:
    """Neighbours as int64 and cosine distances as float64, [n, k + 1] both, column 0 the note itself.

    Raises
    ------
    MapError
        they are missing, do not fit `count` notes, name the note itself, or are not finite.
    """
    indices, similarities = _checked_neighbors(neighbor_indices, neighbor_similarities, count, method)
    # Rounding can lift the similarity of equal vectors above 1.
    distances = np.maximum.accumulate(np.clip(1.0 - similarities, 0.0, 2.0), axis=1)
    itself = np.arange(count)[:, None]
    return np.hstack([itself, indices]), np.hstack([np.zeros((count, 1)), distances])


def checked_rows(embeddings: npt.ArrayLike) -> FloatArray:
    """The embeddings in float64.

    Raises
    ------
    MapError
        not a matrix, fewer than three notes, or rows that are not of unit length.
    """
    rows = np.asarray(embeddings, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] < 1:
        raise MapError(f"embeddings of shape {rows.shape}: expected [notes, dimensions].")
    if len(rows) < FEWEST_NOTES:
        raise MapError(
            f"a map needs at least {FEWEST_NOTES} notes, but there are {len(rows)}. Land more notes."
        )
    lengths = np.linalg.norm(rows, axis=1)
    wrong = ~(np.abs(lengths - 1.0) <= _UNIT_LENGTH_TOLERANCE)
    if wrong.any():
        raise MapError(
            f"embeddings: {int(wrong.sum())} of {len(rows)} rows are not of unit length "
            f"(first: row {int(wrong.argmax())}). Expected L2-normalised rows of finite numbers; "
            "materialize the embeddings again."
        )
    return rows


def _checked_neighbors(
    indices: npt.ArrayLike | None, similarities: npt.ArrayLike | None, count: int, method: str
) -> tuple[IntArray, FloatArray]:
    if indices is None or similarities is None:
        raise MapError(f"method = '{method}' needs neighbor_indices and neighbor_similarities.")
    nearest = np.asarray(indices, dtype=np.int64)
    cosines = np.asarray(similarities, dtype=np.float64)
    if nearest.ndim != 2 or nearest.shape != cosines.shape or len(nearest) != count or nearest.shape[1] < 1:
        raise MapError(
            f"neighbor_indices of shape {nearest.shape} and neighbor_similarities of shape "
            f"{cosines.shape}: expected [{count}, k] both. "
            "Materialize neighbors again for the same embeddings."
        )
    if nearest.min() < 0 or nearest.max() >= count or (nearest == np.arange(count)[:, None]).any():
        raise MapError(
            f"neighbor_indices: expected positions of other notes, 0 to {count - 1}, without the note itself."
        )
    if not np.isfinite(cosines).all():
        raise MapError("neighbor_similarities: expected finite numbers.")
    return nearest, cosines
