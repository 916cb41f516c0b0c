"""How well the specialties separate as clusters: cosine silhouette and Davies-Bouldin index, with and without each
group."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medembed_pipeline.evaluation.jackknife import Jackknife, difference, ratio_jackknife, undefined
from medembed_pipeline.evaluation.pieces import in_threads, pieces
from medembed_pipeline.evaluation.vectors import PER_BLOCK, BoolArray, FloatArray, IntArray, rows_per_block

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
    silhouettes, scatters = _silhouettes(parts, group_count, contrasts)
    indices = _davies_bouldin_of_all(parts, scatters, group_count, contrasts)
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
        _sums_of_runs(vectors, first),
        sizes[cell_class] - cell_size < 2,
        np.array(behind, dtype=np.int64),
    )


def _sums_of_runs(rows: FloatArray, first: IntArray) -> FloatArray:
    """Sums of runs of rows that begin at `first`, float64 [runs, ...]. Most are one row, as most cells are one note."""
    if len(first) == len(rows):
        return rows
    sums, others = rows[first], np.delete(np.arange(len(rows)), first)
    np.add.at(sums, np.searchsorted(first, others, side="right") - 1, rows[others])
    return sums


def _squares_without(parts: _Parts) -> FloatArray:
    """Squared length of the centroid of each cell's class without the cell. [cells]."""
    found = np.empty(len(parts.cell_class))
    for cells in pieces(parts.cell_class, 1):
        rest = parts.sums[parts.cell_class[cells.start]] - parts.cell_sums[cells]
        found[cells] = np.einsum("ij,ij->i", rest, rest)
    return found / np.square(np.maximum(parts.sizes[parts.cell_class] - parts.cell_size, 1))


class _Silhouette:
    """The silhouette of one model's notes, and what it would be without each cell of a class.

    Attributes
    ----------
    scatter
        float64 [cells], mean distance of the notes of each cell's class to its centroid, without the cell; there when
        all notes of the class have been asked for.
    """

    def __init__(self, parts: _Parts) -> None:
        self.parts = parts
        self.scatter = np.zeros(len(parts.cell_size))
        self._squares_without = _squares_without(parts)
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
            self.scatter[cells] += (np.sqrt(_distance(squared)) * other).sum(axis=0) / np.maximum(left, 1)
            within = _distance(1.0 - (sums - 1.0) / np.maximum(left - 1, 1))
            value = _silhouette_value(within, _distance(1.0 - self.best[notes, None]))
            out = np.broadcast_to(gone, value.shape)
        else:
            similarity = sums / np.maximum(left, 1)
            similarity[:, gone] = -np.inf
            rest = np.where(self.nearest[notes] == number, self.second[notes], self.best[notes])
            between = np.maximum(rest[:, None], similarity)
            value = _silhouette_value(self.within[notes, None], _distance(1.0 - between))
            # With no class left to compare with, a note takes no part either.
            out = np.isneginf(between)
        fall = np.subtract(self.value[notes, None], value, out=value)
        if out.any():
            fall = np.where(out, self.value[notes, None], fall)
        fall *= other
        return fall, out & other


@dataclass(frozen=True)
class _Falls:
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


def _silhouettes(
    parts: Mapping[str, _Parts], group_count: int, contrasts: Sequence[tuple[str, str]]
) -> tuple[dict[str, Jackknife], dict[str, FloatArray]]:
    """Columns: all, then the classes that are there; and by model `_Silhouette.scatter`."""
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
    # Each class's cells, and the notes of the class; then the notes of the others.
    jobs = [(number, is_own) for number in range(len(same.sizes)) for is_own in (True, False)]
    for falls in in_threads(lambda job: _falls(models, same, contrasts, *job), jobs):
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


def _falls(
    models: Mapping[str, _Silhouette],
    same: _Parts,
    contrasts: Sequence[tuple[str, str]],
    number: int,
    is_own: bool,
) -> _Falls:
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
        changes = {model: _sums_of_runs(change, first) for model, change in changes.items()}
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
    return _Falls(cell_groups, lost, effect, apart)


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


