"""Out-of-sample probabilities of every specialty for every note."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medembed_pipeline.evaluation.regression import logistic_regressions
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray, unit_rows
from medembed_pipeline.evidence.labels.errors import LabelReviewError
from medembed_pipeline.threads import one_thread

# On the clinical notes (1,661 notes, 384 dimensions) the log loss a note was 1.90 with 1, 1.30 with 10 and 1.53
# with 100. It holds for any dimension, since the rows are of unit length.
INVERSE_REGULARIZATION = 10.0

_BIAS = 10.0
"""With it the log loss on two folds of the clinical notes was that of a free bias, 1.309; with ones it was 1.314."""

DECIMALS = 6
"""Probabilities are rounded here: further down, the solver's last step depends on the machine."""


def learnable_specialties(membership: FloatArray, groups: IntArray, fold_of: IntArray) -> BoolArray:
    """Which specialties can be judged: those that every fold can be learned without and scored on.

    A specialty needs at least as many duplicate groups as there are folds, and in the training part of each fold
    both a note that carries it and one that does not.

    Parameters
    ----------
    membership
        float64 [n, m].
    groups
        int64 [n], numbers from 0.
    fold_of
        int64 [n], the fold of each note.

    Returns
    -------
    BoolArray
        bool [m].
    """
    folds = int(fold_of.max(initial=-1)) + 1
    learnable = np.array(
        [len(np.unique(groups[column > 0])) >= max(2, folds) for column in membership.T], dtype=np.bool_
    )
    for fold in range(folds):
        inside = membership[fold_of != fold]
        carried = inside.sum(axis=0)
        learnable &= (carried > 0) & (carried < len(inside))
    return learnable


def out_of_sample_probabilities(
    embeddings: npt.ArrayLike, membership: FloatArray, fold_of: IntArray
) -> FloatArray:
    """Probability that a note carries a specialty, by a model that saw neither the note nor its group.

    One logistic regression for each specialty and fold (one against the rest, so that the probabilities of
    several specialties can all be high), its bias all but free, in float64: the same input gives the same output,
    on any number of cores.

    Parameters
    ----------
    embeddings
        [n, d] unit rows.
    membership
        float64 [n, m], only learnable specialties (see `learnable_specialties`).
    fold_of
        int64 [n].

    Returns
    -------
    FloatArray
        float64 [n, m], rounded to DECIMALS.

    Raises
    ------
    LabelReviewError
        numbers of rows that differ, or a specialty that cannot be learned.
    EvaluationError
        rows that are not of unit length.
    """
    from scipy.special import expit

    rows = unit_rows(embeddings)
    if not len(rows) == len(membership) == len(fold_of):
        raise LabelReviewError(
            f"embeddings: {len(rows)} rows for {len(membership)} notes in {len(fold_of)} folds; expected one per note."
        )
    # The solver penalises the bias like a weight: what this column's weight adds is nearly free of that.
    rows = np.hstack([rows, np.full((len(rows), 1), _BIAS)])
    probabilities = np.zeros(membership.shape)
    for fold in np.unique(fold_of):
        seen = fold_of != fold
        carries = membership[seen] > 0
        unlearnable = np.flatnonzero(carries.all(axis=0) | ~carries.any(axis=0))
        if len(unlearnable):
            raise LabelReviewError(
                f"specialty number {unlearnable[0]} cannot be learned without fold {fold}: all or none of the "
                "other notes carry it. Leave it out, or use fewer folds."
            )
        ((weights, biases),) = logistic_regressions(
            rows[seen], carries, inverse_regularizations=[INVERSE_REGULARIZATION], balanced=False
        )
        with one_thread():
            probabilities[~seen] = expit(rows[~seen] @ weights.T + biases)
    return np.round(probabilities, DECIMALS)
