"""How well the specialties separate as clusters: cosine silhouette and Davies-Bouldin index, with and without each
group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from medembed_pipeline.evaluation.jackknife import Jackknife, ratio_jackknife
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray, rows_per_block

_SMALLEST_DISTANCE = 1e-12  # cosine distances and squared Euclidean ones below this are rounding


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


@dataclass(frozen=True)
class ClusterFigures:
    """Both figures: column 0 over all, then each class; NaN where undefined."""

    silhouette: Jackknife
    davies_bouldin: Jackknife


def cluster_figures(
    rows: FloatArray, classes: IntArray, groups: IntArray, *, class_count: int, group_count: int
) -> ClusterFigures:
    """Cosine silhouette and Davies-Bouldin index, with and without each group.

    silhouette: a note's value is (b - a) / max(a, b), with a its mean cosine distance to the other notes of
    its class and b the smallest mean distance to another class; 0 where both are 0. The mean distance of a
    note to a class is 1 - (note . sum of the class) / size, so that the sums of the classes give the exact
    value without a matrix of all pairs. A class's figure is the mean over its notes, the overall figure the
    mean over all notes.

    davies_bouldin: Euclidean, on the unit vectors. A class's figure is R_i = max over j of (s_i + s_j) /
    d_ij, with s the mean distance of the notes of a class to its centroid, and d the distance of two
    centroids; the overall figure is the mean over the classes. Lower is better. It is NaN where two centroids
    coincide (scikit-learn skips that pair, which flatters a collapsed model).

    A class of which a group leaves fewer than two notes is gone with it, and its other note takes no part. What a
    group does in several classes at once is added up; else the figures without a group are exact.

    References: P. J. Rousseeuw, "Silhouettes", J. Comput. Appl. Math. 20 (1987); D. L. Davies, D. W. Bouldin,
    "A cluster separation measure", IEEE TPAMI 1 (1979).

    Args:
        rows: float64 [n, d] unit rows.
        classes: int64 [n], the class of each note, -1 where it takes no part (see `single_label_classes`).
        groups: int64 [n], group of each note, below group_count.
        class_count: classes are numbered below this.
    """
    taking_part = np.flatnonzero(classes >= 0)
    taking_part = taking_part[np.lexsort((groups[taking_part], classes[taking_part]))]
    present, class_of = np.unique(classes[taking_part], return_inverse=True)
    columns = np.concatenate([[0], 1 + present])
    if len(present) < 2:
        nothing = _undefined(group_count, 1 + class_count)
        return ClusterFigures(nothing, nothing)
    parts = _parts(rows[taking_part], class_of.reshape(-1), groups[taking_part])
    return ClusterFigures(
        _spread(_silhouette(parts, group_count), columns, 1 + class_count),
        _spread(_davies_bouldin(parts, group_count), columns, 1 + class_count),
    )


@dataclass(frozen=True)
class _Parts:
    """Notes sorted by class and group; a cell is the notes of one group in one class.

    Attributes:
        vectors: [n, d].
        class_of, group_of: [n].
        starts: [classes + 1], where each class starts.
        sizes: [classes].
        products: [n, classes], scalar product of each note with the sum of each class.
        sums: [classes, d].
        cell_class, cell_group, cell_size: [cells].
        cell_sums: [cells, d].
        gone: [cells], the class is gone without the cell.
        groups: [1 + classes], groups behind all, and behind each class.
    """

    vectors: FloatArray
    class_of: IntArray
    group_of: IntArray
    starts: IntArray
    sizes: IntArray
    products: FloatArray
    sums: FloatArray
    cell_class: IntArray
    cell_group: IntArray
    cell_size: IntArray
    cell_sums: FloatArray
    gone: BoolArray
    groups: IntArray


def _parts(vectors: FloatArray, class_of: IntArray, group_of: IntArray) -> _Parts:
    sizes = np.bincount(class_of)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    sums = np.add.reduceat(vectors, starts[:-1], axis=0)
    first = np.flatnonzero(np.diff(class_of, prepend=-1) | np.diff(group_of, prepend=-1))
    cell_class, cell_size = class_of[first], np.diff(np.append(first, len(class_of)))
    behind = [len(np.unique(group_of)), *np.bincount(cell_class).tolist()]
    return _Parts(
        vectors,
        class_of,
        group_of,
        starts,
        sizes,
        vectors @ sums.T,
        sums,
        cell_class,
        group_of[first],
        cell_size,
        np.add.reduceat(vectors, first, axis=0),
        sizes[cell_class] - cell_size < 2,
        np.array(behind, dtype=np.int64),
    )


def _silhouette(parts: _Parts, group_count: int) -> Jackknife:
    """Columns: all, then the classes that are there."""
    count, classes = len(parts.vectors), len(parts.sizes)
    rows = np.arange(count)
    own = (parts.products[rows, parts.class_of] - 1.0) / (parts.sizes[parts.class_of] - 1)
    others = parts.products / parts.sizes
    others[rows, parts.class_of] = -np.inf
    nearest = others.argmax(axis=1)
    best = others[rows, nearest]
    others[rows, nearest] = -np.inf
    second = others.max(axis=1)
    within = _distance(1.0 - own)
    value = _silhouette_value(within, _distance(1.0 - best))

    sums = np.zeros((group_count, 1 + classes))
    sizes = np.zeros_like(sums)
    for column in (np.zeros(count, dtype=np.int64), 1 + parts.class_of):
        np.add.at(sums, (parts.group_of, column), value)
        np.add.at(sizes, (parts.group_of, column), 1.0)
    sums_left = _Left(np.zeros_like(sums), np.zeros_like(sums), np.zeros(1 + classes))
    left_size = parts.sizes[parts.cell_class] - parts.cell_size
    for number in range(classes):
        cells = np.flatnonzero(parts.cell_class == number)
        gone, size = parts.gone[cells], left_size[cells]
        # Notes of the class itself, of which the cell's are taken out.
        notes = np.arange(parts.starts[number], parts.starts[number + 1])
        for block, shared in _shared(parts, notes, cells):
            apart = parts.products[block, number, None] - 1.0 - shared
            without = _silhouette_value(
                _distance(1.0 - apart / np.maximum(size - 1, 1)), _distance(1.0 - best[block, None])
            )
            sums_left.add(parts, block, cells, value[block], without, np.tile(gone, (len(block), 1)))
        # Notes of other classes: where this one is the nearest, or can become it by losing its least similar cell.
        reach = (parts.products[:, number] + parts.cell_size[cells].max()) / np.maximum(size.min(), 1)
        near = (nearest == number) | (reach >= best)
        notes = np.flatnonzero(near & (parts.class_of != number))
        for block, shared in _shared(parts, notes, cells):
            left = (parts.products[block, number, None] - shared) / np.maximum(size, 1)
            left[:, gone] = -np.inf
            rest = np.where(nearest[block] == number, second[block], best[block])
            between = np.maximum(rest[:, None], left)
            without = _silhouette_value(within[block, None], _distance(1.0 - between))
            # With no class left to compare with, a note takes no part either.
            sums_left.add(parts, block, cells, value[block], without, np.isneginf(between))
    found = ratio_jackknife(
        sums, sizes, effect=sums_left.effect, lost=sums_left.lost, squared_effects=sums_left.squared
    )
    return Jackknife(found.value, found.left_out, found.double_counted, parts.groups)


@dataclass(frozen=True)
class _Left:
    """What cells do to the notes of other groups, for `ratio_jackknife`."""

    effect: FloatArray
    lost: FloatArray
    squared: FloatArray

    def add(
        self,
        parts: _Parts,
        notes: IntArray,
        cells: IntArray,
        value: FloatArray,
        without: FloatArray,
        out: BoolArray,
    ) -> None:
        """Values of some notes, and without each of some cells [notes, cells]; `out`: the note takes no part then."""
        other = parts.cell_group[cells] != parts.group_of[notes, None]
        change = np.where(out, value[:, None], value[:, None] - without) * other
        groups = parts.cell_group[cells]
        for number in np.unique(parts.class_of[notes]):
            members = parts.class_of[notes] == number
            by_cell = change[members].sum(axis=0)
            out_by_cell = (out & other)[members].sum(axis=0).astype(np.float64)
            squares = np.square(change[members]).sum()
            for column in (0, 1 + number):
                np.add.at(self.effect[:, column], groups, by_cell)
                np.add.at(self.lost[:, column], groups, out_by_cell)
                self.squared[column] += squares


def _shared(parts: _Parts, notes: IntArray, cells: IntArray) -> Iterator[tuple[IntArray, FloatArray]]:
    """Scalar products of notes with the sums of cells, in blocks of notes that fit into memory."""
    step = rows_per_block(8 * 8 * len(cells))
    sums = parts.cell_sums[cells].T
    for start in range(0, len(notes), step):
        block = notes[start : start + step]
        yield block, parts.vectors[block] @ sums


def _silhouette_value(within: FloatArray, between: FloatArray) -> FloatArray:
    largest = np.maximum(within, between)
    comparable = (largest > 0) & np.isfinite(largest)
    return np.divide(between - within, largest, out=np.zeros_like(largest), where=comparable)


def _davies_bouldin(parts: _Parts, group_count: int) -> Jackknife:
    """Columns: all, then the classes that are there."""
    classes = len(parts.sizes)
    centroids = parts.sums / parts.sizes[:, None]
    products = centroids @ centroids.T
    squares = np.einsum("ii->i", products)
    scatters = _scatters(parts, squares)
    apart = np.sqrt(_distance(squares[:, None] + squares[None, :] - 2.0 * products))
    ratios = _ratios(scatters[:, None] + scatters[None, :], apart)
    np.fill_diagonal(ratios, -np.inf)
    rows = np.arange(classes)
    worst_of = ratios.argmax(axis=1)
    worst = ratios[rows, worst_of]
    others = ratios.copy()
    others[rows, worst_of] = -np.inf
    second = others.max(axis=1)

    left = (parts.sizes[parts.cell_class] - parts.cell_size).astype(np.float64)
    size = np.maximum(left, 1.0)
    # Products of each cell's class, without the cell, with every centroid and with itself.
    moved = (parts.sums[parts.cell_class] - parts.cell_sums) / size[:, None]
    with_all = moved @ centroids.T
    own_square = np.einsum("ij,ij->i", moved, moved)
    own_scatter = _scatters_without(parts, moved, own_square)
    distance = np.sqrt(_distance(own_square[:, None] + squares[None, :] - 2.0 * with_all))
    ratio = _ratios(own_scatter[:, None] + scatters[None, :], distance)
    cells = np.arange(len(parts.cell_class))
    ratio[cells, parts.cell_class] = -np.inf
    ratio[parts.gone] = -np.inf
    rest = np.where(worst_of[None, :] == parts.cell_class[:, None], second[None, :], worst[None, :])
    figures = np.maximum(rest, ratio)
    figures[cells, parts.cell_class] = ratio.max(axis=1)
    figures[np.isneginf(figures)] = np.nan
    figures[cells[parts.gone], parts.cell_class[parts.gone]] = np.nan
    number = classes - parts.gone.astype(np.float64)
    overall = np.nansum(figures, axis=1) / number
    overall[np.isnan(figures).sum(axis=1) > parts.gone] = np.nan
    value = np.concatenate([[worst.mean()], worst])
    without = np.hstack([overall[:, None], figures])
    left_out = np.zeros((group_count, 1 + classes))
    np.add.at(left_out, parts.cell_group, without - value)
    left_out += value
    return Jackknife(value, left_out, np.zeros(1 + classes), parts.groups)


def _ratios(scatter: FloatArray, apart: FloatArray) -> FloatArray:
    return np.divide(scatter, apart, out=np.full_like(apart, np.nan), where=apart > 0)


def _scatters(parts: _Parts, squares: FloatArray) -> FloatArray:
    """Mean distance of the notes of each class to its centroid. [classes]."""
    rows = np.arange(len(parts.vectors))
    own = parts.products[rows, parts.class_of] / parts.sizes[parts.class_of]
    distances = np.sqrt(_distance(1.0 + squares[parts.class_of] - 2.0 * own))
    return np.asarray(np.add.reduceat(distances, parts.starts[:-1]) / parts.sizes)


def _scatters_without(parts: _Parts, moved: FloatArray, squares: FloatArray) -> FloatArray:
    """The same of each cell's class without the cell. [cells]."""
    found = np.zeros(len(moved))
    for number in range(len(parts.sizes)):
        part = slice(int(parts.starts[number]), int(parts.starts[number + 1]))
        cells = np.flatnonzero(parts.cell_class == number)
        distances = np.sqrt(_distance(1.0 + squares[cells] - 2.0 * parts.vectors[part] @ moved[cells].T))
        kept = parts.group_of[part, None] != parts.cell_group[cells]
        left = parts.sizes[number] - parts.cell_size[cells]
        found[cells] = (distances * kept).sum(axis=0) / np.maximum(left, 1)
    return found


def _distance(values: FloatArray) -> FloatArray:
    """Distances with rounding below zero and just above it taken off."""
    return np.where(values < _SMALLEST_DISTANCE, 0.0, values)


def _undefined(groups: int, columns: int) -> Jackknife:
    return Jackknife(
        np.full(columns, np.nan),
        np.full((groups, columns), np.nan),
        np.zeros(columns),
        np.zeros(columns, dtype=np.int64),
    )


def _spread(found: Jackknife, columns: IntArray, width: int) -> Jackknife:
    """The figures in their columns among `width`; the others are undefined."""
    wide = _undefined(len(found.left_out), width)
    wide.value[columns] = found.value
    wide.left_out[:, columns] = found.left_out
    wide.double_counted[columns] = found.double_counted
    wide.groups[columns] = found.groups
    return wide
