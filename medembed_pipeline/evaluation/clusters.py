"""How well the specialties separate as clusters: cosine silhouette and Davies-Bouldin index, with and without each
group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medembed_pipeline.evaluation.jackknife import Jackknife, difference, ratio_jackknife, undefined
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray, rows_per_block

_SMALLEST_DISTANCE = 1e-12  # cosine distances and squared Euclidean ones below this are rounding


def single_label_classes(membership: FloatArray) -> IntArray:
    """Class of each note for the cluster figures: its specialty's column, or -1 where it takes no part.

    A note takes part where it carries exactly one specialty and at least one other note carries exactly that
    one.

    Parameters
    ----------
    membership
        float64 [n, m] specialty sets.

    Returns
    -------
    IntArray
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
    vectors: Mapping[str, FloatArray],
    classes: IntArray,
    groups: IntArray,
    *,
    class_count: int,
    group_count: int,
    contrasts: Sequence[tuple[str, str]] = (),
) -> dict[str, ClusterFigures]:
    """Cosine silhouette and Davies-Bouldin index of several models, with and without each group.

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

    Parameters
    ----------
    vectors
        by model, float64 [n, d] unit rows of the same notes.
    classes
        int64 [n], the class of each note, -1 where it takes no part (see `single_label_classes`).
    groups
        int64 [n], group of each note, below group_count.
    class_count
        classes are numbered below this.
    contrasts
        pairs (model, other) whose paired difference is wanted.

    Returns
    -------
    dict[str, ClusterFigures]
        By model, and by "model-other" for each contrast.
    """
    taking_part = np.flatnonzero(classes >= 0)
    taking_part = taking_part[np.lexsort((groups[taking_part], classes[taking_part]))]
    present, class_of = np.unique(classes[taking_part], return_inverse=True)
    columns = np.concatenate([[0], 1 + present])
    names = [*vectors, *(f"{one}-{other}" for one, other in contrasts)]
    if len(present) < 2:
        nothing = undefined(group_count, 1 + class_count)
        return {name: ClusterFigures(nothing, nothing) for name in names}
    parts = {
        model: _parts(rows[taking_part], class_of.reshape(-1), groups[taking_part])
        for model, rows in vectors.items()
    }
    silhouettes = _silhouettes(parts, group_count, contrasts)
    indices = _davies_bouldin_of_all(parts, group_count, contrasts)
    return {
        name: ClusterFigures(
            *(_spread(found[name], columns, 1 + class_count) for found in (silhouettes, indices))
        )
        for name in names
    }


@dataclass(frozen=True)
class _Parts:
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
        np.repeat(np.arange(len(first)), cell_size),
        cell_class,
        group_of[first],
        cell_size,
        np.add.reduceat(vectors, first, axis=0),
        sizes[cell_class] - cell_size < 2,
        np.array(behind, dtype=np.int64),
    )


