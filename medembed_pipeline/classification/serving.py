"""What turns the scores of a head into an answer, found on notes that it has not seen: calibration, thresholds, sets;
and which rung of the ladder is served."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from medembed_pipeline.classification.calibration import Calibration, cross_calibrated, fit_calibration
from medembed_pipeline.classification.conformal import EVERYTHING, label_sets, risk_threshold
from medembed_pipeline.classification.decisions import fit_thresholds, predicted_labels
from medembed_pipeline.classification.ladder import ADAPTERS, RUNG_OF, WORDS, log_loss
from medembed_pipeline.classification.scoring import (
    LOWER_IS_BETTER,
    Answers,
    Truth,
    metric_range,
    overall_figures,
)
from medembed_pipeline.evaluation.jackknife import Jackknife, difference, intervals
from medembed_pipeline.evaluation.metric_names import MetricKey
from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.evidence.labels.folds import stratified_group_folds

FOLDS = 10
"""Of these notes: each is calibrated by the others, before thresholds and sets are found."""

CHOICES: Mapping[str, tuple[MetricKey, str]] = {
    "map": (("map", None), "mean average precision"),
    "macro_f1": (("macro_f1", None), "macro-F1"),
    "top_1": (("top", 1), "top-1 accuracy"),
    "ranking": (("ranking", None), "label ranking average precision"),
    "log_loss": (("log_loss", None), "log loss"),
}
"""What `[classification] choose_by` can be, and what it is called."""


@dataclass(frozen=True)
class Decision:
    """How scores become an answer.

    Attributes
    ----------
    calibration
        scores -> probabilities.
    thresholds
        float64 [labels], from which a label is given.
    set_threshold
        from which it is in the set; 0 for sets of all labels, which alone keep the promise then.
    """

    calibration: Calibration
    thresholds: FloatArray
    set_threshold: float

    def answers(self, scores: FloatArray) -> Answers:
        """Of notes with these scores, float64 [n, labels]."""
        probabilities = self.calibration.apply(scores)
        return Answers(
            probabilities,
            predicted_labels(probabilities, self.thresholds),
            label_sets(probabilities, self.set_threshold),
        )


@dataclass(frozen=True)
class Decided:
    """A decision, and what it was found on.

    Attributes
    ----------
    decision
        for other notes.
    crossed
        float64 [n, labels], probabilities of the notes that it was found on, each fold calibrated by the others.
    """

    decision: Decision
    crossed: FloatArray

    @property
    def crossed_answers(self) -> Answers:
        """Of the notes that it was found on, with probabilities that did not see them."""
        return Answers(
            self.crossed,
            predicted_labels(self.crossed, self.decision.thresholds),
            label_sets(self.crossed, self.decision.set_threshold),
        )


def decide(scores: FloatArray, truth: Truth, *, misses: float, own_from: int, seed: int) -> Decided:
    """Calibration, thresholds and sets of a rung, from its scores on notes that its head has not seen.

    Thresholds and sets are found on probabilities that each fold of groups got from the calibration by the others, so
    that the set's promise is made on notes that the calibration has not seen. By the log loss of the same probabilities
    it is decided whether labels with enough positives get calibrations of their own, or share one.

    Parameters
    ----------
    scores
        float64 [n, labels].
    truth
        what is true of these notes.
    misses
        what the sets promise; see `risk_threshold`.
    own_from
        positives from which a label may have a calibration of its own.
    seed
        of the folds.
    """
    labels = scores.shape[1]
    if not len(scores) or not labels:
        nothing = Decision(Calibration.unchanged(labels), np.full(labels, 0.5), EVERYTHING)
        return Decided(nothing, np.zeros((len(scores), labels)))
    folds = min(FOLDS, truth.group_count)
    fold_of = stratified_group_folds(truth.membership, truth.groups, folds=folds, seed=seed)
    shared = len(scores) + 1
    values = [shared]
    if (truth.membership.sum(axis=0) >= own_from).any():
        values.append(own_from)
    crossed_by = cross_calibrated(scores, truth.membership, fold_of, own_from=values)
    tried = dict(zip(values, crossed_by, strict=True))
    best = min(tried, key=lambda one: log_loss(tried[one], truth.membership).mean())
    crossed = tried[best]
    decision = Decision(
        fit_calibration(scores, truth.membership, own_from=best),
        fit_thresholds(crossed),
        risk_threshold(crossed, truth.membership, truth.groups, misses=misses, outside=truth.outside),
    )
    return Decided(decision, crossed)


@dataclass(frozen=True)
class Choice:
    """Which rung is served.

    Attributes
    ----------
    served
        its name.
    why
        a sentence.
    ladder
        a record per rung: `rung`, `shown`, `value` on validation notes and `over_tfidf`, with intervals.
    """

    served: str
    why: str
    ladder: list[dict[str, Any]]


def choose(answers: Mapping[str, Answers], validation: Truth, *, by: str, confidence: float) -> Choice:
    """The best rung on validation notes, of those whose paired interval over TF-IDF lies above zero; else TF-IDF.

    The adapters are compared, and never served (see `adapters`).

    Parameters
    ----------
    answers
        by rung, in the order of the ladder, to the validation notes, by calibrations that have not seen them; TF-IDF
        among them.
    validation
        what is true of the notes.
    by
        one of CHOICES.
    confidence
        of the intervals.
    """
    key, shown = CHOICES[by]
    figures: dict[str, Jackknife] = {
        name: overall_figures(validation, one)[key] for name, one in answers.items()
    }
    lower = key[0] in LOWER_IS_BETTER
    lowest, highest = metric_range(key[0])
    ladder, better = [], []
    for name, figure in figures.items():
        ends = intervals(figure, confidence=confidence, lowest=lowest, highest=highest)
        change = difference(figure, figures[WORDS])
        over = intervals(change, confidence=confidence)
        if name not in (WORDS, ADAPTERS.name) and (over.high[0] < 0 if lower else over.low[0] > 0):
            better.append(name)
        ladder.append(
            {
                "rung": name,
                "shown": RUNG_OF[name].shown,
                "value": _number(figure.value[0]),
                "ci_low": _number(ends.low[0]),
                "ci_high": _number(ends.high[0]),
                "over_tfidf": None if name == WORDS else _number(change.value[0]),
                "over_ci_low": None if name == WORDS else _number(over.low[0]),
                "over_ci_high": None if name == WORDS else _number(over.high[0]),
            }
        )
    if not better:
        best = max(figures, key=lambda name: (_goodness(figures[name].value[0], lower), name == WORDS))
        why = (
            f"Nothing is better than TF-IDF + logistic regression by its interval on {len(validation.membership)} "
            f"validation notes ({shown}), so that is served."
        )
        if best != WORDS and math.isfinite(figures[best].value[0]):
            gap = float(figures[best].value[0] - figures[WORDS].value[0])
            why += f" The best by its value alone is {RUNG_OF[best].shown} ({gap:+.3f})."
        return Choice(WORDS, why, ladder)
    served = max(better, key=lambda name: _goodness(figures[name].value[0], lower))
    record = next(one for one in ladder if one["rung"] == served)
    why = (
        f"The best of those that are better than TF-IDF by their interval on {len(validation.membership)} validation "
        f"notes: {RUNG_OF[served].shown}, {shown} {record['value']:.3f} ({record['over_tfidf']:+.3f}, interval "
        f"{record['over_ci_low']:+.3f} to {record['over_ci_high']:+.3f})."
    )
    return Choice(served, why, ladder)


def _number(value: Any) -> float | None:
    return round(float(value), 9) if math.isfinite(value) else None


def _goodness(value: float, lower_is_better: bool) -> float:
    """Higher is better; what is undefined is worst."""
    return -math.inf if not math.isfinite(value) else float(-value if lower_is_better else value)
