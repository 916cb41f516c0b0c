"""The figure of the history: what each checkpoint gave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medembed_pipeline.pictures.charts import forest
from medembed_pipeline.pictures.numbers import capital, is_number, words
from medembed_pipeline.pictures.specification import Choice, Figure, Known, Row

DRAWN = 20
_SIGNS = {"deploy": "✓", "retrain": "✗", "inconclusive": "?"}


def history_figures(rows: Sequence[Row], _: Known) -> list[Figure]:
    """The main figure of the chosen task by judgement, the newest first.

    Parameters
    ----------
    rows
        of `checkpoint_history`, the oldest judgement first.
    """
    judged = list(dict.fromkeys((row["checkpoint"], row["judgement"]) for row in rows))[::-1]
    place = {judgement: at for at, judgement in enumerate(judged[:DRAWN])}
    main = [row for row in rows if row["is_main"] and (row["checkpoint"], row["judgement"]) in place]
    main.sort(key=lambda row: place[row["checkpoint"], row["judgement"]])
    lines = [_line(row) for row in main if is_number(row["difference"])]
    if not lines:
        return []
    tasks = list(dict.fromkeys(row["task"] for row in rows if row["is_main"]))
    newest = f" The newest {DRAWN} of {len(judged)} are drawn." if len(judged) > DRAWN else ""
    return [
        Figure(
            "gain_by_checkpoint",
            "What each checkpoint gave, the newest judgement first",
            "One row per judgement of a checkpoint: the change of the task's main figure against the base model of "
            "its time, with its interval. A checkpoint that was judged again on other notes has a row for each. ✓ "
            "was released, ✗ was not. Rows are on the notes of their day: compare their signs, and their sizes "
            f"with care.{newest}",
            "History of checkpoints",
            forest(lines),
            (
                Choice(
                    "Task", "task", tuple((task, capital(words(task))) for task in tasks), tasks[0], "task"
                ),
            ),
        )
    ]


def _line(row: Row) -> dict[str, Any]:
    return {
        "name": " ".join(
            (
                str(row["judged_at"])[:10],
                row["checkpoint"][:8],
                _SIGNS.get(row["verdict"], ""),
                row["verdict"],
            )
        ),
        "value": row["difference"],
        **{key: row[key] for key in ("n", "ci_low", "ci_high", "task")},
        "before": row["baseline"],
        "after": row["tuned"],
        "tolerated": 0,
    }
