"""The table `task_metrics`: every figure of every task, and a record per task."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa

from medembed_pipeline.evaluation.jackknife import intervals
from medembed_pipeline.evaluation.metric_names import MetricKey
from medembed_pipeline.lake.fields import described
from medembed_pipeline.tasks.scoring import CONTRASTS, Scored, Vectors, score_task
from medembed_pipeline.tasks.task import NotAsked, Task

DECIMALS = 12
"""Figures are rounded here: further down, a matrix product depends on the number of threads."""

MODELS = ("baseline", "tuned", "lexical", *CONTRASTS)
_LOWEST = {"spearman": -1.0}
_ROUNDING = 1e-9

Judgement = Literal["kept", "lost", "unclear"]

TASK_SCHEMA = pa.schema(
    [
        described("task", pa.string(), "name of the task; of your own: its folder"),
        described("family", pa.string(), "passages, clinical_terms, everyday_language or own"),
        described("metric", pa.string(), "precision, mrr, ndcg, map, accuracy or spearman"),
        described(
            "k", pa.int32(), "ranks looked at, null where the metric has no such number", nullable=True
        ),
        described(
            "model",
            pa.string(),
            "baseline, tuned, lexical (TF-IDF word matching), difference (tuned - baseline), tuned_over_lexical",
        ),
        described("value", pa.float64(), "the figure, NaN where undefined"),
        described(
            "ci_low", pa.float64(), "lower end of the interval, paired for differences; NaN where none"
        ),
        described("ci_high", pa.float64(), "upper end of the interval"),
        described("n", pa.int64(), "queries, triplets or pairs"),
        described("groups", pa.int64(), "independent groups behind them: what the interval goes by"),
        described("is_main", pa.bool_(), "whether the verdict looks at this metric"),
        described("decides", pa.bool_(), "whether the task decides the verdict, or informs"),
        described("tolerance", pa.float64(), "fall of the main metric that is accepted"),
    ]
)


def judgement(difference: float, ci_low: float, ci_high: float, tolerance: float) -> Judgement:
    """What tuned - baseline and its interval say.

    kept: a fall beyond the tolerance is excluded (non-inferior). lost: it fell by more than the tolerance, and that it
    fell at all is certain. unclear: neither; more items would tell.

    Reference: G. Piaggio et al., "Reporting of noninferiority and equivalence randomized trials", JAMA 308 (2012).
    """
    # How an interval's end is rounded must not decide whether it lies at the limit or below.
    if ci_low >= -tolerance - _ROUNDING:
        return "kept"
    return "lost" if difference < -tolerance and ci_high < 0 else "unclear"


def task_table(
    tasks: Sequence[Task | NotAsked],
    vectors: Mapping[str, Vectors],
    *,
    confidence: float,
    tolerance: Callable[[str], float],
    decides: Callable[[str, str], bool],
) -> tuple[pa.Table, dict[str, Any]]:
    """All figures, and the facts to read them by.

    Parameters
    ----------
    tasks
        in the order of the table.
    vectors
        of `baseline` and `tuned`: texts -> unit rows.
    confidence
        of the intervals.
    tolerance
        of a family.
    decides
        whether a task (family, name) decides.

    Returns
    -------
    tuple[pa.Table, dict[str, Any]]
        A table with TASK_SCHEMA, and the fact `tasks`, a record per task by its main metric (docs/tasks.md).
    """
    rows: list[dict[str, Any]] = []
    records = []
    for task in tasks:
        given = {
            "decides": decides(task.family, task.name),
            "tolerance": tolerance(task.family),
        }
        if isinstance(task, NotAsked):
            records.append(_not_asked(task, given))
            continue
        scored = score_task(task, vectors)
        found = _rows(task, scored, confidence, given)
        degrees = _rounded(intervals(scored.figures["difference"][task.main]).degrees[0])
        rows += found
        records.append(_record(task, found, degrees, given))
    return pa.Table.from_pylist(rows, schema=TASK_SCHEMA), {"tasks": records}


def _rows(task: Task, scored: Scored, confidence: float, given: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for model in MODELS:
        for (metric, k), figure in scored.figures[model].items():
            whole = model in CONTRASTS
            lowest, highest = (-math.inf, math.inf) if whole else (_LOWEST.get(metric, 0.0), 1.0)
            ends = intervals(figure, confidence=confidence, lowest=lowest, highest=highest)
            found.append(
                {
                    "task": task.name,
                    "family": task.family,
                    "metric": metric,
                    "k": k,
                    "model": model,
                    "value": _rounded(figure.value[0]),
                    "ci_low": _rounded(ends.low[0]),
                    "ci_high": _rounded(ends.high[0]),
                    "n": scored.items,
                    "groups": int(figure.groups[0]),
                    "is_main": (metric, k) == task.main,
                    **given,
                }
            )
    return found


def _record(
    task: Task, rows: Sequence[Mapping[str, Any]], degrees: float, given: dict[str, Any]
) -> dict[str, Any]:
    main = {row["model"]: row for row in rows if row["is_main"]}
    change = main["difference"]
    record = {
        "name": task.name,
        "family": task.family,
        "metric": metric_name(task.main),
        "judgement": judgement(change["value"], change["ci_low"], change["ci_high"], given["tolerance"]),
        **given,
        "baseline": main["baseline"]["value"],
        "tuned": main["tuned"]["value"],
        "lexical": main["lexical"]["value"],
        "difference": change["value"],
        "ci_low": change["ci_low"],
        "ci_high": change["ci_high"],
        "degrees": degrees,
        "n": change["n"],
        "groups": change["groups"],
        "left_out": task.left_out,
        "problem": "",
        "failed": False,
    }
    return {name: None if value != value else value for name, value in record.items()}


def _not_asked(task: NotAsked, given: dict[str, Any]) -> dict[str, Any]:
    numbers = ("baseline", "tuned", "lexical", "difference", "ci_low", "ci_high", "degrees")
    return {
        "name": task.name,
        "family": task.family,
        "metric": "",
        "judgement": "",
        **given,
        # What these notes leave nothing to ask of decides nothing; what is broken must not pass in silence.
        "decides": given["decides"] and task.failed,
        **dict.fromkeys(numbers),
        "n": 0,
        "groups": 0,
        "left_out": 0,
        "problem": task.message,
        "failed": task.failed,
    }


def metric_name(metric: MetricKey) -> str:
    """`precision@1`, `mrr`."""
    return metric[0] if metric[1] is None else f"{metric[0]}@{metric[1]}"


def _rounded(value: float) -> float:
    return round(float(value), DECIMALS) + 0.0
