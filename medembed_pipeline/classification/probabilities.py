"""The table `label_probabilities`: what every rung of the ladder says of every note and label."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.classification.features import NoteRows
from medembed_pipeline.classification.fusion import fuse
from medembed_pipeline.classification.ladder import (
    ADAPTERS,
    FUSED_OF,
    RUNGS,
    Climbed,
    TrainNotes,
    climb,
)
from medembed_pipeline.classification.notes import VALIDATION, ClassifierNotes
from medembed_pipeline.classification.scoring import Answers
from medembed_pipeline.classification.serving import Choice, Decided, Decision, choose, decide
from medembed_pipeline.classification.settings import ClassificationSettings
from medembed_pipeline.evaluation.jackknife import group_numbers
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray
from medembed_pipeline.lake.fields import described

DECIMALS = 9
"""Scores are rounded here: further down, they depend on the machine."""

NO_LABELS = "no train note has a specialty, or none has enough of one: there is nothing to learn"

PROBABILITIES_SCHEMA = pa.schema(
    [
        described("note_id", pa.string(), "the note"),
        described("label", pa.string(), "a specialty that is predicted"),
        described("split", pa.string(), "train, validation or test"),
        described(
            "source",
            pa.string(),
            "out_of_fold: a train note, by heads that saw neither it nor its group (its tuned vector is still of a "
            "checkpoint that did, which makes the tuned rungs too sure here); held_out: neither head nor checkpoint "
            "learned from its group; seen: the checkpoint did",
        ),
        described("carries", pa.bool_(), "whether the note carries the label"),
        described(
            "probability",
            pa.float64(),
            "of the rung that is served, calibrated",
        ),
        *(
            described(
                rung.name,
                pa.float64(),
                f"score before calibration: {rung.shown}"
                + (
                    "; null for train notes, and unless [classification] adapters is on"
                    if rung is ADAPTERS
                    else ""
                ),
                nullable=rung is ADAPTERS,
            )
            for rung in (*RUNGS, ADAPTERS)
        ),
    ]
)

MoreScores = Callable[[], FloatArray]


@dataclass(frozen=True)
class Ladder:
    """Every rung, climbed.

    Attributes
    ----------
    climbed
        by rung; without the adapters, which are no head on given rows.
    scores
        by rung, float64 [n, labels] of all notes; of train notes out of fold, and NaN of the adapters.
    decisions
        by rung.
    choice
        which is served.
    """

    climbed: Mapping[str, Climbed]
    scores: Mapping[str, FloatArray]
    decisions: Mapping[str, Decision]
    choice: Choice


def climb_ladder(
    notes: ClassifierNotes,
    rows: NoteRows,
    settings: ClassificationSettings,
    *,
    label_free: Collection[str] = (),
    adapters: MoreScores | None = None,
) -> Ladder:
    """Fit every rung on the train notes, and choose on the validation notes.

    Parameters
    ----------
    notes
        n notes.
    rows
        the same notes, in their order.
    settings
        of the room.
    adapters
        makes the scores of the adapters, float64 [n, labels]; None where they are off.
    """
    learned = notes.learned_from()
    train = TrainNotes(
        rows.take(learned), notes.membership[learned], group_numbers(notes.groups[learned].tolist())
    )
    climbed: dict[str, Climbed] = {}
    scores: dict[str, FloatArray] = {}
    for rung in RUNGS:
        if rung.kind == "fused":
            vectors, words = (climbed[name] for name in FUSED_OF)
            climbed[rung.name] = fuse(rung, vectors, words, train.membership, settings)
        else:
            climbed[rung.name] = climb(rung, train, settings)
        found = climbed[rung.name].fitted.probabilities(rows)
        found[learned] = climbed[rung.name].out_of_fold
        scores[rung.name] = np.round(found, DECIMALS)
    if adapters is not None:
        scores[ADAPTERS.name] = np.round(adapters(), DECIMALS)
    decisions, choice = decide_ladder(notes, scores, settings, label_free=label_free)
    return Ladder(climbed, scores, decisions, choice)


def decide_ladder(
    notes: ClassifierNotes,
    scores: Mapping[str, FloatArray],
    settings: ClassificationSettings,
    *,
    label_free: Collection[str],
) -> tuple[dict[str, Decision], Choice]:
    """What each rung answers, and which is served, by its answers to the validation notes.

    Parameters
    ----------
    notes
        n notes.
    scores
        by rung, float64 [n, labels].
    settings
        of the room.
    label_free
        rungs whose features never saw a label; see `decide_rung`.
    """
    judged = notes.judged(VALIDATION)
    decisions: dict[str, Decision] = {}
    answers: dict[str, Answers] = {}
    for name, own in scores.items():
        decided, rows = decide_rung(notes, own, settings, label_free=name in label_free)
        decisions[name] = decided.decision
        answers[name] = decided.crossed_answers.take(np.searchsorted(rows, judged))
    choice = choose(answers, notes.truth(judged), by=settings.choose_by, confidence=settings.confidence)
    return decisions, choice


def decide_rung(
    notes: ClassifierNotes, scores: FloatArray, settings: ClassificationSettings, *, label_free: bool
) -> tuple[Decided, IntArray]:
    """What one rung answers, found on `ClassifierNotes.decided_on`, and the rows of these notes.

    Where its features never saw a label, the scores of train notes out of fold are like those of notes to come, and
    there are several times as many of them as validation notes.

    Parameters
    ----------
    notes
        n notes.
    scores
        float64 [n, labels].
    settings
        of the room.
    label_free
        whether its features never saw a label.
    """
    rows = notes.decided_on(label_free=label_free)
    decided = decide(
        scores[rows],
        notes.truth(rows),
        misses=settings.misses,
        own_from=settings.calibrate_label_from,
        seed=settings.seed,
    )
    return decided, rows


def probabilities_table(
    notes: ClassifierNotes,
    rows: NoteRows,
    settings: ClassificationSettings,
    *,
    label_free: Collection[str] = (),
    adapters: MoreScores | None = None,
) -> tuple[pa.Table, dict[str, Any]]:
    """Climb the ladder, and put down what every rung says.

    Parameters
    ----------
    notes, rows, settings, label_free, adapters
        as in `climb_ladder`.

    Returns
    -------
    tuple[pa.Table, dict[str, Any]]
        A table with PROBABILITIES_SCHEMA, a row per note and label, sorted by both; and the facts: `labels`,
        `labels_not_predicted` (records), `train_notes`, `validation_notes`, `served`, `why_served`, `ladder` and
        `trials` (records).
    """
    facts: dict[str, Any] = {
        "labels": len(notes.labels),
        "labels_not_predicted": [
            {"label": name, "train_notes": count} for name, count in notes.too_rare.items()
        ],
        "train_notes": len(notes.learned_from()),
        "validation_notes": len(notes.judged(VALIDATION)),
    }
    if not notes.labels:
        return PROBABILITIES_SCHEMA.empty_table(), {**facts, "why_empty": NO_LABELS}
    ladder = climb_ladder(notes, rows, settings, label_free=label_free, adapters=adapters)
    served = ladder.choice.served
    count, labels = notes.membership.shape
    probability = ladder.decisions[served].calibration.apply(ladder.scores[served])
    flat = {name: own.reshape(-1) for name, own in ladder.scores.items()}
    table = pa.table(
        {
            "note_id": np.repeat(notes.note_ids, labels),
            "label": np.tile(notes.labels, count),
            "split": np.repeat(notes.splits, labels),
            "source": np.repeat(notes.source(), labels),
            "carries": notes.membership.reshape(-1) > 0,
            "probability": np.round(probability, DECIMALS).reshape(-1),
            **{
                rung.name: pa.array(flat[rung.name], from_pandas=True)
                if rung.name in flat
                else pa.nulls(count * labels, pa.float64())
                for rung in (*RUNGS, ADAPTERS)
            },
        }
    ).cast(PROBABILITIES_SCHEMA)
    facts |= {
        "served": served,
        "why_served": ladder.choice.why,
        "ladder": [
            {
                **record,
                **_tuned(ladder.climbed.get(record["rung"])),
                "label_free": record["rung"] in label_free,
            }
            for record in ladder.choice.ladder
        ],
        "trials": [
            {"rung": name, "parameter": trial.parameter, "log_loss": round(trial.score, DECIMALS)}
            for name, one in ladder.climbed.items()
            for trial in one.fitted.trials
        ],
    }
    return table, facts


def parameters_of(facts: Mapping[str, Any]) -> dict[str, float]:
    """What was chosen for each rung, by the facts of `label_probabilities`."""
    return {one["rung"]: one["parameter"] for one in facts["ladder"] if one["parameter"] is not None}


def label_free_of(facts: Mapping[str, Any]) -> frozenset[str]:
    """Rungs whose features never saw a label, by the facts of `label_probabilities`."""
    return frozenset(one["rung"] for one in facts["ladder"] if one["label_free"])


def _tuned(climbed: Climbed | None) -> dict[str, Any]:
    if climbed is None:
        return {"parameter": None, "fold_log_loss": None}
    best = min(climbed.fitted.trials, key=lambda trial: trial.score)
    return {"parameter": best.parameter, "fold_log_loss": round(best.score, DECIMALS)}


def scores_of(table: pa.Table, notes: ClassifierNotes) -> dict[str, FloatArray]:
    """The scores in `label_probabilities`, by rung: float64 [n, labels] in the order of the notes, NaN for null."""
    shape = notes.membership.shape
    return {
        rung.name: table[rung.name].to_numpy().reshape(shape)
        for rung in (*RUNGS, ADAPTERS)
        if table[rung.name].null_count < table.num_rows
    }
