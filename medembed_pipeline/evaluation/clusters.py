"""How well the specialties separate as clusters: cosine silhouette and Davies-Bouldin index, weighted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray, rows_per_block

_SMALLEST_DISTANCE = 1e-12  # cosine distances and squared Euclidean ones below this are rounding


class ClusterStatistics(NamedTuple):
    """Both figures, float64 [draws, 1 + classes]: column 0 over all, then each class; NaN where undefined."""

    silhouette: FloatArray
    davies_bouldin: FloatArray


def single_label_classes(membership: FloatArray) -> IntArray:
    """Class of each note for the cluster figures: its specialty's column, or -1 where it takes no part.

    A note takes part where it carries exactly one specialty and at least one other note carries exactly that
    one.

    Args:
        membership: float64 [n, m] specialty sets.

    Returns:
        int64 [n].
    """
    if not membership.size:
        return np.full(len(membership), -1, dtype=np.int64)
    classes = np.where(membership.sum(axis=1) == 1, membership.argmax(axis=1), -1)
    sizes = np.bincount(classes[classes >= 0], minlength=membership.shape[1])
    return np.where((classes >= 0) & (sizes[classes] >= 2), classes, -1)


def cluster_statistics(
    rows: FloatArray,
    classes: IntArray,
    weights: FloatArray,
    *,
    class_count: int,
    block_draws: int | None = None,
) -> ClusterStatistics:
    """Cosine silhouette and Davies-Bouldin index under each row of weights.

    silhouette: a note's value is (b - a) / max(a, b), with a its mean cosine distance to the other notes of
    its class and b the smallest mean distance to another class; 0 where both are 0. The mean distance of a
    note to a class is 1 - (note . sum of the class) / size, so that the sums of the classes give the exact
    value in O(n * classes * d) for one row of weights, without a matrix of all pairs. A class's figure is the
    mean over its notes, the overall figure the mean over all notes.

    davies_bouldin: Euclidean, on the unit vectors. A class's figure is R_i = max over j of (s_i + s_j) /
    d_ij, with s the mean distance of the notes of a class to its centroid, and d the distance of two
    centroids; the overall figure is the mean over the classes. Lower is better. It is NaN where two centroids
    coincide (scikit-learn skips that pair, which flatters a collapsed model).

    Weights: a note counts weights[i] times in every sum, centroid, scatter and mean, and nothing is held
    fixed; a note is never compared with a copy of itself. A class takes part in a draw where at least two
    different notes of it have weight, the rule that holds for the notes themselves.

    References: P. J. Rousseeuw, "Silhouettes", J. Comput. Appl. Math. 20 (1987); D. L. Davies, D. W. Bouldin,
    "A cluster separation measure", IEEE TPAMI 1 (1979).

    Args:
        rows: float64 [n, d] unit rows.
        classes: int64 [n], the class of each note, -1 where it takes no part (see `single_label_classes`).
        weights: float64 [draws, n].
        class_count: classes are numbered below this.
        block_draws: draws per block; by default as many as fit into the shared memory budget.
    """
    draws = len(weights)
    silhouette = np.full((draws, 1 + class_count), np.nan)
    davies_bouldin = np.full((draws, 1 + class_count), np.nan)
    taking_part = np.flatnonzero(classes >= 0)
    taking_part = taking_part[np.argsort(classes[taking_part], kind="stable")]
    present, sizes = np.unique(classes[taking_part], return_counts=True)
    if len(present) < 2:
        return ClusterStatistics(silhouette, davies_bouldin)
    # Sorted by class, each class is a slice: no gathering inside the loops.
    starts = np.cumsum(sizes) - sizes
    slices = [slice(int(start), int(start + size)) for start, size in zip(starts, sizes, strict=True)]
    vectors = rows[taking_part]
    columns = np.concatenate([[0], 1 + present])
    step = block_draws or rows_per_block(8 * (6 * len(taking_part) + 6 * len(present) ** 2))
    for start in range(0, draws, step):
        block = np.ascontiguousarray(weights[start : start + step, taking_part].T)
        sums = _class_sums(vectors, slices, block)
        part_of_draws = (slice(start, start + step), columns)
        silhouette[part_of_draws] = _silhouette(sums, slices, block)
        davies_bouldin[part_of_draws] = _davies_bouldin(sums, slices, block)
    return ClusterStatistics(silhouette, davies_bouldin)


@dataclass(frozen=True)
class _ClassSums:
    """Everything both figures need, for a block of draws.

    Attributes:
        totals: [classes, draws], weight of each class, 1 where it has none.
        enough: [classes, draws], whether at least two different notes of the class have weight.
        own: [n, draws], scalar product of each note with the weighted sum of its own class.
        nearest: [n, draws], largest mean similarity of each note to another class that has enough notes.
        centroids: [classes, classes, draws], scalar products of the centroids.
    """

    totals: FloatArray
    enough: BoolArray
    own: FloatArray
    nearest: FloatArray
    centroids: FloatArray


def _class_sums(vectors: FloatArray, slices: list[slice], weights: FloatArray) -> _ClassSums:
    """From unit vectors [n, d], sorted by class, and weights [n, draws]."""
    starts = [part.start for part in slices]
    totals = np.add.reduceat(weights, starts, axis=0)
    enough = np.add.reduceat((weights > 0).astype(np.int64), starts, axis=0) >= 2
    totals = np.where(totals > 0, totals, 1.0)
    own = np.empty_like(weights)
    nearest = np.full_like(weights, -np.inf)
    centroids = np.empty((len(slices), len(slices), weights.shape[1]))
    for index, part in enumerate(slices):
        members = vectors[part]
        # The same product in the cheaper order: through the pairs of a small class, through the sum of a
        # large one.
        if len(members) < vectors.shape[1]:
            products = (vectors @ members.T) @ weights[part]
        else:
            products = vectors @ (members.T @ weights[part])
        own[part] = products[part]
        products /= totals[index]
        centroids[:, index] = np.add.reduceat(products * weights, starts, axis=0) / totals
        products[part] = -np.inf
        products[:, ~enough[index]] = -np.inf
        np.maximum(nearest, products, out=nearest)
    return _ClassSums(totals=totals, enough=enough, own=own, nearest=nearest, centroids=centroids)


def _silhouette(sums: _ClassSums, slices: list[slice], weights: FloatArray) -> FloatArray:
    """[draws, 1 + classes]."""
    totals = np.zeros_like(sums.totals)
    for index, part in enumerate(slices):
        # The class sum without the note and its copies, whose similarity to it is 1.
        others = sums.totals[index] - weights[part]
        similarity = np.divide(
            sums.own[part] - weights[part], others, out=np.zeros_like(others), where=others > 0
        )
        within = _distance(1.0 - similarity)
        between = _distance(1.0 - sums.nearest[part])
        largest = np.maximum(within, between)
        comparable = (largest > 0) & np.isfinite(largest)
        value = np.divide(between - within, largest, out=np.zeros_like(largest), where=comparable)
        totals[index] = (value * weights[part]).sum(axis=0)
    usable = sums.enough & (sums.enough.sum(axis=0) >= 2)
    totals = np.where(usable, totals, 0.0)
    counts = np.where(usable, sums.totals, 0.0)
    numerator = np.vstack([totals.sum(axis=0), totals])
    denominator = np.vstack([counts.sum(axis=0), counts])
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0).T


def _davies_bouldin(sums: _ClassSums, slices: list[slice], weights: FloatArray) -> FloatArray:
    """[draws, 1 + classes]."""
    squares = np.einsum("iib->ib", sums.centroids)
    scatters = np.empty_like(squares)
    for index, part in enumerate(slices):
        distances = np.sqrt(_distance(1.0 + squares[index] - 2.0 * sums.own[part] / sums.totals[index]))
        scatters[index] = (weights[part] * distances).sum(axis=0) / sums.totals[index]
    apart = np.sqrt(_distance(squares[:, None] + squares[None, :] - 2.0 * sums.centroids))
    compared = sums.enough[:, None] & sums.enough[None, :] & ~np.eye(len(slices), dtype=np.bool_)[:, :, None]
    ratios = np.full_like(apart, -np.inf)
    np.divide(scatters[:, None] + scatters[None, :], apart, out=ratios, where=compared & (apart > 0))
    ratios[compared & (apart == 0)] = np.nan
    worst = ratios.max(axis=1)
    worst[np.isneginf(worst)] = np.nan
    counts = np.where(sums.enough.sum(axis=0) >= 2, sums.enough.sum(axis=0), 0)
    total = np.where(sums.enough, worst, 0.0).sum(axis=0)
    overall = np.divide(total, counts, out=np.full_like(total, np.nan), where=counts > 0)
    return np.vstack([overall, worst]).T


def _distance(values: FloatArray) -> FloatArray:
    """Distances with rounding below zero and just above it taken off."""
    return np.where(values < _SMALLEST_DISTANCE, 0.0, values)
