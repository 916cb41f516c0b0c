"""Intervals: every figure is computed again without each group, and the spread of those values is its error.

The unit of sampling is a group of notes (near-duplicates, a patient's notes). A group that is left out leaves
everywhere: its notes ask no more, and are found no more. So the interval knows that another sample would have brought
other queries *and* other candidates, which a bootstrap of the queries alone does not.

The variance of such a jackknife is too large where a figure depends on pairs: in the decomposition of Hoeffding, what
r groups do together is counted r times. What one query and one candidate do together can be measured, however: it is
the change of a query's score when a candidate leaves. Summed over queries of groups g and candidates of groups h, its
squares estimate everything that is counted too often where each such effect has one query in it, and they are taken
off again (`Jackknife.double_counted`). Effects that two notes have on each other both ways are taken off by half: the
intervals are a little wide there, never narrow. Two fifths of the variance are always kept.

References: B. Efron, C. Stein, "The jackknife estimate of variance", Annals of Statistics 9 (1981), for the
decomposition, the sign of the bias and its correction by differences of second order; W. Hoeffding, "A class of
statistics with asymptotically normal distribution", Annals of Mathematical Statistics 19 (1948); A. C. Cameron,
J. B. Gelbach, D. L. Miller, "Bootstrap-based improvements for inference with clustered errors", Review of Economics
and Statistics 90 (2008), for Student's t with few groups. How often the intervals cover is measured:
docs/statistics.md.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray

CONFIDENCE = 0.95
_ROUNDING = 1e-9
SMALLEST_SHARE_KEPT = 0.4
"""Of the jackknife's variance: what stays at least when `double_counted` is taken off."""


@dataclass(frozen=True)
class Jackknife:
    """Figures, and what each would be without each group.

    Attributes
    ----------
    value
        float64 [c], the figures; NaN where undefined.
    left_out
        float64 [groups, c], the figures without each group; equal to `value` where a group plays no part.
    double_counted
        float64 [c], variance that leaving out one group at a time counts too often; 0 for none.
    groups
        int64 [c], independent groups behind each figure.
    """

    value: FloatArray
    left_out: FloatArray
    double_counted: FloatArray
    groups: IntArray

    def columns(self, chosen: Sequence[int] | IntArray) -> Jackknife:
        """Some of the figures."""
        places = np.asarray(chosen, dtype=np.int64)
        return Jackknife(
            self.value[places], self.left_out[:, places], self.double_counted[places], self.groups[places]
        )


class Intervals(NamedTuple):
    """float64 [c] each, NaN where there is no interval: both ends, standard error, degrees of freedom."""

    low: FloatArray
    high: FloatArray
    error: FloatArray
    degrees: FloatArray


def group_numbers(groups: Sequence[Hashable]) -> IntArray:
    """Groups by any name as numbers from 0, in the order of their first appearance. int64 [n]."""
    number_of: dict[Hashable, int] = {}
    return np.array([number_of.setdefault(group, len(number_of)) for group in groups], dtype=np.int64)


def mean_jackknife(
    scores: npt.ArrayLike, groups: Sequence[Hashable] | IntArray, columns: npt.ArrayLike | None = None
) -> Jackknife:
    """Means of scores that stand for themselves: an item's score does not depend on the others.

    Parameters
    ----------
    scores
        [n], NaN for items that take no part.
    groups
        n groups.
    columns
        [n, c], 1.0 where an item belongs to the column; by default one column with all.

    Raises
    ------
    EvaluationError
        inputs of different lengths.
    """
    values = np.asarray(scores, dtype=np.float64)
    numbers = group_numbers(list(groups))
    if values.ndim != 1 or len(values) != len(numbers):
        raise EvaluationError(
            f"scores of shape {values.shape} for {len(numbers)} groups: expected one score each."
        )
    inside = np.ones((len(values), 1)) if columns is None else np.asarray(columns, dtype=np.float64)
    taking_part = np.isfinite(values)
    count = int(numbers.max(initial=-1)) + 1
    sums = sum_by_group(inside * np.where(taking_part, values, 0.0)[:, None], numbers, count)
    sizes = sum_by_group(inside * taking_part[:, None], numbers, count)
    return ratio_jackknife(sums, sizes)


