"""Logistic regressions of many labels on the same rows, solved together.

Each label is a problem of its own, but all of them see the same rows. So the products of matrices, which are nearly all
of the work, are made for many labels at once, in coordinates in which they need few steps; and from a strong penalty
to a weak one each solution is where the next begins.

The penalty lies on the bias, too, as liblinear has it, which solves the same problem label by label.

References: C.-J. Lin, R. C. Weng, S. S. Keerthi, "Trust region Newton method for large-scale logistic regression", JMLR
9 (2008), for truncated Newton steps; J. Nocedal, S. J. Wright, "Numerical Optimization", 2nd edition, algorithm 7.1,
for how exact the steps are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray
from medembed_pipeline.threads import in_threads, one_thread

LABELS_AT_ONCE = 16
"""Enough for a product of matrices to be quick, and for every core to have some; what a label gets does not depend on
how many cores there are."""

_TOLERANCE = 1e-6
"""Of the gradient's length where all weights are zero. At 1e-5 logits are off by 0.01 where the penalty is weak."""
_LEAST_DIRECTION = 1e-10
"""Share of the largest eigenvalue below which a direction is rounding."""
_MOST_STEPS = 50
_MOST_PRODUCTS = 300
_MOST_HALVINGS = 30
_ENOUGH_DESCENT = 1e-4
_TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True)
class Directions:
    """Rows in the directions in which they vary, where the mean curvature of every label's problem is diagonal.

    Attributes
    ----------
    rows
        float64 [n, r], with the bias as one more column before they were turned.
    spread
        float64 [r], the sum of squares of each column.
    turned
        float64 [d + 1, r], or [n, r] where there is `back`: the directions.
    back
        [d + 1, n], numpy or scipy.sparse, where the directions are mixtures of rows; else None.
    """

    rows: FloatArray
    spread: FloatArray
    turned: FloatArray
    back: Any = None

    def weights(self, along: FloatArray) -> FloatArray:
        """Weights along the directions, float64 [r, labels], as those of the rows as they were, [d + 1, labels].

        The last one is the bias.
        """
        turned = self.turned @ along
        return np.asarray(turned if self.back is None else self.back @ turned)

    @classmethod
    def of(cls, rows: Any) -> Directions:
        """Of rows [n, d], numpy or scipy.sparse; by whichever is the smaller of their two products with themselves."""
        import scipy.sparse

        count, width = rows.shape
        ones = np.ones((count, 1))
        with one_thread():
            if scipy.sparse.issparse(rows):
                extended: Any = scipy.sparse.hstack([rows, ones], format="csr")
            else:
                extended = np.hstack([np.asarray(rows, dtype=np.float64), ones])
            if width + 1 <= count:
                product = extended.T @ extended
                spread, turned = _eigenvectors(product)
                return cls(np.asarray(extended @ turned), spread, turned)
            spread, turned = _eigenvectors(extended @ extended.T)
            lengths = np.sqrt(spread)
            return cls(turned * lengths, spread, turned / lengths, extended.T)


def _eigenvectors(product: Any) -> tuple[FloatArray, FloatArray]:
    """The eigenvalues that are no rounding, and their vectors as columns."""
    dense = product.toarray() if hasattr(product, "toarray") else product
    values, found = np.linalg.eigh(np.asarray(dense, dtype=np.float64))
    kept = values > values[-1] * _LEAST_DIRECTION
    return values[kept], found[:, kept]


def logistic_regressions(
    rows: Any, carries: BoolArray, *, inverse_regularizations: Sequence[float], balanced: bool
) -> list[tuple[FloatArray, FloatArray]]:
    """One logistic regression for each label and penalty; the same whatever the number of cores.

    Parameters
    ----------
    rows
        [n, d], numpy or scipy.sparse.
    carries
        bool [n, labels]; each label is carried by some rows, and not by all.
    inverse_regularizations
        values of C, above 0.
    balanced
        whether the rows that carry a label weigh as much together as all others.

    Returns
    -------
    list[tuple[FloatArray, FloatArray]]
        For each C weights float64 [labels, d] and biases float64 [labels].
    """
    if not carries.shape[1]:
        return [(np.zeros((0, rows.shape[1])), np.zeros(0)) for _ in inverse_regularizations]
    directions = Directions.of(rows)
    order = sorted(range(len(inverse_regularizations)), key=lambda place: inverse_regularizations[place])
    ascending = [inverse_regularizations[place] for place in order]

    def solve(columns: slice) -> list[FloatArray]:
        own = carries[:, columns]
        solved = _path(directions, own, _row_weights(own, balanced=balanced), ascending)
        return [directions.weights(along) for along in solved]

    blocks = [slice(first, first + LABELS_AT_ONCE) for first in range(0, carries.shape[1], LABELS_AT_ONCE)]
    solved = list(in_threads(solve, blocks))
    found: list[tuple[FloatArray, FloatArray]] = [(np.empty((0, 0)), np.empty(0))] * len(order)
    for step, place in enumerate(order):
        all_labels = np.concatenate([of_block[step] for of_block in solved], axis=1).T
        found[place] = np.ascontiguousarray(all_labels[:, :-1]), np.ascontiguousarray(all_labels[:, -1])
    return found


