"""The history as records for the UI and as lines for a terminal, the newest judgement first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from medembed_pipeline.history.table import HistoryError, judgements

RELEASED_NOW = "*"


def overview(history: pa.Table, *, released: str | None) -> list[dict[str, Any]]:
    """A record per judgement, the newest first.

    Parameters
    ----------
    history
        table `checkpoint_history`.
    released
        version of the checkpoint that is the released one now.

    Returns
    -------
    list[dict[str, Any]]
        now, checkpoint, judged, verdict, released, and a column per task with its main figure.
    """
    rows = history.to_pylist()
    tasks = list(dict.fromkeys(row["task"] for row in rows if row["is_main"]))
    main = {(row["checkpoint"], row["judgement"], row["task"]): figure(row) for row in rows if row["is_main"]}
    return [
        {
            "now": RELEASED_NOW if one["checkpoint"] == released else "",
            "checkpoint": one["checkpoint"],
            "judged": written(one["judged_at"]),
            "verdict": one["verdict"],
            "released": written(one["released_at"]) if one["released"] else "",
            **{task: main.get((one["checkpoint"], one["judgement"], task), "") for task in tasks},
        }
        for one in reversed(judgements(history))
    ]


def overview_lines(history: pa.Table, *, released: str | None) -> list[str]:
    """`overview` as a table of text, with what its marks say."""
    records = overview(history, released=released)
    if not records:
        return ["No checkpoint has been judged yet."]
    mark = (
        f"{RELEASED_NOW} is released now. Figures: baseline -> tuned (change, interval) of each task's main metric."
        if any(one["now"] for one in records)
        else "None is released now. Figures: baseline -> tuned (change, interval) of each task's main metric."
    )
    return [*_text_table(records), "", mark]


def detail_lines(history: pa.Table, version: str, *, released: str | None) -> list[str]:
    """Every figure of one checkpoint, a block per judgement, the newest first.

    Parameters
    ----------
    history
        table `checkpoint_history`.
    version
        of the checkpoint, or how it begins.
    released
        version of the checkpoint that is the released one now.

    Raises
    ------
    HistoryError
        no checkpoint of the history begins so, or several do.
    """
    known = list(dict.fromkeys(one["checkpoint"] for one in judgements(history)))
    matching = [one for one in known if one.startswith(version)]
    if len(matching) != 1 and version not in matching:
        found = f"{len(matching)} begin so" if matching else "none begins so"
        raise HistoryError(
            f"--checkpoint {version}: {found}. The history holds: {', '.join(known) or 'no checkpoint yet'}."
        )
    chosen = version if version in matching else matching[0]
    now = " (released now)" if chosen == released else ""
    lines: list[str] = []
    for one in reversed(judgements(history)):
        if one["checkpoint"] != chosen:
            continue
        since = f", released since {written(one['released_at'])}" if one["released"] else ""
        lines += [
            *(
                [""]
                if lines
                else [
                    f"Checkpoint {chosen}{now}: base {one['base'] or 'not known'}, made {written(one['made_at'])}"
                ]
            ),
            f"Judged {written(one['judged_at'])} in {one['precision'] or 'an unknown precision'}: "
            f"{one['verdict']}{since}",
        ]
        records = [
            {
                "task": row["task"],
                "metric": f"{metric(row)}{' (decides)' if row['is_main'] else ''}",
                "baseline": number(row["baseline"]),
                "tuned": number(row["tuned"]),
                "change": number(row["difference"], sign="+"),
                "interval": interval(row),
                "n": str(row["n"]),
            }
            for row in history.to_pylist()
            if (row["checkpoint"], row["judgement"]) == (chosen, one["judgement"])
        ]
        lines += _text_table(records)
    return lines


def metric(row: Mapping[str, Any]) -> str:
    """`precision@5`."""
    return str(row["metric"]) if row["k"] is None else f"{row['metric']}@{row['k']}"


def figure(row: Mapping[str, Any]) -> str:
    """`0.662 -> 0.741 (+0.079, +0.051 to +0.106)`."""
    change = number(row["difference"], sign="+")
    ends = interval(row)
    return f"{number(row['baseline'])} -> {number(row['tuned'])} ({change}{', ' + ends if ends else ''})"


def interval(row: Mapping[str, Any]) -> str:
    """`+0.051 to +0.106`, or nothing where there is none."""
    if math.isnan(row["ci_low"]) or math.isnan(row["ci_high"]):
        return ""
    return f"{row['ci_low']:+.3f} to {row['ci_high']:+.3f}"


def number(value: float, *, sign: str = "") -> str:
    """Three digits, `-` where undefined."""
    return "-" if math.isnan(value) else f"{value:{sign}.3f}"


def written(time: datetime | None) -> str:
    """A time in UTC, to the minute."""
    return f"{time:%Y-%m-%d %H:%M}" if time is not None else "not known"


def _text_table(records: Sequence[Mapping[str, str]]) -> list[str]:
    names = list(records[0]) if records else []
    heads = {name: "" if name == "now" else name for name in names}
    width = {name: max(len(heads[name]), *(len(one[name]) for one in records)) for name in names}
    rows = [heads, *records]
    return ["  ".join(f"{row[name]:<{width[name]}}" for name in names).rstrip() for row in rows]
