"""The table `classification_errors`: held-out notes whose labels came out wrong, and what can be said of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.classification.scoring import Answers, Truth
from medembed_pipeline.evidence.labels.judgements import LOOKS_WRONG
from medembed_pipeline.lake.fields import described

DECIMALS = 6

ERRORS_SCHEMA = pa.schema(
    [
        described("note_id", pa.string(), "a held-out note whose labels are not exactly the expected ones"),
        described("expected", pa.list_(pa.string()), "its specialties, sorted"),
        described("came", pa.list_(pa.string()), "the labels it was given, the likeliest first"),
        described("confidence", pa.float64(), "probability of the likeliest label"),
        described("likeliest_is_true", pa.bool_(), "whether the likeliest label is one of the expected ones"),
        described(
            "expected_probability",
            pa.float64(),
            "the lowest probability of an expected label; null where one is not predicted at all",
            nullable=True,
        ),
        described("set", pa.list_(pa.string()), "the set with the promise, the likeliest first"),
        described("set_holds_all", pa.bool_(), "whether the set holds every expected label"),
        described(
            "left_to_people", pa.string(), "why the classifier abstains; null where it answers", nullable=True
        ),
        described("nearest", pa.list_(pa.string()), "the nearest train notes, the nearest first"),
        described(
            "label_doubted",
            pa.bool_(),
            "whether label_review says that the note's own label looks wrong; null where it did not judge it",
            nullable=True,
        ),
        described("suggested", pa.string(), "what label_review suggests, null for nothing", nullable=True),
    ]
)


def errors_table(
    note_ids: Sequence[str],
    specialties: Sequence[Sequence[str]],
    truth: Truth,
    answers: Answers,
    labels: Sequence[str],
    *,
    nearest: Sequence[Sequence[str]],
    abstained: Sequence[str | None],
    review: Mapping[str, tuple[str | None, str | None]],
) -> pa.Table:
    """The wrong notes; those whose likeliest label is false first, the surest of them first.

    Parameters
    ----------
    note_ids
        n held-out notes.
    specialties
        all of each note, those included that are not predicted.
    truth, answers
        of the same notes.
    labels
        names of the columns.
    nearest
        ids of the nearest train notes of each.
    abstained
        why, where the classifier does.
    review
        judgement and suggestion of `label_review` by note id.
    """
    wrong = (answers.chosen != (truth.membership > 0)).any(axis=1) | (truth.outside > 0)
    wrong &= truth.carried > 0
    rows = []
    for row in np.flatnonzero(wrong).tolist():
        probability = np.round(answers.probabilities[row], DECIMALS)
        order = np.argsort(-probability, kind="stable")
        true = np.flatnonzero(truth.membership[row] > 0)
        judgement, suggested = review.get(note_ids[row], (None, None))
        rows.append(
            {
                "note_id": note_ids[row],
                "expected": sorted(specialties[row]),
                "came": [labels[column] for column in order if answers.chosen[row, column]],
                "confidence": float(probability[order[0]]),
                "likeliest_is_true": bool(truth.membership[row, order[0]] > 0),
                "expected_probability": None
                if truth.outside[row] or not len(true)
                else float(probability[true].min()),
                "set": [labels[column] for column in order if answers.sets[row, column]],
                "set_holds_all": bool(answers.sets[row, true].all() and not truth.outside[row]),
                "left_to_people": abstained[row],
                "nearest": list(nearest[row]),
                "label_doubted": None if judgement is None else judgement == LOOKS_WRONG,
                "suggested": suggested,
            }
        )
    rows.sort(key=lambda one: (one["likeliest_is_true"], -one["confidence"], one["note_id"]))
    return pa.Table.from_pylist(rows, schema=ERRORS_SCHEMA)


def confusion_records(truth: Truth, answers: Answers, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Which labels are taken for which: a record per pair that occurs, `expected`, `came`, `notes`.

    A note whose likeliest label is true counts on the diagonal, once. Any other counts once for each of its labels.
    """
    counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
    if len(labels):
        first = np.round(answers.probabilities, 12).argmax(axis=1)
        for row, column in enumerate(first.tolist()):
            true = np.flatnonzero(truth.membership[row] > 0)
            if column in true:
                counts[column, column] += 1
            else:
                counts[true, column] += 1
    return [
        {"expected": labels[row], "came": labels[column], "notes": int(counts[row, column])}
        for row, column in np.argwhere(counts > 0)
    ]
