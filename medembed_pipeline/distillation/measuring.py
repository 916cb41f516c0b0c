"""What a static model is worth: its figures beside those of the tuned model that it imitates."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.evaluation.jackknife import CONFIDENCE, intervals, mean_jackknife
from medembed_pipeline.evaluation.metrics_table import DECIMALS, metrics_table
from medembed_pipeline.evaluation.retrieval import RETRIEVAL_METRICS
from medembed_pipeline.evaluation.vectors import FloatArray, rows_per_block, unit_rows
from medembed_pipeline.lake.fields import described
from medembed_pipeline.tasks.table import TASK_SCHEMA

NOTES, FIRST_STAGE = "notes", "first_stage"
TUNED_NEAREST = 10
MODELS = {"baseline": "tuned", "tuned": "static", "difference": "static_over_tuned"}
"""What the functions of evaluation call a pair of models, and what it is here."""

STATIC_METRICS_SCHEMA = pa.schema(
    [
        described(
            "task",
            pa.string(),
            "notes: held-out notes search each other; first_stage: how many of the tuned model's ten nearest notes are "
            "among the k nearest of the static one; else a task of task_metrics",
        ),
        described("metric", pa.string(), "name of the figure"),
        TASK_SCHEMA.field("k"),
        described("model", pa.string(), "tuned, static, static_over_tuned (static - tuned)"),
        *(TASK_SCHEMA.field(name) for name in ("value", "ci_low", "ci_high", "n", "groups")),
    ]
)


def note_rows(
    note_ids: Sequence[str],
    tuned: npt.NDArray[np.float32],
    static: npt.NDArray[np.float32],
    specialties: Sequence[Collection[str]],
    groups: Sequence[Hashable],
    *,
    confidence: float,
) -> list[dict[str, Any]]:
    """Both models on the same held-out notes, and the paired difference, over all notes; none without a specialty."""
    if not any(specialties):
        return []
    table = metrics_table(note_ids, tuned, static, specialties, groups, confidence=confidence)
    kept = set(RETRIEVAL_METRICS)
    return [
        _row(NOTES, MODELS[row["model"]], row)
        for row in table.to_pylist()
        if row["scope"] == "all" and (row["metric"], row["k"]) in kept
    ]


def task_rows(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of a `task_table` that was made with the tuned model for baseline and the static one for tuned."""
    return [
        _row(row["task"], MODELS[row["model"]], row)
        for row in table.to_pylist()
        if row["is_main"] and row["model"] in MODELS
    ]


def first_stage_row(
    tuned: npt.NDArray[np.float32],
    static: npt.NDArray[np.float32],
    queries: npt.NDArray[np.int64],
    groups: Sequence[Hashable],
    *,
    k: int,
    confidence: float = CONFIDENCE,
) -> dict[str, Any]:
    """How many of a note's ten nearest by the tuned model are among its k nearest by the static one.

    Parameters
    ----------
    tuned, static
        float32 [n, d], of all notes, L2-normalised.
    queries
        int64 [q], the notes that ask; each asks for the others.
    groups
        q groups of these.
    k
        notes that are handed on.
    confidence
        of the interval.
    """
    rows = unit_rows(tuned), unit_rows(static)
    shares = np.full(len(queries), np.nan)
    step = rows_per_block(8 * len(tuned))
    for first in range(0, len(queries), step):
        block = queries[first : first + step]
        nearest = [_nearest(one, block, count) for one, count in zip(rows, (TUNED_NEAREST, k), strict=True)]
        for at, (wanted, found) in enumerate(zip(*nearest, strict=True)):
            if len(wanted):
                shares[first + at] = np.isin(wanted, found).mean()
    figure = mean_jackknife(shares, groups)
    ends = intervals(figure, confidence=confidence, lowest=0.0, highest=1.0)
    return {
        "task": FIRST_STAGE,
        "metric": "recall",
        "k": k,
        "model": "static",
        "value": round(float(figure.value[0]), DECIMALS),
        "ci_low": round(float(ends.low[0]), DECIMALS),
        "ci_high": round(float(ends.high[0]), DECIMALS),
        "n": int(np.isfinite(shares).sum()),
        "groups": int(figure.groups[0]),
    }


def _nearest(rows: FloatArray, block: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    similarity = rows[block] @ rows.T
    similarity[np.arange(len(block)), block] = -np.inf
    count = min(count, len(rows) - 1)
    return np.argpartition(-similarity, count, axis=1)[:, :count] if count else np.empty((len(block), 0), int)


def _row(task: str, model: str, row: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("metric", "k", "value", "ci_low", "ci_high", "n", "groups")
    return {"task": task, "model": model, **{name: row[name] for name in kept}}
