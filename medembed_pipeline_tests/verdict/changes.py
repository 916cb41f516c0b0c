"""Planted changes of scopes and tasks, as their tables would hold them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from scipy import stats

from medembed_pipeline.verdict.scopes import ScopeFigure


def slice_rows(figures: Sequence[ScopeFigure], metric: str = "precision", k: int | None = 5) -> pa.Table:
    """Columns of slice_metrics that the verdict reads, for figures named `slice=value`."""
    rows: list[dict[str, Any]] = []
    for one in figures:
        name, _, value = one.name.partition("=")
        same = {"slice": name, "value_name": value, "metric": metric, "k": k}
        counts = {"n": one.queries, "groups": one.groups, "degrees": one.degrees}
        change = {"value": one.difference, "ci_low": one.ci_low, "ci_high": one.ci_high}
        rows.append({**same, "model": "baseline", **dict.fromkeys(change, one.baseline), **counts})
        rows.append({**same, "model": "difference", **change, **counts})
    text, number = pa.string(), pa.float64()
    schema = pa.schema(
        [("slice", text), ("value_name", text), ("metric", text), ("k", pa.int32()), ("model", text)]
        + [(name, number) for name in ("value", "ci_low", "ci_high")]
        + [("n", pa.int64()), ("groups", pa.int64()), ("degrees", number)]
    )
    return pa.Table.from_pylist(rows, schema)


def task_record(
    name: str = "everyday_words",
    *,
    difference: float = 0.0,
    error: float = 0.01,
    groups: int = 200,
    tolerance: float = 0.05,
    decides: bool = True,
    problem: str = "",
    family: str = "everyday_language",
) -> dict[str, Any]:
    """A record of the fact `tasks` of task_metrics; all figures are null where there is a problem."""
    half = error * float(stats.t.ppf(0.975, groups - 1))
    figures: dict[str, Any] = {
        "baseline": 0.6,
        "tuned": 0.6 + difference,
        "lexical": 0.5,
        "difference": difference,
        "ci_low": difference - half,
        "ci_high": difference + half,
        "degrees": groups - 1.0,
    }
    if problem:
        figures = dict.fromkeys(figures)
    return {
        "name": name,
        "family": family,
        "metric": "MRR",
        "tolerance": tolerance,
        "decides": decides,
        "problem": problem,
        **figures,
        "n": 0 if problem else groups,
        "groups": 0 if problem else groups,
    }


def scope_figure(
    name: str,
    difference: float,
    error: float,
    groups: int,
    *,
    baseline: float = 0.8,
    queries: int | None = None,
    confidence: float = 0.95,
) -> ScopeFigure:
    """The change of a scope with equal groups, as a metrics table has it: its interval is Student's."""
    half = error * float(stats.t.ppf((1 + confidence) / 2, max(groups - 1, 1)))
    ends = (difference - half, difference + half) if groups > 1 else (math.nan, math.nan)
    degrees = groups - 1.0 if groups > 1 else math.nan
    return ScopeFigure(
        name, baseline, difference, *ends, groups if queries is None else queries, groups, degrees
    )
