"""Did a specialty, or a slice, get worse than it may: non-inferiority with a margin, and what could not be judged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from medembed_pipeline.evaluation.significance import groups_to_decide, holm_adjusted, margin_test

State = Literal["worse", "kept", "not_judged"]

_DECIMALS = 9
_COLLAPSE_SHARE, _COLLAPSE_FALL, _COLLAPSE_GROUPS = 0.5, 0.25, 3
"""A scope that lost so much of its figure, by so much, over so many groups is no chance that may be passed over."""


class ScopeFigure(NamedTuple):
    """The main metric of one scope, as its table says; NaN where undefined."""

    name: str
    baseline: float
    difference: float
    ci_low: float
    ci_high: float
    queries: int
    groups: int
    degrees: float


@dataclass(frozen=True)
class ScopeTest:
    """What was found of one scope.

    Attributes
    ----------
    name
        of the specialty, or `slice=value`.
    difference
        tuned - baseline of the main metric over its queries, NaN where undefined.
    p_worse
        one-sided, of H0: it fell by no more than the tolerance; NaN where it cannot be tested.
    p_adjusted
        the same, Holm-corrected across all scopes that can.
    p_kept
        one-sided, of H0: it fell by at least the tolerance.
    state
        `worse`: it is shown that it fell by more than the tolerance. `kept`: it is shown that it did not.
        `not_judged`: neither is, with so few groups, or so much spread.
    alarming
        not judged, but it fell so far that it must not be passed over.
    queries
        notes behind it.
    groups
        groups behind it.
    queries_needed
        notes that it would take to judge a change of this size and spread; None where unknown.
    """

    name: str
    difference: float
    p_worse: float
    p_adjusted: float
    p_kept: float
    state: State
    alarming: bool
    queries: int
    groups: int
    queries_needed: int | None


def standard_error(ci_low: float, ci_high: float, degrees: float, *, confidence: float) -> float:
    """The standard error behind a Student's t interval (`evaluation.jackknife.intervals`); NaN where there is none."""
    from scipy.special import stdtrit

    if not (math.isfinite(ci_low) and math.isfinite(ci_high) and math.isfinite(degrees)):
        return math.nan
    return (ci_high - ci_low) / 2 / float(stdtrit(degrees, (1.0 + confidence) / 2))


def scope_tests(
    figures: Sequence[ScopeFigure], *, confidence: float, tolerance: float, significance: float
) -> list[ScopeTest]:
    """Test every scope against the tolerance.

    Parameters
    ----------
    figures
        of the paired difference.
    confidence
        of their intervals.
    tolerance
        by how much a figure may fall.
    significance
        level of the tests.

    Returns
    -------
    list[ScopeTest]
        One per figure, in their order.
    """
    errors = [standard_error(one.ci_low, one.ci_high, one.degrees, confidence=confidence) for one in figures]
    tests = [
        margin_test(one.difference, error, one.groups, tolerance=tolerance, degrees=one.degrees)
        for one, error in zip(figures, errors, strict=True)
    ]
    adjusted = holm_adjusted([test.worse for test in tests])
    found = []
    for one, error, test, p_adjusted in zip(figures, errors, tests, adjusted.tolist(), strict=True):
        state: State = "not_judged"
        if p_adjusted <= significance:
            state = "worse"
        elif test.kept <= significance:
            state = "kept"
        collapsed = one.groups >= _COLLAPSE_GROUPS and one.difference <= -max(
            _COLLAPSE_FALL, _COLLAPSE_SHARE * one.baseline
        )
        groups = groups_to_decide(
            one.difference, error, one.groups, tolerance=tolerance, significance=significance
        )
        found.append(
            ScopeTest(
                one.name,
                one.difference,
                round(test.worse, _DECIMALS),
                round(p_adjusted, _DECIMALS),
                round(test.kept, _DECIMALS),
                state,
                state == "not_judged" and (collapsed or test.worse <= significance),
                one.queries,
                one.groups,
                None if groups is None else math.ceil(groups * one.queries / one.groups),
            )
        )
    return found