def _davies_bouldin(parts: _Parts, own_scatter: FloatArray, group_count: int) -> tuple[Jackknife, FloatArray]:
    """Columns: all, then the classes that are there; and `_slopes`. `own_scatter` as `_Silhouette.scatter`."""
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

    # Products of each cell's class, without the cell, with every centroid and with itself.
    left = np.maximum(parts.sizes[parts.cell_class] - parts.cell_size, 1)
    with_all = ((parts.sums @ centroids.T)[parts.cell_class] - parts.cell_sums @ centroids.T) / left[:, None]
    own_square = _squares_without(parts)
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
    parts: Mapping[str, _Parts],
    scatters: Mapping[str, FloatArray],
    group_count: int,
    contrasts: Sequence[tuple[str, str]],
) -> dict[str, Jackknife]:
    found, slopes = {}, {}
    for model, own in parts.items():
        found[model], slopes[model] = _davies_bouldin(own, scatters[model], group_count)
    terms = {model: {model: 1.0} for model in parts}
    terms |= {f"{one}-{other}": {one: 1.0, other: -1.0} for one, other in contrasts}
    cells = {model: _centered_cells(own) for model, own in parts.items()}
    same = next(iter(parts.values()))
    products: dict[frozenset[str], FloatArray] = {}
    figures = {}
    for name, signs in terms.items():
        one, *other = (found[model] for model in signs)
        figure = difference(one, other[0]) if other else one
        twice = np.zeros(len(figure.value))
        for left, right in itertools.product(signs, repeat=2):
            pair = frozenset((left, right))
            if pair not in products:
                products[pair] = _squared_products(same, cells[left], cells[right])
            slope = signs[left] * slopes[left], signs[right] * slopes[right]
            # Every pair is met from both sides: half of the sum of squares of 2 * slope * product.
            twice += 2.0 * np.einsum("ckm,ckm,km->c", *slope, products[pair])
        figures[name] = Jackknife(figure.value, figure.left_out, twice, figure.groups)
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


def _centered_cells(parts: _Parts) -> FloatArray:
    """Each cell's sum less its share of the centroid, over the class's size. [cells, d].

    The common effect of two cells on a figure is twice its slope times the product of these.
    """
    means = parts.sums / parts.sizes[:, None]
    centered = parts.cell_sums - parts.cell_size[:, None] * means[parts.cell_class]
    return np.asarray(centered / parts.sizes[parts.cell_class, None])


def _squared_products(parts: _Parts, left: FloatArray, right: FloatArray) -> FloatArray:
    """Sum over pairs of different cells of two classes of their product in one model times that in another.

    Had from the second moments of each class, without a product for each pair. [classes, classes].
    """
    classes = len(parts.sizes)
    starts = np.searchsorted(parts.cell_class, np.arange(classes + 1))
    moments = np.stack(
        [(left[first:last].T @ right[first:last]).reshape(-1) for first, last in itertools.pairwise(starts)]
    )
    products = moments @ moments.T
    itself = np.einsum("ij,ij->i", left, left) * np.einsum("ij,ij->i", right, right)
    products[np.diag_indices(classes)] -= np.bincount(parts.cell_class, itself, minlength=classes)
    return products


def _ratios(scatter: FloatArray, apart: FloatArray) -> FloatArray:
    return np.divide(scatter, apart, out=np.full_like(apart, np.nan), where=apart > 0)


def _scatters(parts: _Parts, squares: FloatArray) -> FloatArray:
    """Mean distance of the notes of each class to its centroid. [classes]."""
    rows = np.arange(len(parts.vectors))
    own = parts.products[rows, parts.class_of] / parts.sizes[parts.class_of]
    distances = np.sqrt(_distance(1.0 + squares[parts.class_of] - 2.0 * own))
    return np.asarray(np.add.reduceat(distances, parts.starts[:-1]) / parts.sizes)


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
