"""What `medembed run` shows: a line per asset while it goes, and the headline at the end."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from typing import Any

import dagster as dg
import pyarrow as pa

from medembed_pipeline.lake import compute as pc

HEADLINE = [
    ("precision", 5, "P@5"),
    ("map", None, "MAP"),
    ("ndcg", 10, "nDCG@10"),
    ("silhouette", None, "silhouette"),
]


class ProgressHandler(logging.Handler):
    """Prints one line per materialized asset, and warnings and errors as they come."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._started: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Print what a person wants to see of one record."""
        event = getattr(record, "dagster_meta", {}).get("dagster_event")
        if event is None:
            if record.levelno >= logging.WARNING:
                message = getattr(record, "dagster_meta", {}).get("orig_message") or record.getMessage()
                print(f"  {record.levelname.lower()}: {message}", flush=True)
            return
        step = event.step_key or ""
        if event.event_type_value == "STEP_START":
            self._started[step] = time.monotonic()
        elif event.event_type_value == "ASSET_MATERIALIZATION":
            materialization = event.event_specific_data.materialization
            self._print_asset(materialization, time.monotonic() - self._started.get(step, time.monotonic()))
        elif event.event_type_value == "ASSET_CHECK_EVALUATION" and not event.event_specific_data.passed:
            check = event.event_specific_data
            print(
                f"  check {check.check_name}: {check.severity.value.lower()}. {check.description or ''}",
                flush=True,
            )
        elif event.event_type_value == "STEP_FAILURE":
            error = event.event_specific_data.error
            print(f"  {step} failed: {plain_message(error)}", file=sys.stderr, flush=True)

    def _print_asset(self, materialization: Any, seconds: float) -> None:
        metadata = {key: value.value for key, value in materialization.metadata.items()}
        rows = metadata.get("dagster/row_count")
        size = f"{rows:>9,} rows" if rows is not None else " " * 14
        note = "  unchanged" if metadata.get("kept") else ""
        print(f"  {materialization.asset_key.path[-1]:<22}{size}{seconds:>8.1f} s{note}", flush=True)


def plain_message(error: Any) -> str:
    """The innermost message of a Dagster error, without the name of its class."""
    while error.cause is not None:
        error = error.cause
    text = str(error.message).strip()
    head, separator, rest = text.partition(": ")
    return rest if separator and "." in head and " " not in head else text


@dg.logger(config_schema=None, description="One line per asset, for the terminal.")
def progress_logger(_context: dg.InitLoggerContext) -> logging.Logger:
    """The logger of `medembed run`."""
    logger = logging.Logger("medembed_progress")
    logger.addHandler(ProgressHandler())
    return logger


def headline(
    metrics: pa.Table, tasks: pa.Table, test_notes: int, confidence: float, *, passages: bool
) -> str:
    """Baseline to tuned on the held-out notes, with intervals, as a small table of text.

    Parameters
    ----------
    metrics
        table `embedding_metrics`; without labels it is empty, and its lines are left out.
    tasks
        table `task_metrics`.
    test_notes
        held-out notes behind it.
    confidence
        of the intervals.
    passages
        whether the passages are shown, too, since the verdict goes by them.
    """
    lines = [
        f"Held-out test notes: {test_notes}. Value [{confidence:.0%} interval]:",
        f"  {'':<12}{'baseline':>24}{'tuned':>24}{'difference':>26}",
    ]
    shown = []
    if passages:
        shown.append(("passages", tasks, {"family": "passages", "is_main": True}))
    if metrics.num_rows:
        shown += [
            (label, metrics, {"scope": "all", "metric": metric, "k": k}) for metric, k, label in HEADLINE
        ]
    for label, table, wanted in shown:
        cells = [_cell(table, {**wanted, "model": model}) for model in ("baseline", "tuned", "difference")]
        lines.append(f"  {label:<12}{cells[0]:>24}{cells[1]:>24}{cells[2]:>26}")
    return "\n".join(lines)


def _cell(table: pa.Table, wanted: Mapping[str, Any]) -> str:
    chosen = pc.equal(table.column("model"), wanted["model"])
    for name, value in wanted.items():
        column = table.column(name)
        same = pc.is_null(column) if value is None else pc.fill_null(pc.equal(column, value), False)
        chosen = pc.and_(chosen, same)
    rows = table.filter(chosen).to_pylist()
    if not rows:
        return "-"
    sign = "+" if wanted["model"] == "difference" else ""
    row = rows[0]
    return f"{row['value']:{sign}.3f} [{row['ci_low']:{sign}.3f}, {row['ci_high']:{sign}.3f}]"
