"""From probabilities to labels: thresholds that are found on notes that the head has not seen."""

from __future__ import annotations

import numpy as np

from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray


def fit_thresholds(probabilities: FloatArray, membership: FloatArray, *, own_from: int) -> FloatArray:
    """The threshold with the highest F1: one over all labels, and of a label's own where it has enough positives.

    Of several equally good ones, the middle: between two probabilities, where none is lost by rounding.

    Reference: Z. C. Lipton, C. Elkan, B. Naryanaswamy, "Optimal thresholding of classifiers to maximize F1 measure",
    ECML PKDD 2014.

    Parameters
    ----------
    probabilities
        float64 [n, labels], calibrated, of notes that the head has not seen.
    membership
        float64 [n, labels].
    own_from
        positives from which a label has its own.

    Returns
    -------
    FloatArray
        float64 [labels]; 0.5 where there is no positive at all.
    """
    pooled = _best_threshold(probabilities.reshape(-1), membership.reshape(-1))
    thresholds = np.full(membership.shape[1], pooled)
    for column in np.flatnonzero(membership.sum(axis=0) >= own_from):
        thresholds[column] = _best_threshold(probabilities[:, column], membership[:, column])
    return thresholds


def _best_threshold(probabilities: FloatArray, truth: FloatArray) -> float:
    if not truth.any():
        return 0.5
    order = np.argsort(-probabilities, kind="stable")
    values, hits = probabilities[order], np.cumsum(truth[order])
    last = np.append(values[1:] < values[:-1], True)  # a threshold cannot part equals
    f1 = np.where(last, 2 * hits / (np.arange(1, len(values) + 1) + truth.sum()), -1.0)
    best = int(f1.argmax())
    below = values[best + 1] if best + 1 < len(values) else 0.0
    return float((values[best] + below) / 2)


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
