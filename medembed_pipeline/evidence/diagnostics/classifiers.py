"""Can the specialty be read off a vector: kNN and linear probe, trained on training notes, scored on held-out ones.

Notes carry several specialties. Both classifiers rank the specialties of a held-out note, and as many are
predicted as the note carries; so every note of one specialty gets exactly one prediction, and what is scored is
the ranking and not a threshold. This is the protocol of L. Tang, H. Liu, "Relational learning via latent social
dimensions", KDD 2009, and B. Perozzi et al., "DeepWalk", KDD 2014.
"""

from __future__ import annotations

import numpy as np

from medembed_pipeline.evaluation.neighbors import SIMILARITY_STEPS
from medembed_pipeline.evaluation.relevance import MINIMUM_NOTES
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray, rows_per_block
from medembed_pipeline.threads import one_thread

INVERSE_REGULARISATION = 0.1
"""C of the logistic regression, for vectors scaled to a mean variance of 1 per dimension.

The best of 0.001, 0.01, 0.1, 1 and 10 on validation notes of MTSamples, for both models within 0.01.
"""

MOST_TRAINING_NOTES = 20_000
"""The linear probe is fitted on at most so many notes, evenly spaced by note id: more change it little."""

_STEPS = 500  # of the solver; it converges within 100 on real notes
_BYTES_PER_CANDIDATE = 32


def scored_columns(training: FloatArray, held_out: FloatArray) -> IntArray:
    """Specialties that enter the macro mean: of at least 3 held-out notes, and of one training note.

    What no training note carries cannot be predicted, by either model; of fewer held-out notes a figure means
    little (the rule of `embedding_metrics`).
    """
    enough = held_out.sum(axis=0) >= MINIMUM_NOTES
    return np.flatnonzero(enough & (training.sum(axis=0) >= 1))


def knn_scores(
    training: FloatArray,
    training_membership: FloatArray,
    held_out: FloatArray,
    *,
    k: int,
    block_rows: int | None = None,
) -> FloatArray:
    """Votes of the k most similar training notes: each gives one vote to each of its specialties.

    Parameters
    ----------
    training
        float64 [t, d] unit rows.
    training_membership
        float64 [t, m] specialty sets.
    held_out
        float64 [h, d] unit rows.
    k
        voters per note; all where there are fewer. Ties of similarity go to the lower row.
    block_rows
        notes per block; by default as many as fit into the shared memory budget.

    Returns
    -------
    FloatArray
        float64 [h, m], votes.
    """
    count = len(training)
    width = min(k, count)
    votes = np.zeros((len(held_out), training_membership.shape[1]))
    if not width:
        return votes
    step = block_rows or rows_per_block(count * _BYTES_PER_CANDIDATE)
    for start in range(0, len(held_out), step):
        similarity = np.clip(held_out[start : start + step] @ training.T, -1.0, 1.0)
        keys = np.rint((1.0 - similarity) * SIMILARITY_STEPS).astype(np.int64) * count + np.arange(count)
        nearest = np.partition(keys, width - 1, axis=1)[:, :width] % count
        votes[start : start + step] = training_membership[nearest].sum(axis=1)
    return votes


def probe_scores(training: FloatArray, training_membership: FloatArray, held_out: FloatArray) -> FloatArray:
    """Probabilities of a multinomial logistic regression on the vectors.

    A training note of several specialties enters once for each, with its weight divided among them. The
    vectors are centred and scaled by one number, so that the strength of the regularisation means the same
    for every model and does not depend on how the space is turned. One thread, no randomness.

    Reference: G. Alain, Y. Bengio, "Understanding intermediate layers using linear classifier probes", 2016.

    Parameters
    ----------
    training, training_membership, held_out
        as in `knn_scores`.

    Returns
    -------
    FloatArray
        float64 [h, m], rows that sum to 1; 0 for a specialty that no training note carries.
    """
    from sklearn.linear_model import LogisticRegression

    chosen = np.unique(np.linspace(0, len(training) - 1, min(len(training), MOST_TRAINING_NOTES)).astype(int))
    rows, membership = training[chosen], training_membership[chosen]
    center = rows.mean(axis=0)
    scale = float(np.sqrt(((rows - center) ** 2).mean()))
    scale = scale if scale > 0 else 1.0
    note, column = np.nonzero(membership)
    weight = 1.0 / membership.sum(axis=1)[note]
    scores = np.zeros((len(held_out), membership.shape[1]))
    present = np.unique(column)
    if len(present) == 1:
        scores[:, present[0]] = 1.0
        return scores
    with one_thread():
        model = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=_STEPS)
        model.fit((rows[note] - center) / scale, column, sample_weight=weight)
        scores[:, model.classes_] = model.predict_proba((held_out - center) / scale)
    return scores


def predicted_sets(scores: FloatArray, sizes: IntArray) -> FloatArray:
    """The best scored specialties of each note, as many as `sizes` says; ties by name.

    Parameters
    ----------
    scores
        float64 [h, m].
    sizes
        int64 [h], specialties that each note carries.

    Returns
    -------
    FloatArray
        float64 [h, m], 1 where predicted.
    """
    order = np.argsort(-np.round(scores, 9), axis=1, kind="stable")
    chosen = np.arange(scores.shape[1]) < sizes[:, None]
    predicted = np.zeros_like(scores)
    np.put_along_axis(predicted, order, chosen.astype(np.float64), axis=1)
    return predicted


def macro_f1(predicted: FloatArray, truth: FloatArray, columns: IntArray) -> float:
    """The mean over some specialties of F1, one specialty against the rest; NaN without any.

    A specialty that is neither predicted nor true has F1 = 0, as in scikit-learn (`zero_division=0`).

    Parameters
    ----------
    predicted, truth
        float64 [h, m], 1 where so.
    columns
        int64 [c], specialties to average over.
    """
    if not len(columns):
        return float("nan")
    both = (predicted * truth).sum(axis=0)[columns]
    sum_of_both = (predicted.sum(axis=0) + truth.sum(axis=0))[columns]
    return float(np.divide(2 * both, sum_of_both, out=np.zeros_like(both), where=sum_of_both > 0).mean())
