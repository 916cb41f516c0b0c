"""Two embedding spaces of the same notes laid over each other: rotation, displacement, joint PCA.

The orientation of an embedding space is arbitrary: turning or mirroring it as a whole changes no similarity.
So the tuned space is first turned onto the baseline by the rotation that brings notes nearest to where they were
(orthogonal Procrustes; P. H. Schoenemann: A generalized solution of the orthogonal Procrustes problem.
Psychometrika 31, 1966). What distance is left is displacement. It is measured on notes that the rotation was not
fitted on; the maps show all notes turned as a whole, by the one rotation of them all.

Nothing is centred or scaled before: similarity is cosine, hence the origin is part of the geometry, and a
rotation about it keeps every vector's length and every similarity. A shift that all notes share is displacement.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from medembed_pipeline.maps.errors import MapError
from medembed_pipeline.maps.projections import FloatArray, principal_components
from medembed_pipeline.threads import one_thread

FLOOR_PERCENTILE = 95.0
"""A noise floor is this percentile of the motion of notes that did not move."""
FOLDS = 10
NOTES_PER_DIMENSION = 4
"""Chosen on planted rotations with noise, in spaces whose directions matter less and less: 400 notes of 384
dimensions that moved by 0.29 read 0.36 with one note per dimension, 0.32 with two, 0.31 with four."""
HARMLESS_CHANGE = 0.01
"""How far a note lies from itself when the same model computes it in bfloat16 instead of float32, rounded up: 0.0081 at
most, 0.0056 in the middle (all-MiniLM-L6-v2, 40 notes of 64 tokens)."""


class JointMap(NamedTuple):
    """Both models on one map; float64 [n, dimensions] each, in the same coordinates."""

    baseline: FloatArray
    tuned: FloatArray


def procrustes_align(baseline: npt.ArrayLike, tuned: npt.ArrayLike) -> FloatArray:
    """The tuned vectors, turned and mirrored as a whole to lie as near to the baseline as they can.

    On one thread, in float64: the same input gives the same bytes.

    Parameters
    ----------
    baseline, tuned
        [n, d], row by row the same notes, the same d.

    Returns
    -------
    FloatArray
        float64 [n, d]: `tuned @ R` for the orthogonal R that minimises the sum of squared distances.

    Raises
    ------
    MapError
        shapes that differ, or numbers that are not finite.
    """
    target, rows = _same_shape(baseline, tuned)
    with one_thread():
        return rows @ _rotation(target, rows)


def displacement(baseline: npt.ArrayLike, tuned: npt.ArrayLike) -> FloatArray:
    """How far each note moved, float64 [n]: Euclidean, after a rotation that was fitted on other notes.

    For unit vectors from 0 (unmoved) over 1.41 (now at a right angle, as between unrelated spaces) to 2 (now
    opposite). No map is involved. A rotation that is fitted on the very note it is applied to brings it nearer than
    it is, the more so the fewer notes there are; so the notes are dealt to ten parts, and each part is turned by the
    rotation of the other nine (cross-fitting).

    A rotation of d dimensions takes `NOTES_PER_DIMENSION` times d notes to find. Where there are fewer, both
    spaces are first reduced to as many leading principal directions of the other nine parts as the notes allow,
    and displacement is that of the notes' directions within these.

    Parameters
    ----------
    baseline, tuned
        [n, d], row by row the same notes, L2-normalised, the same d. Notes are dealt by position, so sort them by
        something that says nothing about them.

    Raises
    ------
    MapError
        as in `procrustes_align`, or fewer than two notes.
    """
    target, rows = _same_shape(baseline, tuned)
    count, width = target.shape
    if count < 2:
        raise MapError(f"displacement needs at least two notes, and there are {count}.")
    part = np.arange(count) % min(FOLDS, count)
    moved = np.empty(count)
    with one_thread():
        for number in range(int(part.max()) + 1):
            own = part == number
            kept = max(1, min(width, int((~own).sum()) // NOTES_PER_DIMENSION))
            before, after = (_reduced(space[~own], space[own], kept) for space in (target, rows))
            moved[own] = _distances(before.own, after.own @ _rotation(before.others, after.others))
    return moved


class _Part(NamedTuple):
    """The notes of one part and the others, in the directions that the others determine."""

    others: FloatArray
    own: FloatArray


def _reduced(others: FloatArray, own: FloatArray, kept: int) -> _Part:
    if kept == own.shape[1]:
        return _Part(others, own)
    _, directions = np.linalg.eigh(others.T @ others)
    leading = directions[:, -kept:]
    reduced = own @ leading
    lengths = np.linalg.norm(reduced, axis=1, keepdims=True)
    return _Part(others @ leading, reduced / np.maximum(lengths, np.finfo(np.float64).tiny))


def _rotation(target: FloatArray, rows: FloatArray) -> FloatArray:
    left, _, right = np.linalg.svd(rows.T @ target)
    return np.asarray(left @ right)


def displacement_floor(baseline: npt.ArrayLike, *, seed: int) -> float:
    """The displacement that is found where nothing that matters has changed.

    The 95th percentile of `displacement` between the baseline and a copy of it that was turned at random, and in which
    every note was shifted in a direction of its own by `HARMLESS_CHANGE`. So it holds that change, and the error of
    a rotation that is estimated from this many notes that all changed so. It doesn't hold what a second training
    with another seed would move.

    Raises
    ------
    MapError
        as in `displacement`.
    """
    return float(np.percentile(displacement(baseline, _unmoved_copy(baseline, seed)), FLOOR_PERCENTILE))


def joint_components(baseline: npt.ArrayLike, tuned: npt.ArrayLike, dimensions: int) -> JointMap:
    """One PCA of both models together, after `procrustes_align`.

    An arrow from a note's baseline place to its tuned place is the shadow of the distance between its two vectors
    after that rotation: never longer than this distance, and zero where it is. The rotation is fitted on the
    note too, so this is mostly less than `displacement`, which is not; it is no bound for a single note.

    Parameters
    ----------
    baseline, tuned
        as in `procrustes_align`.
    dimensions
        of the map; the first two of three dimensions are the map in two.

    Raises
    ------
    MapError
        as in `procrustes_align`.
    """
    target = np.asarray(baseline, dtype=np.float64)
    turned = procrustes_align(target, tuned)
    with one_thread():
        places = principal_components(np.vstack([target, turned]), dimensions)
    return JointMap(places[: len(target)], places[len(target) :])


def joint_floor(baseline: npt.ArrayLike, dimensions: int, *, seed: int) -> float:
    """The motion that `joint_components` shows of notes that did not move, in map units; as `displacement_floor`."""
    return motion_floor(joint_components(baseline, _unmoved_copy(baseline, seed), dimensions))


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


def _same_shape(baseline: npt.ArrayLike, tuned: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    target = np.asarray(baseline, dtype=np.float64)
    rows = np.asarray(tuned, dtype=np.float64)
    if target.ndim != 2 or target.shape != rows.shape:
        raise MapError(
            f"baseline of shape {target.shape}, tuned of shape {rows.shape}: a rotation needs the same notes "
            "and the same number of dimensions. Compare models of different dimensions by their neighbours."
        )
    if not (np.isfinite(target).all() and np.isfinite(rows).all()):
        raise MapError("embeddings: expected finite numbers. Materialize the embeddings again.")
    return target, rows


def _distances(one: npt.ArrayLike, other: npt.ArrayLike) -> FloatArray:
    difference = np.asarray(one, dtype=np.float64) - np.asarray(other, dtype=np.float64)
    return np.sqrt(np.square(difference).sum(axis=1))


def _unmoved_copy(baseline: npt.ArrayLike, seed: int) -> npt.NDArray[np.float32]:
    rows = np.asarray(baseline, dtype=np.float64)
    count, width = rows.shape
    generator = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(generator.normal(size=(width, width)))
    shift = generator.normal(size=(count, width))
    shift *= HARMLESS_CHANGE / np.linalg.norm(shift, axis=1, keepdims=True)
    changed = rows + shift
    changed *= np.linalg.norm(rows, axis=1, keepdims=True) / np.linalg.norm(changed, axis=1, keepdims=True)
    return np.asarray(changed @ turn, dtype=np.float32)
