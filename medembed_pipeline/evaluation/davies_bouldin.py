"""The Davies-Bouldin index of several models, with and without each group."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from medembed_pipeline.evaluation.class_cells import Cells, squares_without, without_rounding
from medembed_pipeline.evaluation.jackknife import Jackknife, difference
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray


def davies_bouldin_indices(
    parts: Mapping[str, Cells],
    scatters: Mapping[str, FloatArray],
    group_count: int,
    contrasts: Sequence[tuple[str, str]],
) -> dict[str, Jackknife]:
    """Of each model and contrast; columns: all, then the classes that are there. See `clusters.cluster_figures`.

    Parameters
    ----------
    parts
        by model, the same notes in the same cells.
    scatters
        by model, `Silhouette.scatter`.
    group_count
        groups are numbered below this.
    contrasts
        pairs (model, other) whose paired difference is wanted.
    """
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


def _davies_bouldin(parts: Cells, own_scatter: FloatArray, group_count: int) -> tuple[Jackknife, FloatArray]:
    """Columns: all, then the classes that are there; and `_slopes`. `own_scatter` as `Silhouette.scatter`."""
    classes = len(parts.sizes)
    centroids = parts.sums / parts.sizes[:, None]
    products = centroids @ centroids.T
    squares = np.einsum("ii->i", products)
    scatters = _scatters(parts, squares)
    apart = np.sqrt(without_rounding(squares[:, None] + squares[None, :] - 2.0 * products))
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
    own_square = squares_without(parts)
    distance = np.sqrt(without_rounding(own_square[:, None] + squares[None, :] - 2.0 * with_all))
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


def _centered_cells(parts: Cells) -> FloatArray:
    """Each cell's sum less its share of the centroid, over the class's size. [cells, d].

    The common effect of two cells on a figure is twice its slope times the product of these.
    """
    means = parts.sums / parts.sizes[:, None]
    centered = parts.cell_sums - parts.cell_size[:, None] * means[parts.cell_class]
    return np.asarray(centered / parts.sizes[parts.cell_class, None])


def _squared_products(parts: Cells, left: FloatArray, right: FloatArray) -> FloatArray:
    """Sum over pairs of different cells of two classes of their product in one model times that in another.

    Of few cells from the products of all pairs; of more from the second moments of each class, which hold the same
    sums without a product for each pair. [classes, classes].
    """
    classes = len(parts.sizes)
    if len(left) < 2 * left.shape[1]:
        own = np.zeros((classes, len(left)))
        own[parts.cell_class, np.arange(len(left))] = 1.0
        products = own @ ((left @ left.T) * (right @ right.T)) @ own.T
    else:
        starts = np.searchsorted(parts.cell_class, np.arange(classes + 1))
        moments = np.stack(
            [
                (left[first:last].T @ right[first:last]).reshape(-1)
                for first, last in itertools.pairwise(starts)
            ]
        )
        products = moments @ moments.T
    itself = np.einsum("ij,ij->i", left, left) * np.einsum("ij,ij->i", right, right)
    products[np.diag_indices(classes)] -= np.bincount(parts.cell_class, itself, minlength=classes)
    return np.asarray(products)


def _ratios(scatter: FloatArray, apart: FloatArray) -> FloatArray:
    return np.divide(scatter, apart, out=np.full_like(apart, np.nan), where=apart > 0)


def _scatters(parts: Cells, squares: FloatArray) -> FloatArray:
    """Mean distance of the notes of each class to its centroid. [classes]."""
    rows = np.arange(len(parts.vectors))
    own = parts.products[rows, parts.class_of] / parts.sizes[parts.class_of]
    distances = np.sqrt(without_rounding(1.0 + squares[parts.class_of] - 2.0 * own))
    return np.asarray(np.add.reduceat(distances, parts.starts[:-1]) / parts.sizes)
