"""Bootstrap over duplicate groups: weights instead of copies, and percentile intervals."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline.evaluation.vectors import FloatArray

RESAMPLES = 1000
CONFIDENCE = 0.95

_SMALLEST_DEFINED_SHARE = 0.5


def group_weights(groups: Sequence[Hashable], *, resamples: int = RESAMPLES, seed: int) -> FloatArray:
    """How often each note counts in each bootstrap resample, when whole duplicate groups are drawn.

    Near-duplicates are no independent evidence: with replacement, as many groups are drawn as there are, and
    a note counts as often as its group was drawn. Applied to two models at once, the weights make their
    difference paired.

    Reference: B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 8 and 13; C. A.
    Field, A. H. Welsh, "Bootstrapping clustered data", J. R. Statist. Soc. B 69 (2007).

    Args:
        groups: the group of each of n notes, in the order of their note ids; only which notes share a group
            matters.
        resamples: number of resamples, 0 or more.
        seed: of the random draws.

    Returns:
        float64 [resamples, n], whole numbers.

    Raises:
        EvaluationError: resamples below 0.
    """
    if resamples < 0:
        raise EvaluationError(f"resamples = {resamples}: expected 0 or more.")
    code_of: dict[Hashable, int] = {}
    codes = np.array([code_of.setdefault(group, len(code_of)) for group in groups], dtype=np.int64)
    count = len(code_of)
    if count == 0 or resamples == 0:
        return np.zeros((resamples, len(codes)), dtype=np.float64)
    drawn = np.random.default_rng(seed).integers(count, size=(resamples, count))
    drawn += np.arange(resamples)[:, None] * count
    times = np.bincount(drawn.reshape(-1), minlength=resamples * count).reshape(resamples, count)
    return times.astype(np.float64)[:, codes]


def percentile_interval(
    samples: FloatArray, *, confidence: float = CONFIDENCE, centers: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Percentile bootstrap interval of each column.

    Resamples in which a figure is undefined (its specialty was not drawn, say) are left out; where they are
    more than half, there is no interval.

    Reference: B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.

    Args:
        samples: [resamples, c], NaN where undefined.
        confidence: share of the resamples inside, between 0 and 1.
        centers: [c]; where not NaN, the interval is moved so that the mean of its resamples lies there. For
            figures that a resample shifts as a whole, see `metrics_table`.

    Returns:
        Lower and upper end, float64 [c] each, NaN where there is no interval.

    Raises:
        EvaluationError: confidence out of range.
    """
    if not 0.0 < confidence < 1.0:
        raise EvaluationError(f"confidence = {confidence}: expected a number between 0 and 1, both excluded.")
    ends = np.full((2, samples.shape[1]), np.nan)
    defined = np.isfinite(samples).sum(axis=0)
    usable = (defined > 0) & (defined >= _SMALLEST_DEFINED_SHARE * len(samples))
    if usable.any():
        shares = [(1.0 - confidence) / 2, (1.0 + confidence) / 2]
        ends[:, usable] = np.nanquantile(samples[:, usable], shares, axis=0)
        if centers is not None:
            shift = centers[usable] - np.nanmean(samples[:, usable], axis=0)
            ends[:, usable] += np.where(np.isnan(shift), 0.0, shift)
    return ends[0], ends[1]
