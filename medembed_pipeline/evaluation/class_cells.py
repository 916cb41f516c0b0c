"""Notes sorted by class and by group: what both cluster figures start from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medembed_pipeline.evaluation.pieces import pieces
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray

_SMALLEST_DISTANCE = 1e-12  # cosine distances and squared Euclidean ones below this are rounding


@dataclass(frozen=True)
class Cells:
    """Notes sorted by class and group; a cell is the notes of one group in one class.

    Attributes
    ----------
    vectors
        [n, d].
    class_of, group_of
        [n].
    starts
        [classes + 1], where each class starts.
    sizes
        [classes].
    products
        [n, classes], scalar product of each note with the sum of each class.
    sums
        [classes, d].
    cell_of
        [n].
    cell_class, cell_group, cell_size
        [cells].
    cell_sums
        [cells, d].
    gone
        [cells], the class is gone without the cell.
    groups
        [1 + classes], groups behind all, and behind each class.
    """

    vectors: FloatArray
    class_of: IntArray
    group_of: IntArray
    starts: IntArray
    sizes: IntArray
    products: FloatArray
    sums: FloatArray
    cell_of: IntArray
    cell_class: IntArray
    cell_group: IntArray
    cell_size: IntArray
    cell_sums: FloatArray
    gone: BoolArray
    groups: IntArray


def cells_of(vectors: FloatArray, class_of: IntArray, group_of: IntArray) -> Cells:
    """Of float64 [n, d] unit vectors, sorted by class and group; both are numbered, int64 [n]."""
    sizes = np.bincount(class_of)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    sums = np.add.reduceat(vectors, starts[:-1], axis=0)
    first = np.flatnonzero(np.diff(class_of, prepend=-1) | np.diff(group_of, prepend=-1))
    cell_class, cell_size = class_of[first], np.diff(np.append(first, len(class_of)))
    behind = [len(np.unique(group_of)), *np.bincount(cell_class).tolist()]
    return Cells(
        vectors,
        class_of,
        group_of,
        starts,
        sizes,
        vectors @ sums.T,
        sums,
        np.repeat(np.arange(len(first)), cell_size),
        cell_class,
        group_of[first],
        cell_size,
        sums_of_runs(vectors, first),
        sizes[cell_class] - cell_size < 2,
        np.array(behind, dtype=np.int64),
    )


def sums_of_runs(rows: FloatArray, first: IntArray) -> FloatArray:
    """Sums of runs of rows that begin at `first`, float64 [runs, ...]. Most are one row, as most cells are one note."""
    if len(first) == len(rows):
        return rows
    sums, others = rows[first], np.delete(np.arange(len(rows)), first)
    np.add.at(sums, np.searchsorted(first, others, side="right") - 1, rows[others])
    return sums


def squares_without(parts: Cells) -> FloatArray:
    """Squared length of the centroid of each cell's class without the cell. [cells]."""
    found = np.empty(len(parts.cell_class))
    for cells in pieces(parts.cell_class, 1):
        rest = parts.sums[parts.cell_class[cells.start]] - parts.cell_sums[cells]
        found[cells] = np.einsum("ij,ij->i", rest, rest)
    return found / np.square(np.maximum(parts.sizes[parts.cell_class] - parts.cell_size, 1))


def without_rounding(values: FloatArray) -> FloatArray:
    """Distances with rounding below zero and just above it taken off."""
    return np.where(values < _SMALLEST_DISTANCE, 0.0, values)
