"""Sets of labels that hold the true ones with a promised frequency."""

from __future__ import annotations

import numpy as np

from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray

EVERYTHING = 0.0
"""The threshold of a set of all labels."""


def risk_threshold(
    probabilities: FloatArray,
    membership: FloatArray,
    groups: IntArray,
    *,
    misses: float,
    outside: FloatArray | None = None,
) -> float:
    """The highest threshold whose sets miss at most a share of the true labels of a note to come, on average.

    Conformal risk control: the loss of a note is the share of its true labels that its set (labels from the threshold
    on) lacks. With n groups, the threshold is the highest with n / (n + 1) * mean loss + 1 / (n + 1) <= misses. The
    promise holds in expectation over the draw of these groups and the next, whatever the classifier is, as long as
    they are exchangeable; the loss of a group is the mean of its notes.

    Reference: A. N. Angelopoulos, S. Bates, A. Fisch, L. Lei, T. Schuster, "Conformal risk control", ICLR 2024.

    Parameters
    ----------
    probabilities
        float64 [n, labels] of notes that neither head nor calibration has seen.
    membership
        float64 [n, labels].
    groups
        int64 [n], numbers from 0.
    misses
        alpha, the promise, between 0 and 1.
    outside
        float64 [n], true labels of each note that are no column, and are always missed; None for none.

    Returns
    -------
    float
        0 where even sets of all labels cannot be promised to do (too few notes, or too many labels outside).
    """
    missed = np.zeros(len(membership)) if outside is None else np.asarray(outside, dtype=np.float64)
    carried = membership.sum(axis=1) + missed
    taking_part = np.flatnonzero(carried > 0)
    if not len(taking_part):
        return EVERYTHING
    _, numbers = np.unique(groups[taking_part], return_inverse=True)
    numbers = numbers.reshape(-1)
    sizes = np.bincount(numbers)
    count = len(sizes)
    # What a label of a note weighs in the mean over groups.
    weight = 1.0 / (carried[taking_part] * sizes[numbers] * count)
    allowed = (misses * (count + 1) - 1.0) / count
    always = float((missed[taking_part] * weight).sum())
    note, column = np.nonzero(membership[taking_part])
    own = probabilities[taking_part][note, column]
    order = np.argsort(own, kind="stable")
    values, lost = own[order], always + np.cumsum(weight[note][order])
    # A threshold just above values[i] misses the first i + 1; one at values[i] misses those strictly below.
    allowed += 1e-12
    if always > allowed:
        return EVERYTHING
    kept = np.searchsorted(lost, allowed, side="right")
    return float(values[kept]) if kept < len(values) else 1.0


def label_sets(probabilities: FloatArray, threshold: float) -> BoolArray:
    """bool [n, labels]: the labels from the threshold on."""
    return np.asarray(probabilities >= threshold)


def covered_shares(sets: BoolArray, membership: FloatArray, outside: FloatArray | None = None) -> FloatArray:
    """The share of each note's true labels that its set holds; NaN for a note without any. float64 [n]."""
    carried = membership.sum(axis=1) + (0.0 if outside is None else outside)
    held = (sets * membership).sum(axis=1)
    return np.divide(held, carried, out=np.full(len(held), np.nan), where=carried > 0)
