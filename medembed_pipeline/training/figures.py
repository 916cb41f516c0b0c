"""The figures of a training: its course, and what averaging with the base model gives and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medembed_pipeline.pictures.curves import curves
from medembed_pipeline.pictures.numbers import is_number, percent
from medembed_pipeline.pictures.specification import Figure, Row

_COURSES: tuple[tuple[str, str, str, Mapping[str, str]], ...] = (
    (
        "loss",
        "Loss",
        "Good: both fall. Bad: the validation loss turns up while the training loss goes on falling: the model "
        "learns its notes by heart.",
        {"train_loss": "training", "validation_loss": "validation"},
    ),
    (
        "validation",
        "Validation notes",
        "Retrieval on validation notes, which the model is not trained on. The line marks what was "
        "kept: a head's last round, or the best epoch by the main metric of the verdict.",
        {
            "validation_precision_at_5": "precision at 5",
            "validation_map": "MAP",
            "validation_triplet_accuracy": "triplet accuracy",
        },
    ),
    (
        "passages",
        "Passages of validation notes",
        "How well a passage finds the note it comes from (MRR), which needs no labels. A training without labels "
        "chooses its epoch by it.",
        {"validation_passage_mrr": "passages, MRR"},
    ),
    (
        "held_out_by_epoch",
        "Held-out notes by epoch",
        "The metrics of each kept epoch; epoch 0 is the model before training. Good: they rise and level off.",
        {
            "precision@1": "precision at 1",
            "precision@5": "precision at 5",
            "precision@10": "precision at 10",
            "map": "MAP",
        },
    ),
    (
        "shape_by_epoch",
        "Shape of the space by epoch",
        "Silhouette and separation of the specialties; they should rise together with retrieval.",
        {"silhouette": "silhouette", "separation": "separation", "margin": "margin"},
    ),
)
_KEPT = {
    "validation_passage_mrr": "a passage finds its note (MRR)",
    "validation_similarities_kept": "similarities of phrases (correlation)",
    "validation_rank_kept": "effective rank (share)",
}


def course_figures(
    values: Mapping[str, Sequence[tuple[float, float | None]]], *, best_epoch: float | None = None
) -> list[Figure]:
    """The course of whatever was recorded.

    Parameters
    ----------
    values
        epochs and values by what was recorded, in any order; epoch 0 is the model before training.
    best_epoch
        whose weights were kept, marked by a line; None where it is not known.
    """
    made = []
    for name, title, reading, lines in _COURSES:
        found = {
            said: sorted(values[key])
            for key, said in lines.items()
            if any(is_number(at[1]) for at in values.get(key, ()))
        }
        if found:
            marked = (best_epoch, "kept") if best_epoch is not None else None
            made.append(Figure(name, title, reading, title, curves(found, axis="epoch", marked=marked)))
    return made


def history_values(history: Sequence[Row]) -> dict[str, list[tuple[float, float | None]]]:
    """What `course_figures` takes, out of a checkpoint's history: a row per epoch."""
    names = dict.fromkeys(name for row in history for name in row if name not in ("epoch", "steps"))
    return {
        name: [(row["epoch"], row.get(name)) for row in history if is_number(row.get(name))] for name in names
    }


def trade_off_figures(rows: Sequence[Row]) -> list[Figure]:
    """What each share of the tuned weights gives and costs on the validation notes; nothing without rows.

    Parameters
    ----------
    rows
        one per share, as `training.averaging.trade_off` makes them.
    """
    taken = next((row["share"] for row in rows if row["taken"]), None)
    if taken is None:
        return []
    # Without labels there is no figure of specialties, and the passages choose.
    labelled = any(is_number(row.get("validation_map")) for row in rows)
    gained = {"validation_score": "main metric" if labelled else "passages, MRR", "validation_map": "MAP"}
    average = (
        f"The weights are averaged with the base model's; {percent(taken)} of the tuned model was taken."
    )

    def drawn(name: str, title: str, reading: str, lines: Mapping[str, str]) -> list[Figure]:
        found: dict[str, Any] = {
            said: [(100 * row["share"], row[key]) for row in rows if is_number(row.get(key))]
            for key, said in lines.items()
        }
        found = {said: points for said, points in found.items() if points}
        if not found:
            return []
        drawing = curves(found, axis="percent of the tuned model", marked=(100 * taken, "taken"))
        return [Figure(name, title, f"{reading} {average}", f"{title}, by share of the tuned model", drawing)]

    return [
        *drawn("gained_by_share", "Gained", "What the training is judged by, on validation notes.", gained),
        *drawn("kept_by_share", "Kept", "Good: they stay high as the share grows.", _KEPT),
    ]
