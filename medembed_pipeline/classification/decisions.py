"""From probabilities to labels: a threshold for each label, which the probabilities themselves say."""

from __future__ import annotations

import numpy as np

from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray

LEAST_THRESHOLD = 0.2
"""The F1 of a label that hardly shows is highest where every note is given it, which helps nobody."""


def fit_thresholds(probabilities: FloatArray) -> FloatArray:
    """For each label half of the highest F1 that its probabilities let expect.

    No threshold has a higher expected F1, if the probabilities are right. One found by counting labels hangs on the few
    notes near it, most of all that of a rare label; one for all labels is too high for those that show faintly. Both
    are worse on other notes unless the probabilities are far from right: see docs/classification.md.

    Reference: Z. C. Lipton, C. Elkan, B. Naryanaswamy, "Optimal thresholding of classifiers to maximize F1 measure",
    ECML PKDD 2014.

    Parameters
    ----------
    probabilities
        float64 [n, labels], calibrated, of notes that the head has not seen.

    Returns
    -------
    FloatArray
        float64 [labels], 0.5 where there is no note, else `LEAST_THRESHOLD` to 0.5.
    """
    if not len(probabilities):
        return np.full(probabilities.shape[1], 0.5)
    ordered = -np.sort(-probabilities, axis=0)
    hits = np.cumsum(ordered, axis=0)
    given = np.arange(1, len(ordered) + 1)[:, None]
    expected_f1 = 2 * hits / (given + hits[-1])
    return np.asarray(np.maximum(expected_f1.max(axis=0) / 2, LEAST_THRESHOLD))


def predicted_labels(probabilities: FloatArray, thresholds: FloatArray) -> BoolArray:
    """bool [n, labels]: those from their threshold on, and the most likely one where there is none.

    Every note is somebody's: where no label reaches its threshold, the note still goes to the likeliest.
    """
    chosen = probabilities >= thresholds
    if probabilities.shape[1]:
        none = ~chosen.any(axis=1)
        chosen[np.flatnonzero(none), probabilities[none].argmax(axis=1)] = True
    return np.asarray(chosen)


def threshold_costs(
    probabilities: FloatArray, membership: FloatArray, thresholds: FloatArray
) -> list[dict[str, float]]:
    """What one threshold for all labels costs, for a slider.

    Parameters
    ----------
    probabilities
        float64 [n, labels], calibrated.
    membership
        float64 [n, labels].
    thresholds
        those to show.

    Returns
    -------
    list[dict[str, float]]
        Records `threshold`, `precision`, `recall`, `f1` (over all pairs of note and label), `macro_f1`, `labels` (a
        note, on average), `answered` (share of the notes with any label); without the likeliest label being added.
    """
    shown = []
    for threshold in thresholds:
        chosen = (probabilities >= threshold).astype(np.float64)
        hits, said, true = (chosen * membership).sum(axis=0), chosen.sum(axis=0), membership.sum(axis=0)
        of_labels = np.divide(2 * hits, said + true, out=np.zeros_like(hits), where=said + true > 0)[true > 0]
        total = max(1.0, float(said.sum()))
        record = {
            "threshold": float(threshold),
            "precision": float(hits.sum()) / total,
            "recall": float(hits.sum()) / max(1.0, float(true.sum())),
            "f1": 2 * float(hits.sum()) / max(1.0, float(said.sum() + true.sum())),
            "macro_f1": float(of_labels.mean()) if len(of_labels) else 0.0,
            "labels": float(said.sum()) / max(1, len(chosen)),
            "answered": float(chosen.any(axis=1).mean()) if len(chosen) else 0.0,
        }
        shown.append({name: round(value, 6) for name, value in record.items()})
    return shown