class _Silhouette:
    """The silhouette of one model's notes, and what it would be without each cell of a class."""

    def __init__(self, parts: _Parts) -> None:
        self.parts = parts
        rows = np.arange(len(parts.vectors))
        own = (parts.products[rows, parts.class_of] - 1.0) / (parts.sizes[parts.class_of] - 1)
        others = parts.products / parts.sizes
        others[rows, parts.class_of] = -np.inf
        self.nearest = others.argmax(axis=1)
        self.best = others[rows, self.nearest]
        others[rows, self.nearest] = -np.inf
        self.second = others.max(axis=1)
        self.within = _distance(1.0 - own)
        self.value = _silhouette_value(self.within, _distance(1.0 - self.best))

    def near(self, number: int, largest_cell: int, smallest_left: int) -> BoolArray:
        """Notes to which a class is the nearest, or can become it by losing its least similar cell. [n]."""
        reach = (self.parts.products[:, number] + largest_cell) / max(smallest_left, 1)
        return np.asarray((self.nearest == number) | (reach >= self.best))

    def without(
        self, notes: IntArray, number: int, cells: IntArray, left: IntArray
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
        """
        parts, gone = self.parts, left < 2
        shared = parts.vectors[notes] @ parts.cell_sums[cells].T
        sums = parts.products[notes, number, None] - shared
        if parts.class_of[notes[0]] == number:
            within = _distance(1.0 - (sums - 1.0) / np.maximum(left - 1, 1))
            value = _silhouette_value(within, _distance(1.0 - self.best[notes, None]))
            out = np.tile(gone, (len(notes), 1))
        else:
            similarity = sums / np.maximum(left, 1)
            similarity[:, gone] = -np.inf
            rest = np.where(self.nearest[notes] == number, self.second[notes], self.best[notes])
            between = np.maximum(rest[:, None], similarity)
            value = _silhouette_value(self.within[notes, None], _distance(1.0 - between))
            # With no class left to compare with, a note takes no part either.
            out = np.isneginf(between)
        return np.where(out, self.value[notes, None], self.value[notes, None] - value), out


def _silhouettes(
    parts: Mapping[str, _Parts], group_count: int, contrasts: Sequence[tuple[str, str]]
) -> dict[str, Jackknife]:
    """Columns: all, then the classes that are there."""
    models = {model: _Silhouette(own) for model, own in parts.items()}
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
    for number in range(len(same.sizes)):
        cells = np.flatnonzero(same.cell_class == number)
        left, cell_groups = same.sizes[number] - same.cell_size[cells], same.cell_group[cells]
        near = np.any(
            [one.near(number, int(same.cell_size[cells].max()), int(left.min())) for one in models.values()],
            axis=0,
        )
        own = same.class_of == number
        for notes in (np.flatnonzero(own), np.flatnonzero(near & ~own)):
            by_class = (len(same.sizes), len(cells))
            effect, square = ({name: np.zeros(by_class) for name in values} for _ in range(2))
            out_by_cell = np.zeros(by_class)
            for block in _cell_blocks(notes, same.cell_of, rows_per_block(8 * 8 * len(cells) * len(models))):
                other = cell_groups != same.group_of[block, None]
                changes: dict[str, FloatArray] = {}
                for model, one in models.items():
                    change, out = one.without(block, number, cells, left)
                    changes[model] = change * other
                changes |= {f"{one}-{two}": changes[one] - changes[two] for one, two in contrasts}
                first = np.flatnonzero(np.diff(same.cell_of[block], prepend=-1))
                classes = same.class_of[block[first]]
                np.add.at(out_by_cell, classes, np.add.reduceat(out & other, first, axis=0, dtype=np.float64))
                for name, change in changes.items():
                    summed = np.add.reduceat(change, first, axis=0)
                    np.add.at(effect[name], classes, summed)
                    np.add.at(square[name], classes, np.square(summed))
            groups = np.bincount(same.cell_class[np.unique(same.cell_of[notes])], minlength=len(same.sizes))
            _add_to_all_and_each(lost, cell_groups, out_by_cell)
            for name in values:
                _add_to_all_and_each(effects[name], cell_groups, effect[name])
                # What a cell does to all notes alike is its own doing, and no common one.
                alike = np.square(effect[name]) / np.maximum(groups, 1)[:, None]
                apart = (square[name] - alike).sum(axis=1)
                squared[name][0] += apart.sum()
                squared[name][1:] += apart
    found = {}
    for name in values:
        figure = ratio_jackknife(
            sums[name], sizes, effect=effects[name], lost=lost, squared_effects=squared[name]
        )
        found[name] = Jackknife(figure.value, figure.left_out, figure.double_counted, same.groups)
    return found


def _cell_blocks(notes: IntArray, cell_of: IntArray, step: int) -> Iterator[IntArray]:
    """Notes in blocks of about `step`, all of a cell in one; they are sorted by cell."""
    starts = np.flatnonzero(np.diff(cell_of[notes], prepend=-1))
    first = 0
    while first < len(notes):
        later = starts[starts >= first + step]
        stop = int(later[0]) if len(later) else len(notes)
        yield notes[first:stop]
        first = stop


def _add_to_all_and_each(figures: FloatArray, groups: IntArray, by_class: FloatArray) -> None:
    """Add [classes, cells] to the rows of the cells' groups: to the first column the sum, to the others each class."""
    np.add.at(figures[:, 0], groups, by_class.sum(axis=0))
    np.add.at(figures[:, 1:], groups, by_class.T)


def _silhouette_value(within: FloatArray, between: FloatArray) -> FloatArray:
    largest = np.maximum(within, between)
    comparable = (largest > 0) & np.isfinite(largest)
    return np.divide(between - within, largest, out=np.zeros_like(largest), where=comparable)


def _davies_bouldin(parts: _Parts, group_count: int) -> tuple[Jackknife, FloatArray]:
    """Columns: all, then the classes that are there; and the slopes for `_pair_variance`."""
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
    return Jackknife(value, left_out, np.zeros(1 + classes), parts.groups), _slopes(worst, worst_of, apart)


def _davies_bouldin_of_all(
    parts: Mapping[str, _Parts], group_count: int, contrasts: Sequence[tuple[str, str]]
) -> dict[str, Jackknife]:
    found, slopes = {}, {}
    for model, own in parts.items():
        found[model], slopes[model] = _davies_bouldin(own, group_count)
    pairs: dict[str, tuple[tuple[str, float], ...]] = {model: ((model, 1.0),) for model in parts}
    pairs |= {f"{one}-{other}": ((one, 1.0), (other, -1.0)) for one, other in contrasts}
    figures = {}
    for name, terms in pairs.items():
        one = found[terms[0][0]]
        if len(terms) == 2:
            one = difference(one, found[terms[1][0]])
        twice = _pair_variance([(parts[model], sign * slopes[model]) for model, sign in terms])
        figures[name] = Jackknife(one.value, one.left_out, twice, one.groups)
    return figures


def _slopes(worst: FloatArray, worst_of: IntArray, apart: FloatArray) -> FloatArray:
    """By how much the figure of each column changes with the product of the centroids of each two classes.

    The squared distance of two centroids holds the products of their notes two by two: what two notes do together, and
    the jackknife counts twice. [1 + classes, classes, classes], symmetric.
    """
    classes = len(worst)
    rows = np.arange(classes)
    slopes = np.zeros((1 + classes, classes, classes))
    slope = -worst / (2.0 * np.square(apart[rows, worst_of]))
    for own, other in zip(rows, worst_of, strict=True):
        for left, right, sign in (
            (own, own, 1.0),
            (other, other, 1.0),
            (own, other, -1.0),
            (other, own, -1.0),
        ):
            slopes[1 + own, left, right] += sign * slope[own]
    slopes[0] = slopes[1:].mean(axis=0)
    return slopes


def _pair_variance(terms: Sequence[tuple[_Parts, FloatArray]]) -> FloatArray:
    """Sum over pairs of cells of their squared common effect on each column; several terms are added before.

    With x a cell's sum less its share of the centroid, over the class's size, the common effect of two cells is twice
    the slope times their product. The squares of all products are had from the second moments of each class.
    """
    parts = terms[0][0]
    classes = len(parts.sizes)
    cells = []
    for own, _ in terms:
        centered = own.cell_sums - own.cell_size[:, None] * (own.sums / own.sizes[:, None])[own.cell_class]
        cells.append(centered / own.sizes[own.cell_class, None])
    total = np.zeros(1 + classes)
    for left, (_, left_slope) in enumerate(terms):
        for right, (_, right_slope) in enumerate(terms):
            moments = np.stack(
                [
                    (
                        cells[left][parts.cell_class == number].T @ cells[right][parts.cell_class == number]
                    ).reshape(-1)
                    for number in range(classes)
                ]
            )
            products = moments @ moments.T
            itself = np.einsum("ij,ij->i", cells[left], cells[left]) * np.einsum(
                "ij,ij->i", cells[right], cells[right]
            )
            products[np.diag_indices(classes)] -= np.bincount(parts.cell_class, itself, minlength=classes)
            # Every pair is met from both sides: half of the sum of squares of 2 * slope * product.
            total += 2.0 * np.einsum("ckm,ckm,km->c", left_slope, right_slope, products)
    return total


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


def _spread(found: Jackknife, columns: IntArray, width: int) -> Jackknife:
    """The figures in their columns among `width`; the others are undefined."""
    wide = undefined(len(found.left_out), width)
    wide.value[columns] = found.value
    wide.left_out[:, columns] = found.left_out
    wide.double_counted[columns] = found.double_counted
    wide.groups[columns] = found.groups
    return wide
