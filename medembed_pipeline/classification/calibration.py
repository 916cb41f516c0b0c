"""From scores to probabilities that are as often right as they say, on validation notes alone.

The vectors of train notes come from a checkpoint that was taught their labels: they lie further apart than those of
notes to come, and a head that is calibrated on them is too sure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medembed_pipeline.classification.heads import LARGEST_LOGIT, expit, logit
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray

PENALTY = 1e-2
"""On the slope's distance from 1 and on the shift: with a handful of notes, hardly anything is changed."""

_STEPS = 100


@dataclass(frozen=True)
class Calibration:
    """Logit -> slope * logit + shift, pooled over all labels, and of a label's own where it has enough positives.

    Reference: J. Platt, "Probabilistic outputs for support vector machines", 1999.

    Attributes:
        slope: float64 [labels].
        shift: float64 [labels].
        own: bool [labels], which have their own.
    """

    slope: FloatArray
    shift: FloatArray
    own: BoolArray = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))

    def apply(self, probabilities: FloatArray) -> FloatArray:
        """float64 [n, labels], calibrated."""
        return expit(logit(probabilities) * self.slope + self.shift)


def fit_calibration(probabilities: FloatArray, membership: FloatArray, *, own_from: int) -> Calibration:
    """Fit slope and shift by maximum likelihood.

    Args:
        probabilities: float64 [n, labels] of notes that the head has not seen.
        membership: float64 [n, labels].
        own_from: positives from which a label has slope and shift of its own.
    """
    labels = membership.shape[1]
    logits = logit(probabilities)
    slope, shift = _platt(logits.reshape(-1), membership.reshape(-1))
    slopes, shifts = np.full(labels, slope), np.full(labels, shift)
    own = membership.sum(axis=0) >= own_from
    for column in np.flatnonzero(own):
        slopes[column], shifts[column] = _platt(logits[:, column], membership[:, column])
    return Calibration(slopes, shifts, own)


def _platt(logits: FloatArray, truth: FloatArray) -> tuple[float, float]:
    """Newton's method on the penalised likelihood, which is strictly convex."""
    slope, shift = 1.0, 0.0

    def objective(slope: float, shift: float) -> float:
        z = np.clip(slope * logits + shift, -LARGEST_LOGIT, LARGEST_LOGIT)
        return float((np.logaddexp(0.0, z) - truth * z).sum()) + PENALTY * ((slope - 1.0) ** 2 + shift**2)

    for _ in range(_STEPS):
        found = expit(slope * logits + shift)
        error, weight = found - truth, found * (1.0 - found)
        gradient = np.array([error @ logits, error.sum()]) + 2 * PENALTY * np.array([slope - 1.0, shift])
        cross = float(weight @ logits)
        curvature = np.array([[weight @ logits**2, cross], [cross, weight.sum()]]) + 2 * PENALTY * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        size, now = 1.0, objective(slope, shift)
        while size > 1e-6 and objective(slope - size * step[0], shift - size * step[1]) > now:
            size /= 2
        slope, shift = slope - size * float(step[0]), shift - size * float(step[1])
        if float(np.abs(size * step).max()) < 1e-9:
            break
    return max(slope, 1e-3), shift


def cross_calibrated(
    probabilities: FloatArray, membership: FloatArray, fold_of: IntArray, *, own_from: int
) -> FloatArray:
    """Every note calibrated by the notes of the other folds: what thresholds and sets are found on.

    Args:
        probabilities, membership, own_from: as in `fit_calibration`.
        fold_of: int64 [n], whole groups.

    Returns:
        float64 [n, labels].
    """
    found = np.array(probabilities, dtype=np.float64)
    for fold in np.unique(fold_of):
        others = fold_of != fold
        if others.any():
            fitted = fit_calibration(probabilities[others], membership[others], own_from=own_from)
            found[~others] = fitted.apply(probabilities[~others])
    return found


def reliability_bins(
    probabilities: FloatArray, truth: FloatArray, *, bins: int
) -> tuple[IntArray, list[dict[str, Any]]]:
    """Predictions in bins of equal width: what was said, and how often it was true.

    Args:
        probabilities: float64 [n], 0 to 1.
        truth: float64 [n], 1.0 where true.
        bins: how many.

    Returns:
        int64 [n], the bin of each; and a record per bin that is not empty: `low`, `high`, `said`, `true`, `n`.
    """
    bin_of = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    records = []
    for place in range(bins):
        inside = bin_of == place
        if inside.any():
            records.append(
                {
                    "low": place / bins,
                    "high": (place + 1) / bins,
                    "said": round(float(probabilities[inside].mean()), 6),
                    "true": round(float(truth[inside].mean()), 6),
                    "n": int(inside.sum()),
                }
            )
    return bin_of, records
