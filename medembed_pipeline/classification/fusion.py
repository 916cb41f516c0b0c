"""The fused rung: TF-IDF and vectors have a head each, and their logits are averaged.

Side by side in one logistic regression, thousands of words outvote a few hundred coordinates, or are outvoted by them;
of two heads each is regularised by itself, and how much either counts is one number. The mean of the logits of two
linear heads is a linear head again, so that nothing else has to know of it.

Reference: D. H. Wolpert, "Stacked generalization", Neural Networks 5 (1992), for weights from out-of-fold predictions.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from medembed_pipeline.classification.features import Features, NoteRows
from medembed_pipeline.classification.heads import LinearHead, expit, logit
from medembed_pipeline.classification.ladder import (
    FUSED_OF,
    RUNG_OF,
    Climbed,
    FittedRung,
    Rung,
    Trial,
    calibrated_losses,
    fit_features,
    fit_head,
)
from medembed_pipeline.classification.settings import ClassificationSettings
from medembed_pipeline.evaluation.vectors import FloatArray


def fuse(
    rung: Rung, vectors: Climbed, words: Climbed, membership: FloatArray, settings: ClassificationSettings
) -> Climbed:
    """The rung made of two others that were climbed, with the weight of the lowest calibrated log loss out of fold.

    Parameters
    ----------
    rung
        the fused one.
    vectors, words
        what it is made of.
    membership
        float64 [n, labels] of the train notes.
    settings
        of the room.
    """
    means = {
        weight: mean_of_logits(vectors.out_of_fold, words.out_of_fold, weight=weight)
        for weight in settings.fused_weights
    }
    losses = calibrated_losses(list(means.values()), membership)
    trials = [Trial(weight, loss) for weight, loss in zip(means, losses, strict=True)]
    best = min(trials, key=lambda trial: trial.score)
    fitted = fused(rung, vectors.fitted, words.fitted, weight=best.parameter, trials=trials)
    return Climbed(fitted, means[best.parameter])


def mean_of_logits(vectors: FloatArray, words: FloatArray, *, weight: float) -> FloatArray:
    """float64 [n, labels]: probabilities, from those of both heads; `weight` is that of the vectors."""
    return expit(weight * logit(vectors) + (1.0 - weight) * logit(words))


def fused(
    rung: Rung, vectors: FittedRung, words: FittedRung, *, weight: float, trials: list[Trial]
) -> FittedRung:
    """One linear head on both features, of two linear heads on one each."""
    left, right = vectors.head, words.head
    assert isinstance(left, LinearHead)
    assert isinstance(right, LinearHead)
    return FittedRung(
        rung,
        Features(rung.model, vectors.features.scaling, words.features.words),
        LinearHead(
            np.hstack([weight * left.weights, (1.0 - weight) * right.weights]),
            weight * left.bias + (1.0 - weight) * right.bias,
        ),
        weight,
        trials,
    )


def fit_rung(
    rung: Rung,
    notes: NoteRows,
    membership: FloatArray,
    parameters: Mapping[str, float],
    settings: ClassificationSettings,
) -> FittedRung:
    """Fit a rung with what was chosen for it.

    Parameters
    ----------
    rung
        any but the adapters.
    notes
        n train notes.
    membership
        float64 [n, labels].
    parameters
        by rung; for the fused one also those of the rungs that it is made of.
    settings
        of the room.
    """
    if rung.kind == "fused":
        vectors, words = (
            fit_rung(RUNG_OF[name], notes, membership, parameters, settings) for name in FUSED_OF
        )
        return fused(rung, vectors, words, weight=parameters[rung.name], trials=[])
    features = fit_features(rung, notes, settings)
    head = fit_head(rung, features.rows(notes), membership, parameters[rung.name], settings)
    return FittedRung(rung, features, head, parameters[rung.name])
