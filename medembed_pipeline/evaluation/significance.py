"""Is a figure truly lower than it may be: one-sided tests on bootstrap draws, corrected for their number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray

_SMALLEST_DEFINED_SHARE = 0.5
_ROUNDING = 1e-9


def p_values_of_fall(
    differences: npt.ArrayLike, draws: FloatArray, groups: IntArray, *, tolerance: float
) -> FloatArray:
    """One-sided p-value per column of H0: the difference is at least -tolerance. Small: it truly fell below.

    The largest of three, because each alone is too bold somewhere: the share of the resamples that do not fall
    below (the percentile bootstrap, too bold with few groups); Student's t with the bootstrap's standard error
    and as many degrees of freedom as there are groups, less one (too bold where the figures are skewed); and
    2 ** -groups, below which not even a sign test of so many groups can go. In simulations at the limit itself
    (multiples of 0.2, symmetric, skewed down, or two-humped; 5 to 50 groups) it rejected in 0.3% to 6.2% of the
    cases at a level of 5%. It is too bold still where a figure is the same in most groups and far higher in a few.

    References: B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 16; A. C. Cameron,
    J. B. Gelbach, D. L. Miller, "Bootstrap-based improvements for inference with clustered errors", Review of
    Economics and Statistics 90 (2008), for the degrees of freedom; T. C. Hesterberg, "What teachers should know
    about the bootstrap", The American Statistician 69 (2015), for small samples.

    Args:
        differences: [c], tuned - baseline on the notes themselves, NaN where undefined.
        draws: [resamples, c], the same under each resample of the duplicate groups, NaN where undefined.
        groups: int [c], duplicate groups behind each figure.
        tolerance: by how much a figure may fall, 0 or more, in its own unit.

    Returns:
        float64 [c] in (0, 1]; NaN where it cannot be tested: undefined, fewer than two groups, or undefined in
        more than half of the resamples.

    Raises:
        EvaluationError: shapes that do not fit each other, or a tolerance below 0.
    """
    from scipy.special import stdtr

    values = np.asarray(differences, dtype=np.float64)
    if tolerance < 0 or values.ndim != 1 or draws.shape[1:] != values.shape or groups.shape != values.shape:
        raise EvaluationError(
            f"differences {values.shape}, draws {draws.shape}, groups {groups.shape}, tolerance {tolerance}: "
            "expected [c], [resamples, c], [c] and a tolerance of at least 0."
        )
    defined = np.isfinite(draws)
    count = defined.sum(axis=0)
    usable = np.isfinite(values) & (groups >= 2) & (count >= max(1, _SMALLEST_DEFINED_SHARE * len(draws)))
    p_values = np.full(len(values), np.nan)
    for column in np.flatnonzero(usable):
        drawn = draws[defined[:, column], column]
        size = int(groups[column])
        # How a sum of equal figures is rounded must not decide whether it lies at the limit or below.
        not_below = int((drawn >= -tolerance - _ROUNDING).sum())
        excess = values[column] + tolerance
        error = float(drawn.std()) * np.sqrt(size / (size - 1))
        student = float(excess >= -_ROUNDING)
        if error > _ROUNDING:
            student = float(stdtr(size - 1, excess / error))
        p_values[column] = max((1 + not_below) / (1 + len(drawn)), student, 0.5**size)
    return p_values


def holm_adjusted(p_values: npt.ArrayLike) -> FloatArray:
    """p-values adjusted for how many there are, so that any false alarm among them all is kept under the level.

    Reject where the adjusted value is at most the level. Holds whatever the dependence between the tests, and is
    never weaker than Bonferroni.

    Reference: S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6 (1979).

    Args:
        p_values: [m] from 0 to 1; NaN for what was not tested, which does not count as a test.

    Returns:
        float64 [m]: with the tested ones sorted, p_(1) <= ... <= p_(t), the i-th becomes the largest
        min(1, (t - j + 1) p_(j)) over j <= i; NaN stays NaN.

    Raises:
        EvaluationError: a p-value outside 0 to 1.
    """
    values = np.asarray(p_values, dtype=np.float64)
    tested = np.flatnonzero(np.isfinite(values))
    if values.ndim != 1 or np.isinf(values).any() or ((values[tested] < 0) | (values[tested] > 1)).any():
        raise EvaluationError(
            "p_values: expected a list of numbers from 0 to 1, or NaN where nothing was tested."
        )
    order = tested[np.argsort(values[tested], kind="stable")]
    steps = np.arange(len(order), 0, -1)
    adjusted = np.full(len(values), np.nan)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * steps))
    return adjusted
