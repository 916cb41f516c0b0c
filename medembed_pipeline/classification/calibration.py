"""From scores to probabilities that are as often right as they say, on notes that neither head nor features saw.

The tuned vectors of train notes come from a checkpoint that was taught their labels: they lie further apart than those
of notes to come, and a head that is calibrated on them is too sure. There the validation notes alone will do; of words
and base vectors the train notes, out of fold, serve as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medembed_pipeline.classification.heads import LARGEST_LOGIT, expit, logit
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray

PENALTIES = (1e-2, 1e-2, 1e-2, 1.0)
"""On how far slope, shift, total and rarity are from changing nothing: with a handful of notes, hardly anything is
changed. A few labels that are about as frequent tell next to nothing of rarity."""

_STEPS = 100
_LEAST_STEP = 1e-9
_AS_IT_IS = (1.0, 0.0, 0.0, 0.0)
"""Slope, shift, total and rarity that change nothing."""


@dataclass(frozen=True)
class Calibration:
    """Logit -> slope * logit + shift + total * log(sum of the note's probabilities).

    Pooled over all labels, and of a label's own where it has enough positives. The last term is what one head for each
    label cannot know: that a note has a label. Where all of a note's probabilities are low, its likeliest label is more
    likely than it says; with a slope of 1 and a total of -1 the probabilities would be shares of their sum.

    Where the calibration is pooled, a label's shift also goes by how rare it is: a penalty holds a head back the more,
    the fewer notes it has learned from.

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
    (found,) = _fit_calibrations(probabilities, membership, own_from=[own_from])
    return found


def _fit_calibrations(
    probabilities: FloatArray, membership: FloatArray, *, own_from: Sequence[int]
) -> list[Calibration]:
    """As `fit_calibration`, for several values of `own_from`: what all labels share is fitted once."""
    logits = logit(probabilities)
    ones, totals = np.ones_like(logits), np.broadcast_to(_log_totals(probabilities), logits.shape)
    positives = membership.sum(axis=0)
    frequency = np.log(positives + 0.5)
    rarity = frequency.mean() - frequency
    of_all = np.stack([logits, ones, totals, np.broadcast_to(rarity, logits.shape)])
    slope, shift, total, rare = _platt(of_all.reshape(4, -1, 1), membership.reshape(-1, 1))[0]
    pooled = np.stack(
        [np.full_like(rarity, slope), shift + rare * rarity, np.full_like(rarity, total)], axis=1
    )
    some = positives >= min(own_from)
    each = pooled.copy()
    each[some] = _platt(np.stack([logits, ones, totals])[:, :, some], membership[:, some])
    found = []
    for least in own_from:
        own = positives >= least
        fitted = np.where(own[:, None], each, pooled)
        found.append(Calibration(fitted[:, 0], fitted[:, 1], fitted[:, 2], own))
    return found


def _platt(features: FloatArray, truth: FloatArray) -> FloatArray:
    """What each feature is multiplied by, in each column: Newton's method on a penalised likelihood, strictly convex.

    Takes [features, n, columns], the first of them logits, and [n, columns]; gives float64 [columns, features].
    """
    as_it_is, penalties = np.array(_AS_IT_IS[: len(features)]), np.array(PENALTIES[: len(features)])
    found = np.tile(as_it_is, (truth.shape[1], 1))

    def told(values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The objective of each column, and the probabilities."""
        z = sum(feature * value for feature, value in zip(features, values.T, strict=True))
        z = np.clip(z, -LARGEST_LOGIT, LARGEST_LOGIT)
        small = np.exp(-np.abs(z))
        losses = np.log1p(small) + np.maximum(z, 0.0) - truth * z
        said = np.where(z >= 0, 1.0, small) / (1.0 + small)
        return losses.sum(axis=0) + np.square(values - as_it_is) @ penalties, said

    going = np.ones(len(found), dtype=np.bool_)
    now, said = told(found)
    for _ in range(_STEPS):
        if not going.any():
            break
        wrong, weight = said - truth, said * (1.0 - said)
        sums = [(wrong * feature).sum(axis=0) for feature in features]
        gradient = np.stack(sums, axis=1) + 2 * penalties * (found - as_it_is)
        curvature = np.empty((len(found), len(features), len(features)))
        for row, feature in enumerate(features):
            weighed = weight * feature
            for column in range(row + 1):
                product = (weighed * features[column]).sum(axis=0)
                curvature[:, row, column] = curvature[:, column, row] = product
        step = np.linalg.solve(curvature + 2 * np.diag(penalties), gradient[..., None])[..., 0]
        step[~going] = 0.0
        then, said = told(found - step)
        while (worse := (then > now) & (np.abs(step).max(axis=1) > _LEAST_STEP)).any():
            step[worse] /= 2
            then, said = told(found - step)
        found, now = found - step, then
        going &= np.abs(step).max(axis=1) >= _LEAST_STEP
    found[:, 0] = np.maximum(found[:, 0], 1e-3)
    return found


def cross_calibrated(
    probabilities: FloatArray, membership: FloatArray, fold_of: IntArray, *, own_from: Sequence[int]
) -> list[FloatArray]:
    """Every note calibrated by the notes of the other folds: what thresholds and sets are found on.

    Parameters
    ----------
    probabilities, membership
        as in `fit_calibration`.
    fold_of
        int64 [n], whole groups.
    own_from
        values to try; see `fit_calibration`.

    Returns
    -------
    list[FloatArray]
        For each of them float64 [n, labels].
    """
    found = [np.array(probabilities, dtype=np.float64) for _ in own_from]
    for fold in np.unique(fold_of):
        others = fold_of != fold
        if others.any():
            fitted = _fit_calibrations(probabilities[others], membership[others], own_from=own_from)
            for calibrated, calibration in zip(found, fitted, strict=True):
                calibrated[~others] = calibration.apply(probabilities[~others])
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
