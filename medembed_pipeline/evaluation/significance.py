"""Has a figure fallen by more than it may, or is it shown that it has not: one-sided tests with a margin."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline.evaluation.vectors import FloatArray

_ROUNDING = 1e-9
_SIZE_OF_A_FALL = 0.5
"""Where no group fell: the fall of one group that a loss of the whole is thought to be made of."""


class MarginTest(NamedTuple):
    """Two one-sided p-values of one difference against the same margin.

    Attributes
    ----------
    worse
        of H0 that it fell by no more than the tolerance. Small: it truly fell by more.
    kept
        of H0 that it fell by at least the tolerance. Small: it is shown that it did not (non-inferiority).
    """

    worse: float
    kept: float


def margin_test(
    value: float, error: float, groups: int, *, tolerance: float, degrees: float | None = None
) -> MarginTest:
    """Test a difference against a tolerated fall.

    Student's t. Neither p-value goes below what so few groups can show: `worse` not below 2 ** -groups, the smallest of
    a sign test; `kept` not below (1 - 2 * tolerance) ** groups: a fall of the tolerance may be a share of 2 * tolerance
    of the groups falling by one half, and that is the chance that none of them is in the sample. So a specialty of five
    notes of which none changed is not shown to be kept.

    References: G. Piaggio et al., "Reporting of noninferiority and equivalence randomized trials", JAMA 308 (2012),
    for tests with a margin; A. C. Cameron, J. B. Gelbach, D. L. Miller, "Bootstrap-based improvements for inference
    with clustered errors", Review of Economics and Statistics 90 (2008), for the degrees of freedom.

    Parameters
    ----------
    value
        tuned - baseline.
    error
        its standard error, NaN where it has none.
    groups
        independent groups behind it.
    tolerance
        by how much it may fall, 0 or more, in its own unit.
    degrees
        degrees of freedom of the error; None for the number of groups, less one.

    Returns
    -------
    MarginTest
        Both p-values, 0 to 1; NaN where it cannot be tested.

    Raises
    ------
    EvaluationError
        a tolerance below 0.
    """
    from scipy.special import stdtr

    if tolerance < 0:
        raise EvaluationError(f"tolerance = {tolerance}: expected 0 or more.")
    if not (math.isfinite(value) and math.isfinite(error)) or groups < 2:
        return MarginTest(math.nan, math.nan)
    excess = value + tolerance
    # How a sum of equal figures is rounded must not decide whether it lies at the limit or below.
    by_sign = float(excess >= -_ROUNDING)
    worse = (
        float(stdtr(groups - 1 if degrees is None else degrees, excess / error))
        if error > _ROUNDING
        else by_sign
    )
    none_fell = max(0.0, 1.0 - tolerance / _SIZE_OF_A_FALL) ** groups
    return MarginTest(max(worse, 0.5**groups), max(1.0 - worse, none_fell))


def groups_to_decide(
    value: float, error: float, groups: int, *, tolerance: float, significance: float
) -> int | None:
    """How many groups it would take to show that a difference of this size and spread is kept, or worse.

    Returns
    -------
    int | None
        None where it lies on the margin itself or has no error to go by, and where a fall of nothing would have to be
        excluded.
    """
    from scipy.special import ndtri

    excess = value + tolerance
    if not (math.isfinite(excess) and math.isfinite(error)) or groups < 2 or abs(excess) <= _ROUNDING:
        return None
    by_spread = groups * (float(ndtri(1.0 - significance)) * error / excess) ** 2
    # What so few groups can show at all; see `margin_test`.
    share = min(tolerance / _SIZE_OF_A_FALL, 1.0) if excess > 0 else 0.5
    if share <= _ROUNDING:
        return None
    by_chance = 2.0 if share == 1 else math.log(significance) / math.log1p(-share)
    return math.ceil(max(by_spread, by_chance, groups + 1))


def holm_adjusted(p_values: npt.ArrayLike) -> FloatArray:
    """p-values adjusted for how many there are, so that any false alarm among them all is kept under the level.

    Reject where the adjusted value is at most the level. Holds whatever the dependence between the tests, and is
    never weaker than Bonferroni.

    Reference: S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6 (1979).

    Parameters
    ----------
    p_values
        [m] from 0 to 1; NaN for what was not tested, which does not count as a test.

    Returns
    -------
    FloatArray
        float64 [m]: with the tested ones sorted, p_(1) <= ... <= p_(t), the i-th becomes the largest min(1, (t - j +
        1) p_(j)) over j <= i; NaN stays NaN.

    Raises
    ------
    EvaluationError
        a p-value outside 0 to 1.
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
