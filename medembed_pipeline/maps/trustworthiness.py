"""How far a map can be trusted: trustworthiness and continuity of Venna and Kaski (2001).

J. Venna, S. Kaski: Neighborhood preservation in nonlinear projection methods: an experimental study.
ICANN 2001.

Trustworthiness falls when the map shows neighbours that are none; continuity falls when true neighbours are
torn apart. Both are 1 for a perfect map and about 0.5 for a random one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from medembed_pipeline.maps.errors import MapError
from medembed_pipeline.maps.projections import FEWEST_NOTES, FloatArray, IntArray

NEIGHBORS = 15
MOST_QUERIES = 5000

_BLOCK_BYTES = 128 * 2**20
_BYTES_PER_CANDIDATE = 40  # distances, their sorted copy and a partition, of two spaces


class MapQuality(NamedTuple):
    """Figures of one map: `neighbors` is the k they look at, `n` the number of notes they average over."""

    trustworthiness: float
    continuity: float
    neighbors: int
    n: int


def map_quality(
    embeddings: npt.ArrayLike,
    maps: Sequence[npt.ArrayLike],
    *,
    neighbors: int = NEIGHBORS,
    most_queries: int = MOST_QUERIES,
    seed: int = 0,
) -> list[MapQuality]:
    """Trustworthiness and continuity of maps of one embedding space, by cosine distance.

    Exact up to `most_queries` notes. Above, the mean over a seeded sample of that many notes, each of which
    is ranked against all notes (standard error below 0.003).

    Parameters
    ----------
    embeddings
        [n, d], L2-normalised rows.
    maps
        arrays [n, 2] or [n, 3].
    neighbors
        k, at least 1; (n - 1) // 2 where that is less.
    most_queries
        the largest number of notes that ask for their neighbours.
    seed
        of the sample.

    Returns
    -------
    list[MapQuality]
        One MapQuality per map, in their order.

    Raises
    ------
    MapError
        fewer than three notes, a map that does not fit the embeddings, k or most_queries below 1.
    """
    if most_queries < 1:
        raise MapError(f"most_queries = {most_queries}: expected at least 1.")
    count = len(np.asarray(embeddings))
    queries: IntArray = np.arange(count)
    if count > most_queries:
        queries = np.sort(np.random.default_rng(seed).choice(count, size=most_queries, replace=False))
    trust, continuity = local_map_quality(embeddings, maps, neighbors=neighbors, queries=queries)
    used = clamped_neighbors(neighbors, count)
    return [
        MapQuality(float(trust[row].mean()), float(continuity[row].mean()), used, len(queries))
        for row in range(len(maps))
    ]


def local_map_quality(
    embeddings: npt.ArrayLike,
    maps: Sequence[npt.ArrayLike],
    *,
    neighbors: int = NEIGHBORS,
    queries: IntArray,
) -> tuple[FloatArray, FloatArray]:
    """What each note adds to trustworthiness and continuity; the mean over notes is the map's figure.

    O(q * n * (d + log n)) time for q queries, in blocks of about 128 MB. Equally distant notes share the
    better rank.

    Parameters
    ----------
    embeddings, maps, neighbors
        as in `map_quality`.
    queries
        row positions of the notes to judge.

    Returns
    -------
    tuple[FloatArray, FloatArray]
        trustworthiness and continuity, float64 [maps, queries] each.

    Raises
    ------
    MapError
        as in `map_quality`.
    """
    rows = np.asarray(embeddings, dtype=np.float64)
    places = [np.asarray(coordinates, dtype=np.float64) for coordinates in maps]
    count = len(rows)
    if count < FEWEST_NOTES:
        raise MapError(f"trustworthiness needs at least {FEWEST_NOTES} notes, but there are {count}.")
    if neighbors < 1:
        raise MapError(f"neighbors = {neighbors}: expected at least 1.")
    for coordinates in places:
        if coordinates.ndim != 2 or len(coordinates) != count:
            raise MapError(
                f"a map of shape {coordinates.shape}: expected one row for each of the {count} notes."
            )
    k = clamped_neighbors(neighbors, count)
    worst = k * (2 * count - 3 * k - 1) / 2
    trust = np.empty((len(places), len(queries)))
    continuity = np.empty_like(trust)
    step = max(1, _BLOCK_BYTES // (count * _BYTES_PER_CANDIDATE))
    for start in range(0, len(queries), step):
        block = slice(start, start + step)
        asked = queries[block]
        true_distances = 1.0 - rows[asked] @ rows.T
        true_order, true_nearest = _sorted_and_nearest(true_distances, asked, k)
        for number, coordinates in enumerate(places):
            distances = _squared_distances(coordinates, asked)
            order, nearest = _sorted_and_nearest(distances, asked, k)
            trust[number, block] = 1.0 - _penalty(true_distances, true_order, nearest, k) / worst
            continuity[number, block] = 1.0 - _penalty(distances, order, true_nearest, k) / worst
    return trust, continuity


def clamped_neighbors(neighbors: int, count: int) -> int:
    """The k that can be used with `count` notes: the figures are defined below half of them."""
    return max(1, min(neighbors, (count - 1) // 2))


def _squared_distances(coordinates: FloatArray, asked: IntArray) -> FloatArray:
    total = np.zeros((len(asked), len(coordinates)))
    for axis in coordinates.T:
        total += np.square(axis[asked, None] - axis[None, :])
    return total


def _sorted_and_nearest(distances: FloatArray, asked: IntArray, k: int) -> tuple[FloatArray, IntArray]:
    """Rows of sorted distances, and the k nearest others. Puts the note itself first, in place."""
    distances[np.arange(len(asked)), asked] = -np.inf
    candidates = np.argpartition(distances, k, axis=1)[:, : k + 1]
    by_distance = np.argsort(np.take_along_axis(distances, candidates, axis=1), axis=1, kind="stable")
    return np.sort(distances, axis=1), np.take_along_axis(candidates, by_distance, axis=1)[:, 1:]


def _penalty(distances: FloatArray, order: FloatArray, nearest: IntArray, k: int) -> FloatArray:
    """Sum over the claimed neighbours of how many ranks each lies beyond k. [queries]."""
    values = np.take_along_axis(distances, nearest, axis=1)
    ranks = np.stack(
        [np.searchsorted(row, value, side="left") for row, value in zip(order, values, strict=True)]
    )
    return np.maximum(ranks - k, 0).sum(axis=1).astype(np.float64)
