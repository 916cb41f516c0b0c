"""Heads: from the rows of notes to a probability for each label, every label by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medembed_pipeline.evaluation.neighbors import SIMILARITY_STEPS
from medembed_pipeline.evaluation.regression import logistic_regressions
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, rows_per_block
from medembed_pipeline.threads import in_threads

MOST_SPARSE_ROWS = 1_500
"""Of more sparse rows, liblinear is quicker than to turn them into directions, which grows with the cube: words of 800
notes of MTSamples took 0.7 s against 1.7, of 1,650 notes 4.4 s against 3.7."""
_TOLERANCE = 1e-3
_MOST_STEPS = 200
_BYTES_PER_CANDIDATE = 32
LARGEST_LOGIT = 30.0


@dataclass(frozen=True)
class LinearHead:
    """A logistic regression for each label.

    Attributes
    ----------
    weights
        float64 [labels, d].
    bias
        float64 [labels].
    """

    weights: FloatArray
    bias: FloatArray

    def probabilities(self, rows: Any) -> FloatArray:
        """float64 [n, labels], from rows [n, d], numpy or scipy.sparse."""
        return expit(np.asarray(rows @ self.weights.T, dtype=np.float64) + self.bias)


def expit(logits: FloatArray) -> FloatArray:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT))))


def logit(probabilities: FloatArray) -> FloatArray:
    """The inverse of `expit`; what is 0 or 1 stays finite."""
    least = 1.0 / (1.0 + np.exp(LARGEST_LOGIT))
    inside = np.clip(probabilities, least, 1.0 - least)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def fit_linear(
    rows: Any, membership: FloatArray, *, inverse_regularization: float, balanced: bool = False
) -> LinearHead:
    """One logistic regression against the rest for each label; see `fit_linear_heads`."""
    return fit_linear_heads(
        rows, membership, inverse_regularizations=[inverse_regularization], balanced=balanced
    )[0]


def fit_linear_heads(
    rows: Any, membership: FloatArray, *, inverse_regularizations: Sequence[float], balanced: bool = False
) -> list[LinearHead]:
    """One logistic regression against the rest for each label, with each of several penalties.

    A label that all or none of the notes carry has no weights, and a bias that says so.

    Reference: R. Rifkin, A. Klautau, "In defense of one-vs-all classification", JMLR 5 (2004).

    Parameters
    ----------
    rows
        [n, d], numpy or scipy.sparse.
    membership
        float64 [n, labels], 1.0 where the note carries the label.
    inverse_regularizations
        values of C, above 0.
    balanced
        whether the notes that carry a label weigh as much together as all others.
    """
    count, labels = membership.shape
    carries = membership > 0
    positive = carries.sum(axis=0)
    is_split = (positive > 0) & (positive < count) & (rows.shape[1] > 0)
    by_label = _label_by_label if _is_long_and_sparse(rows) else logistic_regressions
    solved = by_label(
        rows,
        carries[:, is_split],
        inverse_regularizations=inverse_regularizations,
        balanced=balanced,
    )
    heads = []
    for weights_of_split, bias_of_split in solved:
        weights, bias = np.zeros((labels, rows.shape[1])), logit((positive + 0.5) / (count + 1.0))
        weights[is_split], bias[is_split] = weights_of_split, bias_of_split
        heads.append(LinearHead(weights, bias))
    return heads


def _is_long_and_sparse(rows: Any) -> bool:
    return not isinstance(rows, np.ndarray) and rows.shape[0] > MOST_SPARSE_ROWS


def _label_by_label(
    rows: Any, carries: BoolArray, *, inverse_regularizations: Sequence[float], balanced: bool
) -> list[tuple[FloatArray, FloatArray]]:
    """As `logistic_regressions`, by liblinear."""
    from sklearn.linear_model import LogisticRegression

    def fit(task: tuple[float, int]) -> tuple[FloatArray, float]:
        model = LogisticRegression(
            C=task[0],
            class_weight="balanced" if balanced else None,
            solver="liblinear",
            tol=_TOLERANCE,
            max_iter=_MOST_STEPS,
        ).fit(rows, carries[:, task[1]])
        return model.coef_[0], float(model.intercept_[0])

    labels = range(carries.shape[1])
    found: list[tuple[FloatArray, FloatArray]] = []
    for value in inverse_regularizations:
        models = list(in_threads(fit, [(value, label) for label in labels]))
        weights = np.array([weights for weights, _ in models]).reshape(len(labels), rows.shape[1])
        found.append((weights, np.array([bias for _, bias in models])))
    return found


@dataclass(frozen=True)
class NeighborHead:
    """The share of the nearest train notes that carry each label, the nearer ones counting more.

    Attributes
    ----------
    rows
        float64 [t, d] unit rows of the train notes.
    membership
        float64 [t, labels].
    neighbors
        voters per note; all where there are fewer.
    """

    rows: FloatArray
    membership: FloatArray
    neighbors: int

    def probabilities(self, rows: FloatArray) -> FloatArray:
        """float64 [n, labels], from unit rows [n, d]; a vote weighs by its similarity, at least 0."""
        chosen, similarity = nearest_rows(self.rows, rows, k=self.neighbors)
        weight = np.maximum(similarity, 0.0) + np.finfo(np.float64).tiny
        weight /= np.maximum(weight.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        if not chosen.shape[1]:
            return np.zeros((len(rows), self.membership.shape[1]))
        return np.asarray(np.einsum("nk,nkl->nl", weight, self.membership[chosen]))


def nearest_rows(known: FloatArray, asked: FloatArray, *, k: int) -> tuple[Any, FloatArray]:
    """The k most similar of some unit rows, the most similar first; of equal ones, the lower row.

    Parameters
    ----------
    known
        [t, d] unit rows.
    asked
        [n, d] unit rows.
    k
        as many as there are, where there are fewer.

    Returns
    -------
    tuple[Any, FloatArray]
        int64 [n, k] rows of `known`, float64 [n, k] their cosines.
    """
    width = min(k, len(known))
    chosen = np.zeros((len(asked), width), dtype=np.int64)
    similarity = np.zeros((len(asked), width))
    if not width:
        return chosen, similarity
    step = rows_per_block(len(known) * _BYTES_PER_CANDIDATE)
    for start in range(0, len(asked), step):
        block = np.clip(np.asarray(asked[start : start + step] @ known.T, dtype=np.float64), -1.0, 1.0)
        # Whole numbers, so that a tie is one on every machine.
        keys = np.rint((1.0 - block) * SIMILARITY_STEPS).astype(np.int64) * len(known) + np.arange(len(known))
        first = np.sort(np.partition(keys, width - 1, axis=1)[:, :width], axis=1) % len(known)
        chosen[start : start + step] = first
        similarity[start : start + step] = np.take_along_axis(block, first, axis=1)
    return chosen, similarity


@dataclass(frozen=True)
class PrevalenceHead:
    """Every note alike: the share of train notes that carry each label.

    Attributes
    ----------
    share
        float64 [labels].
    """

    share: FloatArray

    def probabilities(self, rows: Sequence[Any] | FloatArray) -> FloatArray:
        """float64 [n, labels]."""
        return np.tile(self.share, (len(rows), 1))


Head = LinearHead | NeighborHead | PrevalenceHead