def ratio_jackknife(
    sums: FloatArray,
    sizes: FloatArray,
    *,
    effect: FloatArray | None = None,
    lost: FloatArray | None = None,
    squared_effects: FloatArray | None = None,
) -> Jackknife:
    """Means over queries, of what each group's queries score and of what its candidates do to the others.

    Parameters
    ----------
    sums
        [groups, c], sum of the scores of each group's queries.
    sizes
        [groups, c], how many queries those are.
    effect
        [groups, c], by how much the scores of all other queries fall in sum when the group's candidates leave.
    lost
        [groups, c], how many other queries then have nothing to find, and take no part (their whole score is in
        `effect`).
    squared_effects
        [c], sum of the squared effects of candidates of one group on the queries of another.
    """
    total, number = sums.sum(axis=0), sizes.sum(axis=0)
    left_sum = total - sums - (0.0 if effect is None else effect)
    left_number = number - sizes - (0.0 if lost is None else lost)
    value = np.divide(total, number, out=np.full_like(total, np.nan), where=number > 0)
    left_out = np.divide(left_sum, left_number, out=np.full_like(left_sum, np.nan), where=left_number > 0.5)
    twice = np.zeros_like(total)
    if squared_effects is not None:
        twice = np.divide(squared_effects, number**2, out=twice, where=number > 0)
    return Jackknife(value, left_out, twice, np.asarray((sizes > 0).sum(axis=0), dtype=np.int64))


def sum_by_group(values: FloatArray, groups: IntArray, count: int) -> FloatArray:
    """Sums of the rows [n, c] of each group. float64 [count, c]."""
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, groups, values)
    return sums


def difference(left: Jackknife, right: Jackknife, double_counted: FloatArray | None = None) -> Jackknife:
    """left - right on the same notes, paired: both lose the same group at a time.

    Parameters
    ----------
    left, right
        of the same groups and columns.
    double_counted
        of the difference itself; by default 0, which is safe.
    """
    twice = np.zeros_like(left.value) if double_counted is None else double_counted
    return Jackknife(
        left.value - right.value,
        left.left_out - right.left_out,
        twice,
        np.minimum(left.groups, right.groups),
    )


def mean_of_columns(found: Jackknife, *, groups: int) -> Jackknife:
    """The mean of the columns that are defined, as one column; `groups` stand behind it."""
    defined = np.isfinite(found.value)
    number = int(defined.sum())
    if not number:
        return undefined(len(found.left_out), 1)
    part = found.left_out[:, defined]
    present = np.isfinite(part)
    sums = np.where(present, part, 0.0).sum(axis=1, keepdims=True)
    counts = present.sum(axis=1, keepdims=True)
    return Jackknife(
        np.array([found.value[defined].mean()]),
        np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0),
        np.array([found.double_counted[defined].sum() / number**2]),
        np.array([groups], dtype=np.int64),
    )


def mean_jackknives(repeats: Sequence[Jackknife]) -> Jackknife:
    """The mean of the same figures of the same notes by several models; each group leaves all of them at once.

    Parameters
    ----------
    repeats
        one or more, of the same groups and columns.
    """
    return Jackknife(
        np.mean([one.value for one in repeats], axis=0),
        np.mean([one.left_out for one in repeats], axis=0),
        np.mean([one.double_counted for one in repeats], axis=0),
        np.min([one.groups for one in repeats], axis=0),
    )


def widened(found: Jackknife, factor: float) -> Jackknife:
    """The same figures with `factor` times the standard error."""
    mean = found.left_out.mean(axis=0) if len(found.left_out) else found.value
    return Jackknife(
        found.value, mean + factor * (found.left_out - mean), factor**2 * found.double_counted, found.groups
    )


def undefined(groups: int, columns: int) -> Jackknife:
    """Figures that nothing can be said of."""
    return Jackknife(
        np.full(columns, np.nan),
        np.full((groups, columns), np.nan),
        np.zeros(columns),
        np.zeros(columns, dtype=np.int64),
    )


def joined(parts: Sequence[Jackknife]) -> Jackknife:
    """Figures of the same groups side by side."""
    return Jackknife(
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.left_out for part in parts], axis=1),
        np.concatenate([part.double_counted for part in parts]),
        np.concatenate([part.groups for part in parts]),
    )


def pooled(parts: Sequence[Jackknife], groups: Sequence[IntArray], count: int) -> Jackknife:
    """The mean of the same figures on several sets that were drawn from the same groups.

    What a group does is the mean of what it does to each set (nothing to those that it is not in), against what the
    groups of that set do on average: a smaller set has another figure, and that is no spread. That each set is one draw
    of many is an error of its own: every set stands as a further row of `left_out`, so that the variance holds the
    spread of the sets over their number. What is counted too often is left in, which is safe.

    Parameters
    ----------
    parts
        a set each, with the same columns.
    groups
        per set, number of each row of its `left_out` among all groups.
    count
        number of all groups.
    """
    values = np.stack([part.value for part in parts])
    defined = np.isfinite(values)
    number = defined.sum(axis=0)
    value = np.divide(
        np.where(defined, values, 0.0).sum(axis=0),
        number,
        out=np.full(values.shape[1], np.nan),
        where=number > 0,
    )
    moved = np.zeros((count, len(value)))
    for part, numbers in zip(parts, groups, strict=True):
        apart = part.left_out - part.left_out.mean(axis=0)
        np.add.at(moved, numbers, np.where(np.isfinite(part.value), apart, 0.0))
    if len(parts) == 1:
        return Jackknife(value, value + moved, parts[0].double_counted, parts[0].groups)
    size = np.maximum(number, 1)
    draws = np.where(defined, values - value, 0.0) / np.sqrt(size * np.maximum(size - 1, 1))
    behind = np.stack([part.groups for part in parts])
    return Jackknife(
        value, value + np.vstack([moved / size, draws]), np.zeros(len(value)), np.min(behind, axis=0)
    )


