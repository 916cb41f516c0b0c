"""The cosine silhouette of several models, with and without each group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medembed_pipeline.evaluation.class_cells import Cells, squares_without, sums_of_runs, without_rounding
from medembed_pipeline.evaluation.jackknife import Jackknife, ratio_jackknife
from medembed_pipeline.evaluation.pieces import pieces
from medembed_pipeline.evaluation.vectors import PER_BLOCK, BoolArray, FloatArray, IntArray, rows_per_block
from medembed_pipeline.threads import in_threads

THREADS_FROM = 2_000
"""Notes from which on a class is enough work for a thread: with 1,000 threads took a fifth longer, with 3,000 less."""


def silhouettes(
    parts: Mapping[str, Cells], group_count: int, contrasts: Sequence[tuple[str, str]]
) -> tuple[dict[str, Jackknife], dict[str, FloatArray]]:
    """Of each model and contrast; columns: all, then the classes that are there. See `clusters.cluster_figures`.

    Parameters
    ----------
    parts
        by model, the same notes in the same cells.
    group_count
        groups are numbered below this.
    contrasts
        pairs (model, other) whose paired difference is wanted.

    Returns
    -------
    tuple[dict[str, Jackknife], dict[str, FloatArray]]
        The figures, and by model `Silhouette.scatter`.
    """
    models = {model: Silhouette(own) for model, own in parts.items()}
    same = next(iter(parts.values()))
    values = {model: one.value for model, one in models.items()}
    values |= {f"{one}-{other}": values[one] - values[other] for one, other in contrasts}
    shape = (group_count, 1 + len(same.sizes))
    sizes, lost = np.zeros(shape), np.zeros(shape)
    sums, effects = ({name: np.zeros(shape) for name in values} for _ in range(2))
    squared = {name: np.zeros(shape[1]) for name in values}
    for column in (np.zeros_like(same.class_of), 1 + same.class_of):
        np.add.at(sizes, (same.group_of, column), 1.0)
        for name, value in values.items():
            np.add.at(sums[name], (same.group_of, column), value)
    # Each class's cells, and the notes of the class; then the notes of the others.
    jobs = [(number, is_own) for number in range(len(same.sizes)) for is_own in (True, False)]
    small = len(same.class_of) < THREADS_FROM
    for falls in in_threads(lambda job: _falls(models, same, contrasts, *job), jobs, are_small=small):
        _add_to_all_and_each(lost, falls.groups, falls.lost)
        for name in values:
            _add_to_all_and_each(effects[name], falls.groups, falls.effect[name])
            squared[name][0] += falls.apart[name].sum()
            squared[name][1:] += falls.apart[name]
    found = {}
    for name in values:
        figure = ratio_jackknife(
            sums[name], sizes, effect=effects[name], lost=lost, squared_effects=squared[name]
        )
        found[name] = Jackknife(figure.value, figure.left_out, figure.double_counted, same.groups)
    return found, {model: one.scatter for model, one in models.items()}


class Silhouette:
    """The silhouette of one model's notes, and what it would be without each cell of a class.

    Attributes
    ----------
    scatter
        float64 [cells], mean distance of the notes of each cell's class to its centroid, without the cell; there when
        all notes of the class have been asked for.
    """

    def __init__(self, parts: Cells) -> None:
        self.parts = parts
        self.scatter = np.zeros(len(parts.cell_size))
        self._squares_without = squares_without(parts)
        rows = np.arange(len(parts.vectors))
        own = (parts.products[rows, parts.class_of] - 1.0) / (parts.sizes[parts.class_of] - 1)
        others = parts.products / parts.sizes
        others[rows, parts.class_of] = -np.inf
        self.nearest = others.argmax(axis=1)
        self.best = others[rows, self.nearest]
        others[rows, self.nearest] = -np.inf
        self.second = others.max(axis=1)
        self.within = without_rounding(1.0 - own)
        self.value = _silhouette_value(self.within, without_rounding(1.0 - self.best))

    def near(self, number: int, largest_cell: int, smallest_left: int) -> BoolArray:
        """Notes to which a class is the nearest, or can become it by losing its least similar cell. [n]."""
        reach = (self.parts.products[:, number] + largest_cell) / max(smallest_left, 1)
        return np.asarray((self.nearest == number) | (reach >= self.best))

    def without(
        self, notes: IntArray, number: int, cells: IntArray, left: IntArray, other: BoolArray
    ) -> tuple[FloatArray, BoolArray]:
        """By how much the values of some notes of one class fall, and whether they take no part then. [notes, cells].

        Parameters
        ----------
        notes
            all of class `number`, or none of it.
        number
            the class of the cells.
        cells
            without which.
        left
            notes of the class that are left.
        other
            bool [notes, cells], the note is of another group.
        """
        parts, gone = self.parts, left < 2
        shared = parts.vectors[notes] @ parts.cell_sums[cells].T
        sums = parts.products[notes, number, None] - shared
        if parts.class_of[notes[0]] == number:
            squared = 1.0 + self._squares_without[cells] - 2.0 * sums / np.maximum(left, 1)
            self.scatter[cells] += (np.sqrt(without_rounding(squared)) * other).sum(axis=0) / np.maximum(
                left, 1
            )
            within = without_rounding(1.0 - (sums - 1.0) / np.maximum(left - 1, 1))
            value = _silhouette_value(within, without_rounding(1.0 - self.best[notes, None]))
            out = np.broadcast_to(gone, value.shape)
        else:
            similarity = sums / np.maximum(left, 1)
            similarity[:, gone] = -np.inf
            rest = np.where(self.nearest[notes] == number, self.second[notes], self.best[notes])
            between = np.maximum(rest[:, None], similarity)
            value = _silhouette_value(self.within[notes, None], without_rounding(1.0 - between))
            # With no class left to compare with, a note takes no part either.
            out = np.isneginf(between)
        fall = np.subtract(self.value[notes, None], value, out=value)
        if out.any():
            fall = np.where(out, self.value[notes, None], fall)
        fall *= other
        return fall, out & other


@dataclass(frozen=True)
class Falls:
    """What the cells of one class do to the silhouettes of some notes.

    Attributes
    ----------
    groups
        int64 [cells], those that leave.
    lost
        float64 [classes, cells], how many notes of each class take no part then.
    effect
        by model or contrast, float64 [classes, cells], by how much the values of each class's notes fall in sum.
    apart
        likewise, float64 [classes], squares of what a cell does to those of another, less what it does to all alike.
    """

    groups: IntArray
    lost: FloatArray
    effect: Mapping[str, FloatArray]
    apart: Mapping[str, FloatArray]


def _falls(
    models: Mapping[str, Silhouette],
    same: Cells,
    contrasts: Sequence[tuple[str, str]],
    number: int,
    is_own: bool,
) -> Falls:
    """What the cells of class `number` do to its notes, or to those of the others that may feel it."""
    cells = np.flatnonzero(same.cell_class == number)
    left, cell_groups = same.sizes[number] - same.cell_size[cells], same.cell_group[cells]
    own = same.class_of == number
    if is_own:
        notes = np.flatnonzero(own)
    else:
        reach = int(same.cell_size[cells].max()), int(left.min())
        near = np.any([one.near(number, *reach) for one in models.values()], axis=0)
        notes = np.flatnonzero(near & ~own)
    names = [*models, *(f"{one}-{other}" for one, other in contrasts)]
    shape = (len(same.sizes), len(cells))
    lost = np.zeros(shape)
    effect, square = ({name: np.zeros(shape) for name in names} for _ in range(2))
    for piece in pieces(same.cell_of[notes], rows_per_block(PER_BLOCK * 8 * len(cells))):
        block = notes[piece]
        other = cell_groups != same.group_of[block, None]
        changes: dict[str, FloatArray] = {}
        for model, one in models.items():
            changes[model], out = one.without(block, number, cells, left, other)
        first = np.flatnonzero(np.diff(same.cell_of[block], prepend=-1))
        changes = {model: sums_of_runs(change, first) for model, change in changes.items()}
        changes |= {f"{one}-{two}": changes[one] - changes[two] for one, two in contrasts}
        # Cells are sorted by class.
        classes = same.class_of[block]
        for part in pieces(classes, 1):
            own_class = classes[part.start]
            lost[own_class] += out[part].sum(axis=0)
        for part in pieces(classes[first], 1):
            own_class = classes[first[part.start]]
            for name, change in changes.items():
                effect[name][own_class] += change[part].sum(axis=0)
                square[name][own_class] += np.einsum("ij,ij->j", change[part], change[part])
    groups = np.bincount(same.cell_class[np.unique(same.cell_of[notes])], minlength=len(same.sizes))
    # What a cell does to all notes alike is its own doing, and no common one.
    apart = {
        name: (square[name] - np.square(effect[name]) / np.maximum(groups, 1)[:, None]).sum(axis=1)
        for name in names
    }
    return Falls(cell_groups, lost, effect, apart)


def _add_to_all_and_each(figures: FloatArray, groups: IntArray, by_class: FloatArray) -> None:
    """Add [classes, cells] to the rows of the cells' groups: to the first column the sum, to the others each class."""
    np.add.at(figures[:, 0], groups, by_class.sum(axis=0))
    np.add.at(figures[:, 1:], groups, by_class.T)


def _silhouette_value(within: FloatArray, between: FloatArray) -> FloatArray:
    largest = np.maximum(within, between)
    value = between - within
    comparable = (largest > 0) & np.isfinite(largest)
    if comparable.all():
        return np.divide(value, largest, out=value)
    return np.divide(value, largest, out=np.zeros_like(largest), where=comparable)