def _row_weights(carries: BoolArray, *, balanced: bool) -> FloatArray:
    """float64 [n, labels], what each row counts for; of a label they sum up to n."""
    if not balanced:
        return np.ones(carries.shape)
    count, positive = len(carries), carries.sum(axis=0)
    return np.where(carries, count / (2.0 * positive), count / (2.0 * (count - positive)))


def _path(
    directions: Directions, carries: BoolArray, row_weights: FloatArray, ascending: Sequence[float]
) -> Iterator[FloatArray]:
    """The solutions float64 [r, labels], from the strongest penalty to the weakest."""
    problem = _Problem(directions, np.where(carries, 1.0, -1.0), row_weights)
    weights: FloatArray = np.zeros((len(directions.spread), carries.shape[1]))
    for value in ascending:
        weights = problem.solved(value, weights)
        yield weights


class _Problem:
    """Half the squared length of the weights, and C times the weighted logistic loss; of several labels.

    Parameters
    ----------
    directions
        the rows.
    signs
        float64 [n, labels], 1 where the row carries the label, else -1.
    row_weights
        float64 [n, labels].
    """

    def __init__(self, directions: Directions, signs: FloatArray, row_weights: FloatArray) -> None:
        self._rows, self._spread = directions.rows, directions.spread
        self._single = directions.rows.astype(np.float32)
        self._signs, self._row_weights = signs, row_weights

    def solved(self, scale: float, weights: FloatArray) -> FloatArray:
        """The least, from `weights` on, float64 [r, labels], with C = `scale`."""
        logits = self._rows @ weights
        value = self._value(scale, weights, logits)
        at_zero = _lengths(scale * (self._rows.T @ (self._row_weights * self._signs / 2.0)))
        for _ in range(_MOST_STEPS):
            # The probability that the row is on the side that it is not on.
            wrong = 1.0 / (1.0 + np.exp(np.clip(self._signs * logits, -700.0, 700.0)))
            gradient = weights - scale * (self._rows.T @ (self._row_weights * self._signs * wrong))
            length = _lengths(gradient)
            moving = np.flatnonzero(length > _TOLERANCE * at_zero)
            if not len(moving):
                break
            curvature = scale * self._row_weights[:, moving] * wrong[:, moving] * (1.0 - wrong[:, moving])
            exactness = np.minimum(0.1, np.sqrt(length[moving] / at_zero[moving]))
            step = self._newton_step(gradient[:, moving], curvature, exactness)
            along = self._rows @ step
            slope = (gradient[:, moving] * step).sum(axis=0)
            size = np.ones(len(moving))
            for _ in range(_MOST_HALVINGS):
                tried = weights[:, moving] + size * step
                tried_logits = logits[:, moving] + size * along
                reached = self._value(scale, tried, tried_logits, moving)
                # Near the least the values differ by rounding alone.
                allowed = value[moving] + _ENOUGH_DESCENT * size * slope + 1e-12 * np.abs(value[moving])
                if (reached <= allowed).all():
                    break
                size[reached > allowed] /= 2.0
            weights, logits, value = weights.copy(), logits.copy(), value.copy()
            weights[:, moving], logits[:, moving], value[moving] = tried, tried_logits, reached
        return weights

    def _value(
        self, scale: float, weights: FloatArray, logits: FloatArray, labels: Any = slice(None)
    ) -> FloatArray:
        losses = self._row_weights[:, labels] * np.logaddexp(0.0, -self._signs[:, labels] * logits)
        return np.asarray(0.5 * np.square(weights).sum(axis=0) + scale * losses.sum(axis=0))

    def _newton_step(self, gradient: FloatArray, curvature: FloatArray, exactness: FloatArray) -> FloatArray:
        """The step by conjugate gradients, float64 [r, labels]; in single precision, since a tenth is exact enough.

        Preconditioned by the curvature as it would be if all rows had its mean: in these directions that is diagonal.
        """
        mean = (1.0 + self._spread[:, None] * curvature.mean(axis=0)).astype(np.float32)
        lengths = _lengths(gradient)
        # The labels' gradients differ by orders of magnitude; brought to one length, none is lost in rounding.
        left = (-gradient / lengths).astype(np.float32)
        bent = curvature.astype(np.float32)
        step = np.zeros_like(left)
        scaled = left / mean
        direction = scaled
        product = (left * scaled).sum(axis=0)
        going = np.ones(len(lengths), dtype=np.bool_)
        for _ in range(_MOST_PRODUCTS):
            curved = direction + self._single.T @ (bent * (self._single @ direction))
            bend = np.maximum((direction * curved).sum(axis=0), _TINY)
            size = np.where(going, product / bend, np.float32(0))
            step += size * direction
            left = left - size * curved
            going &= _lengths(left) > exactness
            if not going.any():
                break
            scaled = left / mean
            before, product = product, (left * scaled).sum(axis=0)
            direction = (
                scaled + np.where(going, product / np.maximum(before, _TINY), np.float32(0)) * direction
            )
        return np.asarray(step * lengths, dtype=np.float64)


def _lengths(columns: Any) -> Any:
    """Of each column."""
    return np.asarray(np.sqrt(np.square(columns).sum(axis=0)))
