"""Judgements with known figures, and a lake whose verdict and figures are of one of them."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from typing import Any

import pyarrow as pa

from medembed_pipeline.history.table import Judgement
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.training.checkpoints import FOLDER, MANIFEST

DAY = datetime(2026, 3, 1, 9, 30, tzinfo=timezone.utc)


def day(number: int) -> datetime:
    return DAY + timedelta(days=number)


def judgement(
    checkpoint: str, number: int, verdict: str = "deploy", *, notes: str = "notes of March"
) -> Judgement:
    """Of a checkpoint made the day before it was judged, on day `number`."""
    return Judgement(
        checkpoint=checkpoint,
        evidence={"release_verdict": f"{checkpoint} {verdict} {notes}"},
        made_at=day(number - 1),
        judged_at=day(number),
        base="all-MiniLM-L6-v2",
        precision="float32",
        verdict=verdict,
    )


def metric_rows(tuned: float = 0.75) -> list[dict[str, Any]]:
    """Rows of `embedding_metrics`: precision at 5 and MAP over all notes, and one specialty."""
    rows = []
    for scope, metric, k in (("all", "precision", 5), ("all", "map", None), ("Urology", "precision", 5)):
        for model, value in (("baseline", 0.5), ("tuned", tuned), ("difference", tuned - 0.5)):
            ends = {"ci_low": value - 0.1, "ci_high": value + 0.1, "n": 40}
            rows.append({"model": model, "scope": scope, "metric": metric, "k": k, "value": value, **ends})
    return rows


def task_rows(tuned: float = 0.4) -> list[dict[str, Any]]:
    """Rows of `task_metrics`: one task with its main metric, by four models."""
    values = {"baseline": 0.6, "tuned": tuned, "lexical": 0.3, "difference": tuned - 0.6}
    shared = {"task": "passages", "metric": "mrr", "k": None, "is_main": True, "n": 25}
    return [
        {**shared, "model": model, "value": value, "ci_low": None, "ci_high": value + 0.1}
        for model, value in values.items()
    ]


def judge(
    lake: Lake,
    checkpoint: str,
    number: int,
    verdict: str = "deploy",
    *,
    tuned: float = 0.75,
    tasks: bool = True,
    manifest: bool = True,
) -> None:
    """Put the tables of a verdict into a lake, as they would be on day `number`."""
    if manifest:
        lake.write_json(
            {"base": "all-MiniLM-L6-v2", "precision": "bfloat16", "files": {}}, FOLDER, checkpoint, MANIFEST
        )
    written = {}
    tables = {"embedding_metrics": metric_rows(tuned), **({"task_metrics": task_rows()} if tasks else {})}
    for name, rows in tables.items():
        written[name] = lake.write_table(
            Recipe(name, "1", {}, {"of": checkpoint}), pa.Table.from_pylist(rows)
        )
    inputs = {name: table.data_version for name, table in written.items()}
    facts = {
        "verdict": verdict,
        "checkpoint": checkpoint,
        "main_metric": "precision@5",
        "sentence": "A sentence.",
    }
    lake.write_table(
        Recipe("release_verdict", "1", {}, inputs),
        pa.table({"rule": [f"{checkpoint} {verdict}"]}),
        facts=facts,
    )
    seconds = day(number).timestamp()
    os.utime(lake.table_path("release_verdict"), (seconds, seconds))
