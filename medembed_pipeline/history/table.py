"""The table `checkpoint_history`: a set of rows per judgement, and how sets are put together.

A judgement is one checkpoint judged on one set of evidence. The same checkpoint judged on other notes is another
judgement, with rows of its own: what it gave is what it gave on the notes of that day. The same judgement made again
changes nothing, so rows never depend on how often a run was repeated, nor on the order in which runs end.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.fields import described
from medembed_pipeline.lake.fingerprint import digest

NAME = "checkpoint_history"
NOTES = "notes"
"""The task of `embedding_metrics`: finding notes of the same specialty."""

MODELS = ("baseline", "tuned", "difference")
_JUDGEMENT = ("checkpoint", "judgement")
_TIMES = ("made_at", "judged_at", "released_at")


class HistoryError(MedembedError):
    """The history cannot be read, or must not be written."""


_TIME = pa.timestamp("ms", tz="UTC")

CHECKPOINT_HISTORY_SCHEMA = pa.schema(
    [
        described("checkpoint", pa.string(), "version of the checkpoint, which may have been removed since"),
        described(
            "judgement",
            pa.string(),
            "16 hex over the evidence that it was judged by; another one for other notes",
        ),
        described("made_at", _TIME, "when the checkpoint was made, UTC; null where not known", nullable=True),
        described("judged_at", _TIME, "when this judgement was first made, UTC"),
        described("base", pa.string(), "name of the base model, empty where not known"),
        described(
            "precision", pa.string(), "numbers that the vectors were computed in, empty where not known"
        ),
        described("verdict", pa.string(), "deploy, retrain or inconclusive"),
        described(
            "released", pa.bool_(), "whether this judgement released the checkpoint, or left it released"
        ),
        described(
            "released_at",
            _TIME,
            "since when it had been the released one without a break, UTC; null where not released by this judgement",
            nullable=True,
        ),
        described("task", pa.string(), "notes (embedding_metrics), or the name of a task of task_metrics"),
        described("metric", pa.string(), "name of the figure"),
        described(
            "k", pa.int32(), "ranks looked at, null where the metric has no such number", nullable=True
        ),
        described("is_main", pa.bool_(), "whether it is the figure of its task that the verdict looks at"),
        described("baseline", pa.float64(), "the base model's figure, NaN where undefined"),
        described("tuned", pa.float64(), "the checkpoint's figure, NaN where undefined"),
        described("difference", pa.float64(), "tuned - baseline, paired, NaN where undefined"),
        described("ci_low", pa.float64(), "lower end of the difference's interval, NaN where none"),
        described("ci_high", pa.float64(), "upper end of the difference's interval, NaN where none"),
        described("n", pa.int64(), "notes, queries or items behind the figure"),
    ]
)


@dataclass(frozen=True)
class Judgement:
    """One checkpoint judged on one set of evidence.

    Attributes
    ----------
    checkpoint
        its version.
    evidence
        data versions of the verdict and of the tables with the figures.
    made_at
        when the checkpoint was made, None where not known.
    judged_at
        when the verdict was made.
    base
        name of the base model.
    precision
        of the vectors.
    verdict
        deploy, retrain or inconclusive.
    taken_back
        whether a person took the checkpoint back before, so that no verdict releases it.
    """

    checkpoint: str
    evidence: Mapping[str, str]
    made_at: datetime | None
    judged_at: datetime
    base: str
    precision: str
    verdict: str
    taken_back: bool = False

    @property
    def key(self) -> str:
        """16 hex over the evidence."""
        return digest(dict(self.evidence))[:16]


def note_figures(metrics: pa.Table, main_metric: str) -> list[dict[str, Any]]:
    """The figures over all notes of `embedding_metrics`, a row per metric.

    Parameters
    ----------
    metrics
        columns of `embedding_metrics`.
    main_metric
        what the verdict looks at, such as `precision@5`.
    """
    rows = [
        {**row, "task": NOTES, "is_main": _metric_name(row) == main_metric}
        for row in metrics.to_pylist()
        if row["scope"] == "all"
    ]
    return _side_by_side(rows)


def task_figures(metrics: pa.Table) -> list[dict[str, Any]]:
    """The figures of `task_metrics`, a row per task and metric."""
    return _side_by_side(metrics.to_pylist())


def _metric_name(row: Mapping[str, Any]) -> str:
    return str(row["metric"]) if row["k"] is None else f"{row['metric']}@{row['k']}"


def _side_by_side(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        if row["model"] not in MODELS:
            continue
        key = (row["task"], row["metric"], row["k"])
        one = found.setdefault(
            key,
            {
                **{name: row[name] for name in ("task", "metric", "k")},
                **dict.fromkeys((*MODELS, "ci_low", "ci_high"), math.nan),
                "is_main": bool(row["is_main"]),
                "n": 0,
            },
        )
        one[row["model"]] = _float(row["value"])
        if row["model"] == "difference":
            one |= {"ci_low": _float(row["ci_low"]), "ci_high": _float(row["ci_high"])}
        one["n"] = max(one["n"], int(row["n"] or 0))
    return list(found.values())


def _float(value: Any) -> float:
    return math.nan if value is None else float(value)


def with_judgement(
    history: pa.Table | None, judgement: Judgement, figures: Iterable[Mapping[str, Any]]
) -> pa.Table:
    """The history with the rows of one judgement; no row that stands is taken away.

    Besides, only the times of what was known change: a judgement that arrives late may show that a checkpoint was
    released earlier, or in between.

    Parameters
    ----------
    history
        with CHECKPOINT_HISTORY_SCHEMA; None where there is none yet.
    judgement
        what was judged.
    figures
        of `note_figures` and `task_figures`.

    Returns
    -------
    pa.Table
        A table with CHECKPOINT_HISTORY_SCHEMA, sorted by time of judgement, checkpoint and judgement, then in the
        order of the figures; `history` itself where the judgement stands there already.
    """
    history = CHECKPOINT_HISTORY_SCHEMA.empty_table() if history is None else history
    known = judgements(history)
    if any((one["checkpoint"], one["judgement"]) == (judgement.checkpoint, judgement.key) for one in known):
        return history
    shared = {
        "checkpoint": judgement.checkpoint,
        "judgement": judgement.key,
        "made_at": judgement.made_at,
        "judged_at": judgement.judged_at,
        "base": judgement.base
        or next((one["base"] for one in known if one["checkpoint"] == judgement.checkpoint), ""),
        "precision": judgement.precision,
        "verdict": judgement.verdict,
        "released": judgement.verdict == "deploy" and not judgement.taken_back,
        "released_at": None,
    }
    added = pa.Table.from_pylist(
        [{**figure, **shared} for figure in figures], schema=CHECKPOINT_HISTORY_SCHEMA
    )
    rows = pa.concat_tables([history, added])
    place = pa.array(range(len(rows)), pa.int64())
    keys = [(name, "ascending") for name in ("judged_at", *_JUDGEMENT, "place")]
    return _with_times(rows.append_column("place", place).sort_by(keys).drop_columns(["place"]))


def _with_times(history: pa.Table) -> pa.Table:
    """Say anew since when each checkpoint has been there and released, now that all that was judged is known."""
    made: dict[str, datetime] = {}
    since: dict[tuple[str, str], datetime] = {}
    released_at: datetime | None = None
    released = ""
    for one in judgements(history):
        if one["made_at"] is not None:
            # A checkpoint that was copied or restored has newer files; it is no younger for that.
            made[one["checkpoint"]] = min(one["made_at"], made.get(one["checkpoint"], one["made_at"]))
        if one["released"]:
            if one["checkpoint"] != released:
                released, released_at = one["checkpoint"], one["judged_at"]
            since[one["checkpoint"], one["judgement"]] = released_at or one["judged_at"]
    pairs = zip(*(history[name].to_pylist() for name in _JUDGEMENT), strict=True)
    columns: dict[str, list[datetime | None]] = {"made_at": [], "released_at": []}
    for checkpoint, judgement in pairs:
        columns["made_at"].append(made.get(checkpoint))
        columns["released_at"].append(since.get((checkpoint, judgement)))
    for name, values in columns.items():
        place = history.schema.get_field_index(name)
        history = history.set_column(place, history.schema.field(name), pa.array(values, _TIME))
    return history


def judgements(history: pa.Table) -> list[dict[str, Any]]:
    """What all rows of a judgement share, a record per judgement, in the order of the table."""
    names = [name for name in CHECKPOINT_HISTORY_SCHEMA.names if name not in _OF_A_FIGURE]
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in history.select(names).to_pylist():
        found.setdefault((row["checkpoint"], row["judgement"]), row)
    return list(found.values())


_OF_A_FIGURE = frozenset({"task", "metric", "k", "is_main", *MODELS, "ci_low", "ci_high", "n"})


def history_version(history: pa.Table) -> str:
    """The data version: what was judged and found, whenever that was."""
    return digest(history.drop_columns(list(_TIMES)).to_pylist())