def standard_errors(found: Jackknife) -> tuple[FloatArray, FloatArray]:
    """Standard error of each figure, and the degrees of freedom that it was estimated with. float64 [c] each.

    With equal groups these are their number less one. A few large groups that decide the figure are worth fewer: the
    degrees of freedom follow from how much the groups' squared shares of the variance differ.

    Reference: F. E. Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics
    Bulletin 2 (1946).

    Returns
    -------
    tuple[FloatArray, FloatArray]
        NaN with fewer than two groups, or where a figure that lacks one group is undefined.
    """
    with np.errstate(invalid="ignore"):
        squares = (
            np.square(found.left_out - found.left_out.mean(axis=0)) if len(found.left_out) else found.left_out
        )
    size = np.maximum(found.groups, 1)
    summed = squares.sum(axis=0)
    variance = (size - 1) / size * summed
    kept = np.maximum(variance - found.double_counted, SMALLEST_SHARE_KEPT * variance)
    usable = (found.groups >= 2) & np.isfinite(found.value) & np.isfinite(variance)
    most = np.maximum(size - 1.0, 1.0)
    uneven = np.square(squares).sum(axis=0) - summed**2 / size
    degrees = np.divide(2.0 * summed**2, uneven, out=most.copy(), where=usable & (uneven > 0))
    return np.where(usable, np.sqrt(kept), np.nan), np.where(usable, np.clip(degrees, 1.0, most), np.nan)


def intervals(
    found: Jackknife, *, confidence: float = CONFIDENCE, lowest: float = -math.inf, highest: float = math.inf
) -> Intervals:
    """Student's t interval of each figure; of one that has a lowest and a highest value, on the logit scale.

    So an interval does not leave the range, and reaches further to the side where there is more room. Where all groups
    have the best (or the worst) figure there can be, nothing varies and t says nothing. The far end is then the
    binomial one: the share of groups of which so many in a row show none with the given confidence.

    References: W. S. Gosset ("Student"), "The probable error of a mean", Biometrika 6 (1908); L. D. Brown, T. T. Cai,
    A. DasGupta, "Interval estimation for a binomial proportion", Statistical Science 16 (2001), for the logit interval;
    C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
    Biometrika 26 (1934).

    Parameters
    ----------
    found
        the figures.
    confidence
        between 0 and 1.
    lowest, highest
        the figure's range.

    Raises
    ------
    EvaluationError
        confidence out of range.
    """
    from scipy.special import stdtrit

    if not 0.0 < confidence < 1.0:
        raise EvaluationError(f"confidence = {confidence}: expected a number between 0 and 1, both excluded.")
    error, degrees = standard_errors(found)
    half = error * stdtrit(np.where(np.isnan(degrees), 1.0, degrees), (1.0 + confidence) / 2)
    if not math.isfinite(highest - lowest):
        low, high = np.clip(found.value - half, lowest, highest), np.clip(found.value + half, lowest, highest)
        return Intervals(low, high, error, degrees)
    width = highest - lowest
    share = np.clip((found.value - lowest) / width, 0.0, 1.0)
    inside = (share > _ROUNDING) & (share < 1.0 - _ROUNDING)
    middle = np.where(inside, share, 0.5)
    slope = half / width / (middle * (1.0 - middle))
    unseen = 1.0 - ((1.0 - confidence) / 2) ** (1.0 / np.maximum(found.groups, 1))
    at_end = np.where(share < 0.5, 0.0, 1.0 - unseen), np.where(share < 0.5, unseen, 1.0)
    ends = [
        np.where(
            np.isnan(error), np.nan, np.where(inside, _expit(_logit(middle) + sign * slope), at_end[place])
        )
        for place, sign in enumerate((-1.0, 1.0))
    ]
    return Intervals(lowest + width * ends[0], lowest + width * ends[1], error, degrees)


def _logit(share: FloatArray) -> FloatArray:
    return np.asarray(np.log(share) - np.log1p(-share))


def _expit(value: FloatArray) -> FloatArray:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(value, -700.0, 700.0))))


def groups_needed(value: float, error: float, groups: int, *, confidence: float = CONFIDENCE) -> int | None:
    """How many groups it would take for the interval of a figure of this size and spread to lie on one side of zero.

    The error falls with the square root of the number of groups.

    Returns
    -------
    int | None
        None where the figure is zero or has no error.
    """
    from scipy.special import ndtri

    if not (math.isfinite(value) and math.isfinite(error)) or value == 0 or groups < 2:
        return None
    return max(groups, math.ceil(groups * (float(ndtri((1.0 + confidence) / 2)) * error / value) ** 2))
