"""AlignedUMAP of two models: what stays in truth stays on the map.

The method is that of umap-learn's `AlignedUMAP` (A. Dadu et al.: Application of Aligned-UMAP to longitudinal biomedical
studies. Patterns 4, 2023), the optimisation that of `umap_layout.py`. The class is not used, for reasons seen in its
source (0.5.12):

- it searches the neighbours anew, and optimises a map of each model that it then throws away;
- with two models its relations hold the second map to the first, but not the first to the second
  (`expand_relations` ends one model too early);
- the minimum distance does not reach the optimisation;
- its spectral start fails on few notes and on graphs that fall apart;
- it takes a minute to be compiled, in every process.

Here the neighbours are the exact ones of the table `neighbors`, both maps hold each other, and both start from
their own PCA, the tuned one turned onto the baseline.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from medembed_pipeline.maps.alignment import JointMap, procrustes_align
from medembed_pipeline.maps.errors import MapError
from medembed_pipeline.maps.projections import (
    MINIMUM_DISTANCE,
    UMAP_NEIGHBORS,
    Float32Array,
    FloatArray,
    checked_rows,
    neighbors_with_itself,
    principal_components,
    umap_knn,
)
from medembed_pipeline.maps.umap_layout import curve_of, fuzzy_graph, place_together
from medembed_pipeline.threads import one_thread

REGULARISATION = 0.1
EPOCHS = 300

_START_REACH = 10.0  # umap-learn's: the largest coordinate of a start


class Space(NamedTuple):
    """One model's notes and who is near whom.

    Attributes
    ----------
    embeddings
        [n, d], L2-normalised rows.
    neighbor_indices
        [n, k], row positions of the nearest other rows, nearest first.
    neighbor_similarities
        [n, k], their cosine similarities.
    """

    embeddings: npt.NDArray[np.floating]
    neighbor_indices: npt.NDArray[np.int64]
    neighbor_similarities: npt.NDArray[np.floating]


class AlignedMaps(NamedTuple):
    """Both models on one map, and what the method does to notes that did not move.

    Attributes
    ----------
    places
        the map.
    unmoved
        the baseline against a copy of itself, laid out in the same way; what moves here is noise.
    """

    places: JointMap
    unmoved: JointMap


def aligned_umap(
    baseline: Space,
    tuned: Space,
    *,
    dimensions: int,
    seed: int,
    regularisation: float = REGULARISATION,
    neighbors: int = UMAP_NEIGHBORS,
    minimum_distance: float = MINIMUM_DISTANCE,
    epochs: int = EPOCHS,
) -> AlignedMaps:
    """Lay both models out on one map, on which a note is held to itself.

    How strongly depends on the note: `regularisation` times the Jaccard index of its neighbours in both models,
    so that a note with new neighbours is free to go. In the run on an unchanged copy every note is held as
    strongly as in the real one; held by their own weights, which are all 1, copies would hardly part at all,
    and the floor would promise more than the map keeps.

    The same input and seed give the same bytes on the same machine (one thread). The models may have different
    numbers of dimensions, since only neighbours and starts are compared. O(n * k * epochs) time.

    Parameters
    ----------
    baseline, tuned
        row by row the same notes, at least three.
    dimensions
        of the map, 2 or 3.
    seed
        0 to 2**31 - 1.
    regularisation
        0 lets each map find its own shape; umap-learn's default is 0.01.
    neighbors
        UMAP's `n_neighbors`, which counts the note itself.
    minimum_distance
        UMAP's `min_dist`.
    epochs
        steps of the optimisation.

    Raises
    ------
    MapError
        different numbers of notes, fewer than three, rows that are not of unit length, or neighbours that do not fit.
    """
    rows = [checked_rows(space.embeddings) for space in (baseline, tuned)]
    if len(rows[0]) != len(rows[1]):
        raise MapError(
            f"baseline has {len(rows[0])} notes, tuned {len(rows[1])}: expected the same notes, row by row. "
            "Materialize both embeddings and neighbors again."
        )
    with one_thread():
        starts = _starts(*rows, dimensions=dimensions, seed=seed)
        graphs = [_graph(space, len(rows[0]), neighbors) for space in (baseline, tuned)]
        hold = regularisation * shared_neighbors(*graphs)
        curve = curve_of(minimum_distance)
    layout = functools.partial(lay_out, hold=hold, seed=seed, curve=curve, epochs=epochs)
    return AlignedMaps(
        layout(graphs, starts),
        layout([graphs[0], graphs[0]], [starts[0], starts[0]]),
    )


def shared_neighbors(one: Any, other: Any) -> FloatArray:
    """Jaccard index of each note's neighbours in two graphs (scipy CSR [n, n]), [n]; 1 where it has none."""
    common = one.astype(bool).multiply(other.astype(bool)).sum(axis=1)
    common = np.asarray(common, dtype=np.float64).reshape(-1)
    either = np.diff(one.indptr) + np.diff(other.indptr) - common
    return np.divide(common, either, out=np.ones(len(common)), where=either > 0)


def lay_out(
    graphs: list[Any],
    starts: list[Float32Array],
    *,
    hold: FloatArray,
    seed: int,
    curve: tuple[float, float],
    epochs: int,
) -> JointMap:
    """Both maps, each holding the other; see `place_together`.

    Raises
    ------
    MapError
        a place is not finite.
    """
    placed = place_together(graphs, starts, hold=hold, curve=curve, seed=seed, steps=epochs)
    found = JointMap(*(one.astype(np.float64) for one in placed))
    if not all(np.isfinite(one).all() for one in found):
        raise MapError(
            f"the aligned {starts[0].shape[1]}-D map of {len(hold)} notes did not converge. "
            "Try another number of UMAP neighbours or a weaker regularisation."
        )
    return found


def _graph(space: Space, count: int, neighbors: int) -> Any:
    known = neighbors_with_itself(
        space.neighbor_indices, space.neighbor_similarities, count=count, method="aligned_umap"
    )
    return fuzzy_graph(*umap_knn(*known, neighbors))


def _starts(baseline: FloatArray, tuned: FloatArray, *, dimensions: int, seed: int) -> list[Float32Array]:
    """PCA of each, as wide as umap-learn's starts, the tuned one turned onto the baseline."""
    first, second = (_widened(principal_components(rows, dimensions)) for rows in (baseline, tuned))
    # A little noise tells equal notes apart; the same for both, so that nothing moves by it.
    noise = np.random.default_rng(seed).normal(scale=1e-4, size=first.shape)
    return [(one + noise).astype(np.float32) for one in (first, procrustes_align(first, second))]


def _widened(places: FloatArray) -> FloatArray:
    reach = np.abs(places).max()
    return places * (_START_REACH / reach) if reach > 1e-9 else places
