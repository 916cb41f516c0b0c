"""Every labelled note judged by models that saw nothing of its group: the figures of a rung, not of one folder.

The held-out notes alone are often too few to tell two classifiers apart. Where the features of a rung never saw a
label (words, and vectors of a base model), there is no need to stop at them: the notes are divided into folds by
groups, and each fold is answered by a rung for which everything was fitted and chosen on the others, C, the weight of
the vectors, calibration, thresholds and sets included. What is measured so is the *procedure*: as many folders as
there are folds, each learned from about four fifths of the notes. The folder that is served is one more of its kind.

Tuned vectors were made from the labels of the train notes, and adapters are trained on them: there it would be wrong,
and there is none.

The choices within the training part of a fold go by cross-validation over the other folds. A model that lacks two
folds serves both of them, so that with K folds K (K - 1) / 2 models a parameter do for all the choices.

Intervals are those of `evaluation.jackknife`, widened. What the notes' own scores vary tells of other notes to be
judged, by the same models (Bayle et al.); other training notes would have made other models, which all folds share
most of. Their part is added by the correction of Nadeau and Bengio: with K folds the variance counts 1 + K / (K - 1)
times, and with r divisions, of which the mean is taken, 1 / r + K / (K - 1) times (Bouckaert and Frank). How often such
intervals hold is simulated, see docs/classification.md.

References: P. Bayle, A. Bayle, L. Janson, L. Mackey, "Cross-validation confidence intervals for test error", NeurIPS
2020; C. Nadeau, Y. Bengio, "Inference for the generalization error", Machine Learning 52 (2003); R. R. Bouckaert,
E. Frank, "Evaluating the replicability of significance tests for comparing learning algorithms", PAKDD 2004, for folds
that are drawn anew; S. Varma, R. Simon, "Bias in error estimation when using cross-validation for model selection", BMC
Bioinformatics 7 (2006), for nested cross-validation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from medembed_pipeline.classification.features import NoteRows
from medembed_pipeline.classification.fusion import mean_of_logits
from medembed_pipeline.classification.ladder import (
    FUSED_OF,
    MOST_TUNING_NOTES,
    PREVALENCE,
    RUNG_OF,
    WORDS,
    Rung,
    TrainNotes,
    calibrated_losses,
    fit_features,
    fit_head,
    fit_heads,
    tried,
)
from medembed_pipeline.classification.notes import VALIDATION, ClassifierNotes, evenly_spaced
from medembed_pipeline.classification.scoring import Answers, Truth, label_figures, overall_figures
from medembed_pipeline.classification.serving import decide
from medembed_pipeline.classification.settings import ClassificationSettings
from medembed_pipeline.evaluation.jackknife import Jackknife, group_numbers, mean_jackknives, widened
from medembed_pipeline.evaluation.metric_names import MetricKey
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray
from medembed_pipeline.evidence.labels.folds import stratified_group_folds

FEWEST_FOLDS = 3
"""Without two folds there must be one left to learn from."""

DECIMALS = 9
_DRAW = 11
"""Tells the draw of these folds from that of the ladder's."""


@dataclass(frozen=True)
class CrossFitted:
    """What cross-fitted classifiers say.

    Attributes
    ----------
    rows
        int64, the notes that are scored: with a label, and of no validation note, since those chose what is served.
    truth
        what is true of them.
    answers
        by rung, a set of answers for each division into folds.
    parameters
        by rung, what was chosen in each fold, one division after the other.
    taught
        notes that took part, the validation notes among them.
    folds
        of each division.
    """

    rows: IntArray
    truth: Truth
    answers: Mapping[str, list[Answers]]
    parameters: Mapping[str, list[float]]
    taught: int
    folds: int

    def figures(self, rung: str) -> dict[MetricKey, Jackknife]:
        """Figures over all notes, the means of the divisions; see `OVERALL_METRICS`."""
        return self._means([overall_figures(self.truth, one) for one in self.answers[rung]])

    def label_figures(self, rung: str) -> dict[MetricKey, Jackknife]:
        """Figures of every label, the means of the divisions; see `LABEL_METRICS`."""
        return self._means([label_figures(self.truth, one) for one in self.answers[rung]])

    def _means(self, divisions: Sequence[Mapping[MetricKey, Jackknife]]) -> dict[MetricKey, Jackknife]:
        """The means of the same figures, as wide as other training notes make them."""
        factor = math.sqrt(1.0 / len(divisions) + self.folds / (self.folds - 1.0))
        return {
            key: widened(mean_jackknives([one[key] for one in divisions]), factor) for key in divisions[0]
        }


