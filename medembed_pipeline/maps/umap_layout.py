"""UMAP's optimisation of a map (McInnes, Healy & Melville 2018), in less than half of umap-learn's time.

The graph is umap-learn's, and so are the forces, the rate that falls to nothing, how often an edge has its turn and
five random notes for each. What is different, and why it is quicker:

- it computes in float32 throughout, where umap-learn raises to a power in float64;
- the random notes of one turn all push from the place that the note had before, so that a processor works on several of
  them at once;
- 300 steps for up to 10,000 notes where umap-learn takes 500; of more notes both take 200.

The maps are as trustworthy as umap-learn's (`make bench`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

MANY_NOTES = 10_000
STEPS, STEPS_OF_MANY = 300, 200

_SPREAD = 1.0
_START_WIDTH = 10.0  # umap-learn's
_RANDOM_NOTES = 5  # umap-learn's, per turn of an edge
_MOST_DIMENSIONS = 3


def fuzzy_graph(indices: IntArray, distances: Float32Array) -> Any:
    """umap-learn's fuzzy graph of neighbours, scipy CSR [n, n]; see `umap_knn` for the neighbours."""
    from umap.umap_ import fuzzy_simplicial_set

    # Only the number of rows is read of the first argument, since the neighbours are given.
    graph, _, _ = fuzzy_simplicial_set(
        np.zeros((len(indices), 1), dtype=np.float32),
        indices.shape[1],
        None,
        "cosine",
        knn_indices=indices,
        knn_dists=distances,
    )
    return graph.tocsr()


def place_notes(
    graph: Any, start: Float32Array, *, minimum_distance: float, seed: int, steps: int | None = None
) -> Float32Array:
    """Pull neighbours together and push others apart, from a start on.

    The same input and seed give the same bytes on the same machine. O(edges * steps) time.

    Parameters
    ----------
    graph
        fuzzy neighbour graph, scipy CSR [n, n], symmetric.
    start
        float32 [n, 2 or 3], no column of it all alike.
    minimum_distance
        UMAP's `min_dist`.
    seed
        0 to 2**31 - 1, of the random notes.
    steps
        None: by the number of notes.

    Returns
    -------
    Float32Array
        float32 [n, 2 or 3].
    """
    from umap.umap_ import find_ab_params, make_epochs_per_sample

    count, dimensions = start.shape
    steps = steps or (STEPS if count <= MANY_NOTES else STEPS_OF_MANY)
    edges = graph.tocoo()
    # Of a lighter edge it would not be the turn once.
    often = edges.data >= edges.data.max() / steps
    pace = make_epochs_per_sample(edges.data[often], steps).astype(np.float32)
    low, high = start.min(axis=0), start.max(axis=0)
    places = np.zeros((count, _MOST_DIMENSIONS), dtype=np.float32)
    places[:, :dimensions] = _START_WIDTH * (start - low) / (high - low)
    a, b = find_ab_params(_SPREAD, minimum_distance)
    _compiled_walk()(
        places,
        edges.row[often].astype(np.int64),
        edges.col[often].astype(np.int64),
        pace,
        np.float32(a),
        np.float32(b),
        np.random.default_rng(seed).integers(2**63, size=count, dtype=np.uint64),
        steps,
    )
    return np.ascontiguousarray(places[:, :dimensions])


@functools.cache
def _compiled_walk() -> Callable[..., None]:
    import numba

    walk: Callable[..., None] = numba.njit(fastmath=True)(_walk)
    return walk


def _walk(
    places: Float32Array,
    heads: IntArray,
    tails: IntArray,
    pace: Float32Array,
    a: np.float32,
    b: np.float32,
    states: npt.NDArray[np.uint64],
    steps: int,
) -> None:
    """Move the places, float32 [n, 3], step by step; without a third dimension its column is and stays 0.

    Parameters
    ----------
    heads, tails, pace
        of each edge, and how many steps lie between two of its turns.
    a, b
        of UMAP's curve from distance to nearness.
    states
        [n], of the random numbers of each note; moved on.
    """
    zero, one, four = np.float32(0.0), np.float32(1.0), np.float32(4.0)
    # Keeps the push of notes in one place finite.
    little = np.float32(0.001)
    pull, push = np.float32(-2.0) * a * b, np.float32(2.0) * b
    count = np.uint64(len(places))
    turn = pace.copy()
    for step in range(steps):
        now, rate = np.float32(step), np.float32(1.0 - step / steps)
        for edge in range(len(pace)):
            if turn[edge] > now:
                continue
            turn[edge] += pace[edge]
            note, other = heads[edge], tails[edge]
            x, y, z = places[note, 0], places[note, 1], places[note, 2]
            dx, dy, dz = x - places[other, 0], y - places[other, 1], z - places[other, 2]
            square = dx * dx + dy * dy + dz * dz
            if square > zero:
                power = square**b
                force = pull * power / (square * (a * power + one))
                dx = min(max(force * dx, -four), four) * rate
                dy = min(max(force * dy, -four), four) * rate
                dz = min(max(force * dz, -four), four) * rate
                x, y, z = x + dx, y + dy, z + dz
                places[other, 0] -= dx
                places[other, 1] -= dy
                places[other, 2] -= dz
            state = states[note]
            pushed_x = pushed_y = pushed_z = zero
            for _ in range(_RANDOM_NOTES):
                # D. E. Knuth's MMIX; the upper half of a state times the number of notes is a note.
                state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
                other = np.int64(((state >> np.uint64(32)) * count) >> np.uint64(32))
                dx, dy, dz = x - places[other, 0], y - places[other, 1], z - places[other, 2]
                square = dx * dx + dy * dy + dz * dz
                if other != note and square > zero:
                    force = push / ((little + square) * (a * square**b + one))
                    pushed_x += min(max(force * dx, -four), four) * rate
                    pushed_y += min(max(force * dy, -four), four) * rate
                    pushed_z += min(max(force * dz, -four), four) * rate
            states[note] = state
            places[note, 0], places[note, 1], places[note, 2] = x + pushed_x, y + pushed_y, z + pushed_z
