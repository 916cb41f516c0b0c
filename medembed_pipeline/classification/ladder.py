"""The ladder: classifiers from the plainest to the fullest, on one split, each with the same effort of tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from medembed_pipeline.classification.calibration import fit_calibration
from medembed_pipeline.classification.features import Features, NoteRows
from medembed_pipeline.classification.heads import (
    Head,
    NeighborHead,
    PrevalenceHead,
    fit_linear_heads,
)
from medembed_pipeline.classification.notes import evenly_spaced
from medembed_pipeline.classification.settings import ClassificationSettings
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray
from medembed_pipeline.evidence.labels.folds import stratified_group_folds

Kind = Literal["prevalence", "neighbors", "linear", "fused", "adapters"]

PREVALENCE, WORDS = "prevalence", "tfidf"


@dataclass(frozen=True)
class Rung:
    """One classifier of the ladder.

    Attributes
    ----------
    name
        in tables.
    kind
        of its head.
    model
        whose vectors it sees: baseline, tuned, or None.
    words
        whether it sees the words.
    shown
        what it is, in a few words.
    """

    name: str
    kind: Kind
    model: str | None
    words: bool
    shown: str


RUNGS = (
    Rung(PREVALENCE, "prevalence", None, False, "how frequent each label is"),
    Rung(WORDS, "linear", None, True, "TF-IDF + logistic regression"),
    Rung("knn_baseline", "neighbors", "baseline", False, "nearest train notes, baseline vectors"),
    Rung("knn_tuned", "neighbors", "tuned", False, "nearest train notes, tuned vectors"),
    Rung("baseline", "linear", "baseline", False, "logistic regression on baseline vectors"),
    Rung("tuned", "linear", "tuned", False, "logistic regression on tuned vectors"),
    Rung("tuned_tfidf", "linear", "tuned", True, "logistic regression on tuned vectors + TF-IDF"),
    Rung("fused", "fused", "baseline", True, "TF-IDF and baseline vectors, each with a head, fused"),
)
FUSED_OF = ("baseline", WORDS)
"""Rungs that the fused one is made of; see `fusion.py`."""

ADAPTERS = Rung("adapters", "adapters", None, False, "adapters (LoRA) and a head on the base model")
"""Made where the settings ask for it; see `adapters.py`."""

RUNG_OF = {rung.name: rung for rung in (*RUNGS, ADAPTERS)}


def label_free_rungs(*, base_is_known: bool) -> tuple[str, ...]:
    """Rungs whose features never saw a label of any note.

    Tuned vectors come from a checkpoint that was taught the labels of the train notes, and so do adapters.

    Parameters
    ----------
    base_is_known
        whether the base model is one that is known to have learned no label of these notes. Of a model that a user
        brings (it may be a checkpoint of theirs) that is not known.
    """
    models = (None, "baseline") if base_is_known else (None,)
    return tuple(rung.name for rung in RUNGS if rung.model in models)


MOST_TUNING_NOTES = 5_000
"""The grid is tried on at most so many train notes, evenly spaced by note id."""


@dataclass(frozen=True)
class Trial:
    """One parameter that was tried.

    Attributes
    ----------
    parameter
        C, the number of voters, or the weight of the vectors.
    score
        `calibrated_losses` of the notes out of fold; lower is better.
    """

    parameter: float
    score: float


@dataclass(frozen=True)
class FittedRung:
    """A rung, fitted on all train notes.

    Attributes
    ----------
    rung
        which.
    features
        how its rows are made.
    head
        what was learned.
    trials
        what was tried.
    parameter
        what was chosen: C, the number of voters, or the weight of the vectors.
    """

    rung: Rung
    features: Features
    head: Head
    parameter: float
    trials: list[Trial] = field(default_factory=list)

    def probabilities(self, notes: NoteRows) -> FloatArray:
        """float64 [n, labels], not calibrated."""
        return self.head.probabilities(self.features.rows(notes))


def fit_features(rung: Rung, notes: NoteRows, settings: ClassificationSettings) -> Features:
    """How a rung sees notes; fitted on some of them. Neighbours see vectors as they are, for their cosines."""
    if rung.kind == "linear":
        return Features.fit(
            notes, model=rung.model, words=rung.words, smallest_word_notes=settings.smallest_word_notes
        )
    return Features(rung.model, None, None)


def fit_head(
    rung: Rung, rows: Any, membership: FloatArray, parameter: float, settings: ClassificationSettings
) -> Head:
    """What a rung learns; see `fit_heads`."""
    return fit_heads(rung, rows, membership, [parameter], settings)[0]


def fit_heads(
    rung: Rung,
    rows: Any,
    membership: FloatArray,
    parameters: Sequence[float],
    settings: ClassificationSettings,
) -> Sequence[Head]:
    """What a rung learns with each of several parameters.

    Parameters
    ----------
    rung
        any that stands by itself.
    rows
        [n, d], what it sees of n train notes.
    membership
        float64 [n, labels].
    parameters
        values of C, or numbers of voters.
    settings
        of the room.
    """
    match rung.kind:
        case "linear":
            return fit_linear_heads(
                rows,
                membership,
                inverse_regularizations=parameters,
                balanced=settings.class_weight == "balanced",
            )
        case "neighbors":
            return [NeighborHead(rows, membership, int(parameter)) for parameter in parameters]
        case _:
            share = membership.mean(axis=0) if len(membership) else np.zeros(membership.shape[1])
            return [PrevalenceHead(share) for _ in parameters]


@dataclass(frozen=True)
class TrainNotes:
    """What the ladder is fitted on.

    Attributes
    ----------
    notes
        n train notes, sorted by id.
    membership
        float64 [n, labels].
    groups
        int64 [n], numbers from 0.
    """

    notes: NoteRows
    membership: FloatArray
    groups: IntArray

    def take(self, rows: IntArray) -> TrainNotes:
        """Some of the notes, in that order."""
        _, groups = np.unique(self.groups[rows], return_inverse=True)
        return TrainNotes(self.notes.take(rows), self.membership[rows], groups.reshape(-1).astype(np.int64))


@dataclass(frozen=True)
class Climbed:
    """One rung of the ladder after the climb.

    Attributes
    ----------
    fitted
        on all train notes.
    out_of_fold
        float64 [n, labels], of the train notes, by heads that saw neither the note nor its group.
    """

    fitted: FittedRung
    out_of_fold: FloatArray


def tried(rung: Rung, settings: ClassificationSettings) -> Sequence[float]:
    """What is tried of a rung that stands by itself: values of C, or numbers of voters."""
    match rung.kind:
        case "linear":
            return settings.inverse_regularization
        case "neighbors":
            return settings.neighbors
        case _:
            return (0,)


def climb(rung: Rung, train: TrainNotes, settings: ClassificationSettings) -> Climbed:
    """Tune a rung that stands by itself by grouped cross-validation within the train notes, and fit it on all of them.

    The same folds for every rung and parameter. Words are weighed anew within each fold. Of equally good parameters,
    the first.

    Parameters
    ----------
    rung
        which.
    train
        the train notes.
    settings
        of the room.
    """
    parts = evenly_spaced(len(train.membership), MOST_TUNING_NOTES)
    divided = _Folds(rung, train.take(parts), settings)
    trials = divided.trials(tried(rung, settings))
    best = min(trials, key=lambda trial: trial.score)
    all_notes = divided if len(parts) == len(train.membership) else _Folds(rung, train, settings)
    features = fit_features(rung, train.notes, settings)
    head = fit_head(rung, features.rows(train.notes), train.membership, best.parameter, settings)
    return Climbed(
        FittedRung(rung, features, head, best.parameter, trials),
        all_notes.out_of_fold([best.parameter])[best.parameter],
    )


class _Folds:
    """What one rung sees in each fold, made once for all parameters."""

    def __init__(self, rung: Rung, train: TrainNotes, settings: ClassificationSettings) -> None:
        self._train, self._rung, self._settings = train, rung, settings
        self._known: dict[float, FloatArray] = {}
        self._parts: list[tuple[IntArray, IntArray, Any, Any]] = []
        fold_of = stratified_group_folds(
            train.membership, train.groups, folds=settings.folds, seed=settings.seed
        )
        for fold in np.unique(fold_of):
            seen, asked = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
            if len(seen):
                known = train.notes.take(seen)
                features = fit_features(rung, known, settings)
                self._parts.append(
                    (seen, asked, features.rows(known), features.rows(train.notes.take(asked)))
                )

    def out_of_fold(self, parameters: Sequence[float]) -> Mapping[float, FloatArray]:
        """By parameter what heads say of the notes of the fold that they did not see, float64 [n, labels]."""
        missing = [parameter for parameter in parameters if parameter not in self._known]
        truth = self._train.membership
        for parameter in missing:
            self._known[parameter] = np.tile(truth.mean(axis=0), (len(truth), 1))
        for seen, asked, known, unknown in self._parts if missing else ():
            heads = fit_heads(self._rung, known, truth[seen], missing, self._settings)
            for parameter, head in zip(missing, heads, strict=True):
                self._known[parameter][asked] = head.probabilities(unknown)
        return self._known

    def trials(self, parameters: Sequence[float]) -> list[Trial]:
        found, truth = self.out_of_fold(parameters), self._train.membership
        asked = np.concatenate([np.zeros(0, dtype=np.int64), *(own for _, own, _, _ in self._parts)])
        losses = calibrated_losses([found[parameter][asked] for parameter in parameters], truth[asked])
        return [Trial(parameter, loss) for parameter, loss in zip(parameters, losses, strict=True)]


def calibrated_losses(probabilities: Sequence[FloatArray], membership: FloatArray) -> list[float]:
    """Mean log loss a note after a calibration that all labels share, by which parameters are chosen.

    What is served is calibrated. Before that, heads in which rare labels weigh as much as frequent ones say too much of
    all, and the log loss would choose the penalty that hides it best.

    Parameters
    ----------
    probabilities
        of each choice float64 [n, labels], of notes that the heads have not seen.
    membership
        float64 [n, labels].
    """
    if not membership.size:
        return [0.0 for _ in probabilities]

    def loss(said: FloatArray) -> float:
        calibration = fit_calibration(said, membership, own_from=len(membership) + 1)
        return float(log_loss(calibration.apply(said), membership).mean())

    return [loss(said) for said in probabilities]


LEAST_PROBABILITY = 1e-3
"""A vote of none of the neighbours is not taken for certainty."""


def log_loss(probabilities: FloatArray, membership: FloatArray) -> FloatArray:
    """Negative log likelihood of each note, summed over the labels, in nats. float64 [n]."""
    inside = np.clip(probabilities, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    found = membership * np.log(inside) + (1.0 - membership) * np.log1p(-inside)
    return np.asarray(-found.sum(axis=1))