@dataclass(frozen=True)
class FoldScores:
    """What a rung says before calibration.

    Attributes
    ----------
    inner
        float64 [folds, n, labels]: for each fold that is left out, what models without it say of the notes of the other
        folds, each by one that lacks its fold, too; NaN for the notes of the fold itself.
    outer
        float64 [n, labels], each note by a model that was fitted on all other folds.
    parameters
        what was chosen, by fold.
    """

    inner: FloatArray
    outer: FloatArray
    parameters: list[float]


@dataclass(frozen=True)
class CrossScores:
    """Scores of several rungs on the same folds.

    Attributes
    ----------
    rows
        int64 [n], the notes that take part.
    fold_of
        int64 [n], numbers from 0, whole groups.
    scores
        by rung.
    """

    rows: IntArray
    fold_of: IntArray
    scores: Mapping[str, FoldScores]


def cross_fit(
    notes: ClassifierNotes, rows: NoteRows, settings: ClassificationSettings, *, rungs: Sequence[str]
) -> CrossFitted | None:
    """Judge the labelled notes by models that saw nothing of their groups.

    Parameters
    ----------
    notes, rows, settings, rungs
        as in `cross_scores`; of the settings' seed on, `cross_fits` in all.

    Returns
    -------
    CrossFitted | None
        None where there is nothing to be compared with TF-IDF, or no note to be scored, or the groups are too few to
        be divided.
    """
    if not set(rungs) - {PREVALENCE, WORDS}:
        return None
    divisions = []
    for seed in range(settings.seed, settings.seed + settings.cross_fits):
        found = cross_scores(notes, rows, settings, rungs=rungs, seed=seed)
        if found is None:
            return None
        divisions.append(found)
    return cross_answers(divisions, notes, settings)


def cross_answers(
    divisions: Sequence[CrossScores], notes: ClassifierNotes, settings: ClassificationSettings
) -> CrossFitted | None:
    """The answers that come of the scores; None where there is no note to be scored.

    Parameters
    ----------
    divisions
        by `cross_scores`, of the same notes and rungs; one or more.
    notes, settings
        as in `cross_scores`.
    """
    first = divisions[0]
    scored: BoolArray = np.array([notes.splits[row] != VALIDATION for row in first.rows], dtype=np.bool_)
    if not scored.any():
        return None
    return CrossFitted(
        first.rows[scored],
        notes.truth(first.rows[scored]),
        {
            name: [_decided(one.scores[name], one, notes, settings).take(scored) for one in divisions]
            for name in first.scores
        },
        {
            name: [value for one in divisions for value in one.scores[name].parameters]
            for name in first.scores
        },
        len(first.rows),
        int(first.fold_of.max()) + 1,
    )


def cross_scores(
    notes: ClassifierNotes,
    rows: NoteRows,
    settings: ClassificationSettings,
    *,
    rungs: Sequence[str],
    seed: int,
) -> CrossScores | None:
    """What rungs say of the labelled notes before calibration.

    Parameters
    ----------
    notes
        all notes. Those that a checkpoint saw take part: the features have nothing to do with it.
    rows
        the same notes.
    settings
        of the room.
    rungs
        those whose features never saw a label; the fused one after those that it is made of.
    seed
        of the division into folds.

    Returns
    -------
    CrossScores | None
        None where the groups are too few to be divided.
    """
    taking_part = np.flatnonzero(notes.labelled)
    taking_part = taking_part[evenly_spaced(len(taking_part), MOST_TUNING_NOTES)]
    groups = group_numbers(notes.groups[taking_part].tolist())
    train = TrainNotes(rows.take(taking_part), notes.membership[taking_part], groups)
    fold_of = stratified_group_folds(
        train.membership, groups, folds=max(settings.folds, FEWEST_FOLDS), seed=(seed, _DRAW)
    )
    there, fold_of = np.unique(fold_of, return_inverse=True)
    if len(there) < FEWEST_FOLDS:
        return None
    fold_of = fold_of.reshape(-1).astype(np.int64)
    scores: dict[str, FoldScores] = {}
    for name in rungs:
        rung = RUNG_OF[name]
        if rung.kind == "fused":
            vectors, words = (scores[one] for one in FUSED_OF)
            scores[name] = fused_scores(vectors, words, train.membership, fold_of, settings)
        else:
            scores[name] = fold_scores(rung, train, fold_of, settings)
    return CrossScores(taking_part, fold_of, scores)


