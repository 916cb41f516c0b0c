"""The table `task_metrics`: every figure of every task, and the facts that the verdict goes by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from medembed_pipeline.evaluation.jackknife import intervals
from medembed_pipeline.evaluation.metrics_table import DIFFERENCE, LEXICAL, OVER_LEXICAL
from medembed_pipeline.evaluation.retrieval import MetricKey
from medembed_pipeline.tasks.encoding import Vectors
from medembed_pipeline.tasks.kinds import PairTask, RankingTask, Task
from medembed_pipeline.tasks.plan import PlannedTask
from medembed_pipeline.tasks.scoring import Figures, task_figures, task_size

MODEL_ORDER = ("baseline", "tuned", DIFFERENCE, LEXICAL, OVER_LEXICAL)
DECIMALS = 9
"""Figures are rounded here: further down, a matrix product depends on the number of threads."""


def _field(name: str, kind: pa.DataType, description: str, *, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"description": description})


TASK_METRICS_SCHEMA = pa.schema(
    [
        _field("task", pa.string(), "name of the task"),
        _field("family", pa.string(), "passages, clinical_terms, everyday_language or own"),
        _field(
            "metric",
            pa.string(),
            "searches: precision, mrr, ndcg, map; triplets: accuracy; pairs: spearman",
        ),
        _field("k", pa.int32(), "ranks looked at, null where the metric has no such number", nullable=True),
        _field(
            "model",
            pa.string(),
            "baseline, tuned, difference (tuned - baseline), lexical (TF-IDF) or tuned_over_lexical (tuned - lexical)",
        ),
        _field("value", pa.float64(), "the figure, NaN where undefined"),
        _field("ci_low", pa.float64(), "lower end of its interval, NaN where there is none"),
        _field("ci_high", pa.float64(), "upper end"),
        _field("n", pa.int64(), "queries, pairs or triplets"),
        _field("groups", pa.int64(), "independent groups among them"),
        _field("degrees", pa.float64(), "degrees of freedom of the interval, NaN where there is none"),
        _field("is_main", pa.bool_(), "whether the verdict goes by this metric"),
    ]
)


def main_metric(task: Task) -> tuple[MetricKey, str]:
    """The metric that the verdict goes by, and what it is called."""
    if isinstance(task, RankingTask):
        # One title is right, and a person who codes takes the first; elsewhere a list is read from the top.
        if task.family == "clinical_terms":
            return ("precision", 1), "accuracy at 1"
        return ("mrr", None), "MRR"
    return (
        (("spearman", None), "Spearman") if isinstance(task, PairTask) else (("accuracy", None), "accuracy")
    )


def tasks_table(
    planned: Sequence[PlannedTask], embeddings: Mapping[str, Vectors], *, confidence: float
) -> tuple[pa.Table, dict[str, Any]]:
    """Measure every task that can be.

    Args:
        planned: all tasks.
        embeddings: vectors of `baseline` and `tuned`.
        confidence: of the intervals.

    Returns:
        The table with TASK_METRICS_SCHEMA, and the fact `tasks`: a record per task by its main metric, with `problem`
        and no figures where it was not measured.
    """
    rows: list[dict[str, Any]] = []
    records: list[dict[str, Any]] = []
    for one in planned:
        record: dict[str, Any] = {
            "name": one.name,
            "family": one.family,
            "metric": "",
            "tolerance": one.tolerance,
            "decides": one.decides,
            "problem": one.problem,
            **dict.fromkeys(("baseline", "tuned", "lexical", "difference", "ci_low", "ci_high", "degrees")),
            "n": 0,
            "groups": 0,
        }
        records.append(record)
        if one.task is None:
            continue
        key, record["metric"] = main_metric(one.task)
        figures = task_figures(one.task, embeddings, known_words=one.known_words)
        found = _rows(one, figures, key, task_size(one.task), confidence)
        rows += found
        main = {row["model"]: row for row in found if row["is_main"]}
        record.update({model: _known(main[model]["value"]) for model in MODEL_ORDER if model in record})
        record.update({name: _known(main[DIFFERENCE][name]) for name in ("ci_low", "ci_high", "degrees")})
        record.update({name: main[DIFFERENCE][name] for name in ("n", "groups")})
        if record["difference"] is None:
            record["problem"] = (
                f"{one.name}: {record['metric']} is undefined for a model: all its similarities, or all scores, are "
                "equal"
            )
    return pa.Table.from_pylist(rows, schema=TASK_METRICS_SCHEMA), {"tasks": records}


def _rows(
    planned: PlannedTask, figures: Figures, main: MetricKey, size: int, confidence: float
) -> list[dict[str, Any]]:
    rows = []
    for model in MODEL_ORDER:
        for key, figure in figures[model].items():
            lowest, highest = (-1.0 if key[0] == "spearman" else 0.0), 1.0
            if model in (DIFFERENCE, OVER_LEXICAL):
                lowest, highest = -math.inf, math.inf
            ends = intervals(figure, confidence=confidence, lowest=lowest, highest=highest)
            numbers = {
                "value": figure.value[0],
                "ci_low": ends.low[0],
                "ci_high": ends.high[0],
                "degrees": ends.degrees[0],
            }
            rows.append(
                {
                    "task": planned.name,
                    "family": planned.family,
                    "metric": key[0],
                    "k": key[1],
                    "model": model,
                    # + 0.0 turns a rounded -0.0 into 0.0.
                    **{name: round(float(value), DECIMALS) + 0.0 for name, value in numbers.items()},
                    "n": size,
                    "groups": int(figure.groups[0]),
                    "is_main": key == main,
                }
            )
    return rows


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
