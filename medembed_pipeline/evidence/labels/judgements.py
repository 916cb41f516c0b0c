"""What the probabilities say of a note's label: it looks wrong, it is one of several, or it agrees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray

LOOKS_WRONG = "looks_wrong"
SEVERAL_SPECIALTIES = "several_specialties"
AGREES = "agrees"
JUDGEMENTS = (LOOKS_WRONG, SEVERAL_SPECIALTIES, AGREES)


@dataclass(frozen=True)
class Judgements:
    """One entry per note; only `judged` ones mean anything, the others carry no specialty that can be judged.

    Attributes
    ----------
    judged
        bool [n].
    judgement
        object [n], one of JUDGEMENTS.
    given_probability
        float64 [n], the largest probability of a specialty that the note is filed under.
    suggested
        int64 [n], column of the likeliest specialty that it is not filed under, -1 where there is none.
    suggested_probability
        float64 [n], that specialty's probability, 0 where there is none.
    quality
        float64 [n], cleanlab's label quality score, 0 to 1.
    """

    judged: BoolArray
    judgement: npt.NDArray[np.object_]
    given_probability: FloatArray
    suggested: IntArray
    suggested_probability: FloatArray
    quality: FloatArray


def judge(membership: FloatArray, probabilities: FloatArray, *, threshold: float) -> Judgements:
    """Tell wrong labels apart from notes that rightly belong to several specialties.

    A specialty is taken to belong to a note where its out-of-sample probability reaches `threshold`. Then

    - looks_wrong: no specialty that the note is filed under belongs to it, another one does, and confident
      learning counts the note among those with a label issue;
    - several_specialties: one that it is filed under belongs to it, and another one does, too;
    - agrees: everything else, so also where the evidence is too weak to say more.

    Confident learning compares a note's probability with the usual one of notes filed under the specialty, so
    that a specialty which is hard to recognise is not held against its notes.

    References: C. G. Northcutt, L. Jiang, I. L. Chuang, "Confident learning: estimating uncertainty in dataset
    labels", JAIR 70 (2021); A. Thyagarajan, E. Snorrason, C. Northcutt, J. Mueller, "Identifying incorrect
    annotations in multi-label classification data" (2022), https://arxiv.org/abs/2211.13895.

    Parameters
    ----------
    membership
        float64 [n, m], the specialties as filed; rows without any are not judged, but are known not to carry the m
        specialties.
    probabilities
        float64 [n, m], out of sample.
    threshold
        between 0 and 1.
    """
    count = len(membership)
    carries = membership > 0
    judged = np.asarray(carries.any(axis=1))
    if not judged.any():
        return Judgements(
            judged,
            np.full(count, AGREES, dtype=object),
            np.zeros(count),
            np.full(count, -1, dtype=np.int64),
            np.zeros(count),
            np.ones(count),
        )
    if membership.shape[1] < 2:
        # No other specialty can be suggested, and confident learning has nothing to compare with.
        own = np.where(carries[:, 0], probabilities[:, 0], 1.0 - probabilities[:, 0])
        return Judgements(
            judged,
            np.full(count, AGREES, dtype=object),
            np.where(carries[:, 0], probabilities[:, 0], 0.0),
            np.full(count, -1, dtype=np.int64),
            np.zeros(count),
            np.clip(own, 0.0, 1.0),
        )
    from cleanlab.multilabel_classification import get_label_quality_scores
    from cleanlab.multilabel_classification.filter import find_label_issues

    labels = [np.flatnonzero(row).tolist() for row in carries]
    flagged = np.asarray(find_label_issues(labels, probabilities, n_jobs=1), dtype=np.bool_)
    quality = np.asarray(get_label_quality_scores(labels, probabilities), dtype=np.float64)
    given = np.where(carries, probabilities, 0.0).max(axis=1)
    others = np.where(carries, -1.0, probabilities)
    suggested = np.where(others.max(axis=1) < 0, -1, others.argmax(axis=1))
    further = np.where(suggested < 0, 0.0, others.max(axis=1))
    supported, likely = given >= threshold, further >= threshold
    judgement = np.full(count, AGREES, dtype=object)
    judgement[judged & supported & likely] = SEVERAL_SPECIALTIES
    judgement[judged & flagged & ~supported & likely] = LOOKS_WRONG
    return Judgements(judged, judgement, given, suggested, further, np.clip(quality, 0.0, 1.0))