def fold_scores(
    rung: Rung, train: TrainNotes, fold_of: IntArray, settings: ClassificationSettings
) -> FoldScores:
    """What a rung that stands by itself says of every note.

    Parameters
    ----------
    rung
        which.
    train
        n notes.
    fold_of
        int64 [n], numbers from 0, whole groups; three folds or more.
    settings
        of the room.
    """
    folds = int(fold_of.max()) + 1
    truth, members = train.membership, [np.flatnonzero(fold_of == fold) for fold in range(folds)]
    parameters = tried(rung, settings)
    found = {one: np.full((folds, *truth.shape), np.nan) for one in parameters}
    for pair in combinations(range(folds), 2):
        seen = np.flatnonzero(~np.isin(fold_of, pair))
        known = train.notes.take(seen)
        features = fit_features(rung, known, settings)
        learned = features.rows(known)
        asked = [features.rows(train.notes.take(members[fold])) for fold in pair]
        heads = fit_heads(rung, learned, truth[seen], parameters, settings)
        for parameter, head in zip(parameters, heads, strict=True):
            for own, other, unknown in zip(pair, reversed(pair), asked, strict=True):
                found[parameter][other, members[own]] = np.round(head.probabilities(unknown), DECIMALS)
    inner, outer = np.empty((folds, *truth.shape)), np.empty(truth.shape)
    chosen: list[float] = []
    for fold in range(folds):
        seen = np.flatnonzero(fold_of != fold)
        losses = calibrated_losses([found[one][fold][seen] for one in parameters], truth[seen])
        best = parameters[int(np.argmin(losses))]
        chosen.append(float(best))
        inner[fold] = found[best][fold]
        known = train.notes.take(seen)
        features = fit_features(rung, known, settings)
        head = fit_head(rung, features.rows(known), truth[seen], best, settings)
        asked_rows = features.rows(train.notes.take(members[fold]))
        outer[members[fold]] = np.round(head.probabilities(asked_rows), DECIMALS)
    return FoldScores(inner, outer, chosen)


def fused_scores(
    vectors: FoldScores,
    words: FoldScores,
    membership: FloatArray,
    fold_of: IntArray,
    settings: ClassificationSettings,
) -> FoldScores:
    """The rung that is made of two others; in each fold with the weight of the lowest calibrated loss on the others.

    Parameters
    ----------
    vectors, words
        what it is made of.
    membership
        float64 [n, labels].
    fold_of
        int64 [n], that of both.
    settings
        of the room.
    """
    inner, outer = np.full_like(vectors.inner, np.nan), np.empty_like(vectors.outer)
    chosen: list[float] = []
    for fold in range(len(inner)):
        others, own = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        known = vectors.inner[fold][others], words.inner[fold][others]
        means = {weight: mean_of_logits(*known, weight=weight) for weight in settings.fused_weights}
        losses = calibrated_losses(list(means.values()), membership[others])
        best = list(means)[int(np.argmin(losses))]
        chosen.append(best)
        inner[fold][others] = means[best]
        outer[own] = mean_of_logits(vectors.outer[own], words.outer[own], weight=best)
    return FoldScores(inner, outer, chosen)


def _decided(
    found: FoldScores, among: CrossScores, notes: ClassifierNotes, settings: ClassificationSettings
) -> Answers:
    """The answers to the notes of each fold; calibration, thresholds and sets are found on the others."""
    member = found.outer.shape
    probabilities = np.empty(member)
    chosen: BoolArray = np.empty(member, dtype=np.bool_)
    sets: BoolArray = np.empty(member, dtype=np.bool_)
    for fold, inner in enumerate(found.inner):
        others, own = np.flatnonzero(among.fold_of != fold), np.flatnonzero(among.fold_of == fold)
        decided = decide(
            inner[others],
            notes.truth(among.rows[others]),
            misses=settings.misses,
            own_from=settings.calibrate_label_from,
            seed=settings.seed,
        )
        answers = decided.decision.answers(found.outer[own])
        probabilities[own], chosen[own], sets[own] = answers.probabilities, answers.chosen, answers.sets
    return Answers(probabilities, chosen, sets)
