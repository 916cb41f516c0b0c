"""From scores to probabilities that are as often right as they say, on notes that neither head nor features saw.

The tuned vectors of train notes come from a checkpoint that was taught their labels: they lie further apart than those
of notes to come, and a head that is calibrated on them is too sure. There the validation notes alone will do; of words
and base vectors the train notes, out of fold, serve as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from medembed_pipeline.classification.heads import LARGEST_LOGIT, expit, logit
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray

PENALTY = 1e-2
"""On the distance from changing nothing: with a handful of notes, hardly anything is changed."""

_STEPS = 100
_AS_IT_IS = np.array([1.0, 0.0, 0.0])


@dataclass(frozen=True)
class Calibration:
    """Logit -> slope * logit + shift + total * log(sum of the note's probabilities).

    Pooled over all labels, and of a label's own where it has enough positives. The last term is what one head for each
    label cannot know: that a note has a label. Where all of a note's probabilities are low, its likeliest label is more
    likely than it says; with a slope of 1 and a total of -1 the probabilities would be shares of their sum. It changes
    no order within a note.

    Reference: J. Platt, "Probabilistic outputs for support vector machines", 1999.

    Attributes
    ----------
    slope
        float64 [labels].
    shift
        float64 [labels].
    total
        float64 [labels].
    own
        bool [labels], which have their own.
    """

    slope: FloatArray
    shift: FloatArray
    total: FloatArray
    own: BoolArray

    @classmethod
    def unchanged(cls, labels: int) -> Calibration:
        """One that leaves every probability as it is."""
        return cls(np.ones(labels), np.zeros(labels), np.zeros(labels), np.zeros(labels, dtype=np.bool_))

    def apply(self, probabilities: FloatArray) -> FloatArray:
        """float64 [n, labels], calibrated."""
        if not probabilities.shape[1]:
            return probabilities
        found = logit(probabilities) * self.slope + self.shift + _log_totals(probabilities) * self.total
        return expit(found)


def _log_totals(probabilities: FloatArray) -> FloatArray:
    """float64 [n, 1]: the log of the sum of each note's probabilities."""
    return np.asarray(np.log(np.maximum(probabilities.sum(axis=1, keepdims=True), 1e-9)))


def fit_calibration(probabilities: FloatArray, membership: FloatArray, *, own_from: int) -> Calibration:
    """Fit slope, shift and total by maximum likelihood.

    Parameters
    ----------
    probabilities
        float64 [n, labels] of notes that the head has not seen.
    membership
        float64 [n, labels].
    own_from
        positives from which a label has its own.
    """
    labels = membership.shape[1]
    logits = logit(probabilities)
    totals = np.broadcast_to(_log_totals(probabilities), logits.shape)
    fitted = np.tile(_platt(logits.reshape(-1), totals.reshape(-1), membership.reshape(-1)), (labels, 1))
    own = membership.sum(axis=0) >= own_from
    for column in np.flatnonzero(own):
        fitted[column] = _platt(logits[:, column], totals[:, column], membership[:, column])
    return Calibration(fitted[:, 0], fitted[:, 1], fitted[:, 2], own)


def _platt(logits: FloatArray, totals: FloatArray, truth: FloatArray) -> FloatArray:
    """Slope, shift and total: Newton's method on the penalised likelihood, which is strictly convex. float64 [3]."""
    seen = np.stack([logits, np.ones_like(logits), totals], axis=1)
    found = _AS_IT_IS.copy()

    def objective(values: FloatArray) -> float:
        z = np.clip(seen @ values, -LARGEST_LOGIT, LARGEST_LOGIT)
        return float((np.logaddexp(0.0, z) - truth * z).sum()) + PENALTY * float(
            np.square(values - _AS_IT_IS).sum()
        )

    for _ in range(_STEPS):
        said = expit(seen @ found)
        gradient = seen.T @ (said - truth) + 2 * PENALTY * (found - _AS_IT_IS)
        weight = said * (1.0 - said)
        curvature = (seen * weight[:, None]).T @ seen + 2 * PENALTY * np.eye(3)
        step = np.linalg.solve(curvature, gradient)
        size, now = 1.0, objective(found)
        while size > 1e-6 and objective(found - size * step) > now:
            size /= 2
        found = found - size * step
        if float(np.abs(size * step).max()) < 1e-9:
            break
    found[0] = max(found[0], 1e-3)
    return found


def cross_calibrated(
    probabilities: FloatArray, membership: FloatArray, fold_of: IntArray, *, own_from: int
) -> FloatArray:
    """Every note calibrated by the notes of the other folds: what thresholds and sets are found on.

    Parameters
    ----------
    probabilities, membership, own_from
        as in `fit_calibration`.
    fold_of
        int64 [n], whole groups.

    Returns
    -------
    FloatArray
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

    Parameters
    ----------
    probabilities
        float64 [n], 0 to 1.
    truth
        float64 [n], 1.0 where true.
    bins
        how many.

    Returns
    -------
    tuple[IntArray, list[dict[str, Any]]]
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
