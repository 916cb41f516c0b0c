"""Two embedding spaces of the same notes laid over each other: rotation, movement, joint PCA.

The orientation of an embedding space is arbitrary: turning or mirroring it as a whole changes no similarity.
So the tuned space is first turned onto the baseline by the one rotation that brings all notes nearest to
where they were (orthogonal Procrustes; P. H. Schoenemann: A generalized solution of the orthogonal Procrustes
problem. Psychometrika 31, 1966). What distance is left is movement.

Nothing is centred or scaled before: similarity is cosine, hence the origin is part of the geometry, and a
rotation about it keeps every vector's length and every similarity. A shift that all notes share is movement.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from medembed_pipeline.maps.errors import MapError
from medembed_pipeline.maps.projections import FloatArray, principal_components

FLOOR_PERCENTILE = 95.0
"""A noise floor is this percentile of the motion of notes that did not move."""


class JointMap(NamedTuple):
    """Both models on one map; float64 [n, dimensions] each, in the same coordinates."""

    baseline: FloatArray
    tuned: FloatArray


def turned_onto_baseline(baseline: npt.ArrayLike, tuned: npt.ArrayLike) -> FloatArray:
    """The tuned vectors, turned and mirrored as a whole to lie as near to the baseline as they can.

    On one thread, in float64: the same input gives the same bytes.

    Args:
        baseline, tuned: [n, d], row by row the same notes, the same d.

    Returns:
        float64 [n, d]: `tuned @ R` for the orthogonal R that minimises the sum of squared distances.

    Raises:
        MapError: shapes that differ, or numbers that are not finite.
    """
    from threadpoolctl import threadpool_limits

    target = np.asarray(baseline, dtype=np.float64)
    rows = np.asarray(tuned, dtype=np.float64)
    if target.ndim != 2 or target.shape != rows.shape:
        raise MapError(
            f"baseline of shape {target.shape}, tuned of shape {rows.shape}: a rotation needs the same notes "
            "and the same number of dimensions. Compare models of different dimensions by their neighbours."
        )
    if not (np.isfinite(target).all() and np.isfinite(rows).all()):
        raise MapError("embeddings: expected finite numbers. Materialize the embeddings again.")
    with threadpool_limits(limits=1):
        left, _, right = np.linalg.svd(rows.T @ target)
        return np.asarray(rows @ (left @ right))


def movement(baseline: npt.ArrayLike, tuned: npt.ArrayLike) -> FloatArray:
    """How far each note moved, float64 [n]: Euclidean, in the full space, after `turned_onto_baseline`.

    For unit vectors from 0 (unmoved) over 1.41 (now at a right angle) to 2 (now opposite). Exact: no map is
    involved. With fewer notes than dimensions the rotation fits more freely, and movement reads too low.

    Raises:
        MapError: as in `turned_onto_baseline`.
    """
    return _distances(baseline, turned_onto_baseline(baseline, tuned))


def movement_floor(baseline: npt.ArrayLike, *, seed: int) -> float:
    """The movement that is found where there is none.

    The 95th percentile of `movement` between the baseline and a copy of it that was turned at random and
    rounded to float32, as tables of embeddings are.
    """
    return float(np.percentile(movement(baseline, _turned_copy(baseline, seed)), FLOOR_PERCENTILE))


def joint_components(baseline: npt.ArrayLike, tuned: npt.ArrayLike, dimensions: int) -> JointMap:
    """One PCA of both models together, after `turned_onto_baseline`.

    An arrow from a note's baseline place to its tuned place is the exact shadow of its movement in the full
    space on the map: never longer than the movement, and zero for a note that did not move.

    Args:
        baseline, tuned: as in `turned_onto_baseline`.
        dimensions: of the map; the first two of three dimensions are the map in two.

    Raises:
        MapError: as in `turned_onto_baseline`.
    """
    from threadpoolctl import threadpool_limits

    target = np.asarray(baseline, dtype=np.float64)
    turned = turned_onto_baseline(target, tuned)
    with threadpool_limits(limits=1):
        places = principal_components(np.vstack([target, turned]), dimensions)
    return JointMap(places[: len(target)], places[len(target) :])


def joint_floor(baseline: npt.ArrayLike, dimensions: int, *, seed: int) -> float:
    """The motion that `joint_components` shows of notes that did not move, in map units; as `movement_floor`."""
    return motion_floor(joint_components(baseline, _turned_copy(baseline, seed), dimensions))


def motion(places: JointMap) -> FloatArray:
    """How far each note moved on the map, [n], in map units."""
    return _distances(places.baseline, places.tuned)


def motion_floor(unmoved: JointMap) -> float:
    """The 95th percentile of the motion on a map of notes that did not move, in map units."""
    return float(np.percentile(motion(unmoved), FLOOR_PERCENTILE))


def map_scale(places: JointMap) -> float:
    """Root mean square distance of all places of both models from their middle, in map units."""
    together = np.vstack([places.baseline, places.tuned])
    return float(np.sqrt(np.square(together - together.mean(axis=0)).sum(axis=1).mean()))


def _distances(one: npt.ArrayLike, other: npt.ArrayLike) -> FloatArray:
    difference = np.asarray(one, dtype=np.float64) - np.asarray(other, dtype=np.float64)
    return np.sqrt(np.square(difference).sum(axis=1))


def _turned_copy(baseline: npt.ArrayLike, seed: int) -> npt.NDArray[np.float32]:
    rows = np.asarray(baseline, dtype=np.float64)
    width = rows.shape[1]
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))
    return np.asarray(rows @ turn, dtype=np.float32)
