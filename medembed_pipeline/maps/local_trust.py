"""How far a note's own place on a map can be trusted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from medembed_pipeline.maps.errors import MapError
from medembed_pipeline.maps.projections import FEWEST_NOTES, FloatArray, IntArray
from medembed_pipeline.maps.trustworthiness import NEIGHBORS, clamped_neighbors
from medembed_pipeline.threads import one_thread

MOST_REFERENCES = 20_000
"""Notes that a neighbour on the map is ranked against; a seeded sample of them where there are more."""

_BLOCK_BYTES = 128 * 2**20
_BYTES_PER_REFERENCE = 24  # similarities, and the distances made of them
_SAME = 1e-9
"""Cosine distances closer than this are equal, as in the ranking of `neighbors`."""


def local_trustworthiness(
    embeddings: npt.ArrayLike,
    maps: Sequence[npt.ArrayLike],
    *,
    neighbors: int = NEIGHBORS,
    most_references: int = MOST_REFERENCES,
    seed: int = 0,
) -> FloatArray:
    """What each note adds to trustworthiness (Venna and Kaski 2001), for all notes of several maps.

    1 where the note's neighbours on the map are its true ones, 0 where they are the notes farthest from it.
    The mean over notes is the map's trustworthiness.

    Up to `most_references` notes the figure is the one of `local_map_quality`. Above, the true rank of a
    neighbour is estimated: the share of a seeded sample of so many notes that lie nearer, times all notes. So
    the cost grows with n instead of n * n, and every note has a figure of its own; with 20,000 references the
    standard error of a rank is at most 0.4% of the notes. Neighbours on a map are searched by a k-d tree.

    O(n * r * (d + log r)) time for r references, in blocks of about 128 MB.

    Parameters
    ----------
    embeddings
        [n, d], L2-normalised rows; cosine distance.
    maps
        arrays [n, 2] or [n, 3]; several share the ranking.
    neighbors
        k, at least 1; (n - 1) // 2 where that is less.
    most_references
        at least 1.
    seed
        of the sample.

    Returns
    -------
    FloatArray
        float64 [maps, n], each from 0 to 1.

    Raises
    ------
    MapError
        fewer than three notes, a map that does not fit, k or most_references below 1.
    """
    from scipy.spatial import cKDTree

    rows = np.asarray(embeddings, dtype=np.float64)
    places = [np.asarray(coordinates, dtype=np.float64) for coordinates in maps]
    count = len(rows)
    if count < FEWEST_NOTES:
        raise MapError(f"trustworthiness needs at least {FEWEST_NOTES} notes, but there are {count}.")
    for name, value in (("neighbors", neighbors), ("most_references", most_references)):
        if value < 1:
            raise MapError(f"{name} = {value}: expected at least 1.")
    for coordinates in places:
        if coordinates.ndim != 2 or len(coordinates) != count:
            raise MapError(
                f"a map of shape {coordinates.shape}: expected one row for each of the {count} notes."
            )
    k = clamped_neighbors(neighbors, count)
    nearest = [_others(cKDTree(one).query(one, k=k + 1)[1], k) for one in places]
    references: IntArray = np.arange(count)
    if count > most_references:
        references = np.sort(np.random.default_rng(seed).choice(count, size=most_references, replace=False))
    trust = np.empty((len(places), count))
    worst = k * (2 * count - 3 * k - 1) / 2
    bytes_per_note = len(references) * _BYTES_PER_REFERENCE + 8 * k * rows.shape[1]
    step = max(1, _BLOCK_BYTES // bytes_per_note)
    with one_thread():
        for start in range(0, count, step):
            asked = np.arange(start, min(start + step, count))
            distances = 1.0 - rows[asked] @ rows[references].T
            # The note itself is none of its own neighbours.
            itself = np.minimum(np.searchsorted(references, asked), len(references) - 1)
            is_reference = references[itself] == asked
            distances[np.flatnonzero(is_reference), itself[is_reference]] = np.inf
            distances.sort(axis=1)
            others = np.maximum(len(references) - is_reference, 1)
            for number, on_map in enumerate(nearest):
                claimed = 1.0 - np.einsum("qd,qkd->qk", rows[asked], rows[on_map[asked]])
                nearer = np.stack(
                    [
                        np.searchsorted(row, value - _SAME, side="left")
                        for row, value in zip(distances, claimed, strict=True)
                    ]
                )
                ranks = 1.0 + nearer * ((count - 1) / others)[:, None]
                penalty = np.maximum(ranks - k, 0.0).sum(axis=1)
                trust[number, asked] = 1.0 - np.minimum(penalty / worst, 1.0)
    return trust


def _others(found: IntArray, k: int) -> IntArray:
    """The k nearest others, [n, k], from the k + 1 nearest, which hold the note itself at any place.

    Among more than k notes at one place the note itself may be missing: then the last found goes.
    """
    itself = found == np.arange(len(found))[:, None]
    itself[~itself.any(axis=1), -1] = True
    return found[~itself].reshape(len(found), k)
