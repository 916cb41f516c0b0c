"""Tables of `task_metrics` with planted truths, for what shows them: no model, no task is run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa

SCHEMA = pa.schema(
    [
        ("task", pa.string()),
        ("family", pa.string()),
        ("metric", pa.string()),
        ("k", pa.int32()),
        ("model", pa.string()),
        ("value", pa.float64()),
        ("ci_low", pa.float64()),
        ("ci_high", pa.float64()),
        ("n", pa.int64()),
        ("groups", pa.int64()),
        ("degrees", pa.float64()),
        ("is_main", pa.bool_()),
    ]
)
LABELS = {
    ("mrr", None): "MRR",
    ("precision", 1): "accuracy at 1",
    ("accuracy", None): "accuracy",
    ("spearman", None): "Spearman",
}


class Shown(NamedTuple):
    """A task as it came out: levels, the half width of the difference's interval, and how it counts."""

    name: str
    family: str
    metric: str
    k: int | None
    baseline: float
    tuned: float
    lexical: float
    half: float = 0.02
    tolerance: float = 0.03
    decides: bool = True
    problem: str = ""
    n: int = 400


FEW = (
    Shown("passages", "passages", "mrr", None, 0.365, 0.222, 0.41, n=333),
    Shown("clinical_terms", "clinical_terms", "precision", 1, 0.433, 0.445, 0.31, 0.01, n=1200),
    Shown("everyday_paraphrase", "everyday_language", "accuracy", None, 0.676, 0.66, 0.2, 0.05, n=250),
    Shown("my_questions", "own", "mrr", None, 0.882, 0.645, 0.7, 0.04, decides=False, n=500),
)
PROBLEM = "data_lake/tasks/pairs.csv, row 14: the score 'high' is no number"
_OWN: tuple[tuple[str, int | None, tuple[float, float, float, float]], ...] = (
    ("mrr", None, (0.88, 0.87, 0.7, 0.012)),
    ("spearman", None, (0.759, 0.701, 0.55, 0.02)),
    ("spearman", None, (0.1, -0.12, 0.05, 0.2)),
    ("accuracy", None, (0.97, 0.975, 0.4, 0.01)),
    ("mrr", None, (0.5, 0.52, 0.61, 0.05)),
    ("precision", 1, (0.33, 0.2, 0.1, 0.08)),
    ("mrr", None, (0.5, 0.48, 0.3, 0.02)),
)
MANY = (
    *FEW[:3],
    Shown("everyday_topic", "everyday_language", "accuracy", None, 0.7, 0.72, 0.18, 0.03),
    Shown("everyday_negation", "everyday_language", "accuracy", None, 0.6, 0.41, 0.22, 0.05),
    *(
        Shown(f"own task {number} with a $rather long^name_of its own", "own", metric, k, *figures)
        for number, (metric, k, figures) in enumerate(_OWN)
    ),
    Shown("own task 8 that $informs_only", "own", "mrr", None, 0.5, 0.46, 0.61, 0.01, 0.05, decides=False),
    Shown("my_broken_pairs", "own", "", None, 0.0, 0.0, 0.0, problem=PROBLEM, n=0),
    Shown("lone", "own", "mrr", None, 0.4, 0.3, 0.2, float("nan"), n=1),
)


def task_metrics(tasks: Sequence[Shown] = FEW) -> tuple[pa.Table, dict[str, Any]]:
    """The table and its facts."""
    rows: list[dict[str, Any]] = []
    records: list[dict[str, Any]] = []
    for task in tasks:
        measured = not task.problem
        change = task.tuned - task.baseline
        levels = {
            "baseline": task.baseline,
            "tuned": task.tuned,
            "difference": change,
            "lexical": task.lexical,
            "tuned_over_lexical": task.tuned - task.lexical,
        }
        for model, value in levels.items() if measured else ():
            row = {
                "task": task.name,
                "family": task.family,
                "metric": task.metric,
                "k": task.k,
                "model": model,
            }
            row |= {"value": value, "ci_low": value - task.half, "ci_high": value + task.half}
            row |= {"n": task.n, "groups": task.n, "degrees": float(task.n), "is_main": True}
            rows.append(row)
            if task.metric == "mrr":
                rows.append({**row, "metric": "precision", "k": 10, "value": value / 2, "is_main": False})
        record: dict[str, Any] = {"name": task.name, "family": task.family, "tolerance": task.tolerance}
        record |= {"metric": LABELS.get((task.metric, task.k), ""), "decides": task.decides}
        record |= {"problem": task.problem}
        figures: dict[str, Any] = {**levels, "ci_low": change - task.half, "ci_high": change + task.half}
        figures |= {"n": task.n, "groups": task.n, "degrees": float(task.n)}
        figures.pop("tuned_over_lexical")
        records.append(
            {**record, **(figures if measured else dict.fromkeys(figures)), "n": task.n, "groups": task.n}
        )
    return pa.Table.from_pylist(rows, schema=SCHEMA), {"tasks": records}
