"""The course of the training: what it recorded itself, and the held-out notes as each kept epoch sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medembed_pipeline.evaluation.clusters import cluster_figures, single_label_classes
from medembed_pipeline.evaluation.retrieval import retrieval_scores
from medembed_pipeline.evaluation.vectors import FloatArray, unit_rows

NOT_METRICS = ("epoch", "steps")


@dataclass(frozen=True)
class EpochMetric:
    """One figure of one epoch; `notes` is how many held-out notes are behind it, None for the training's own."""

    metric: str
    epoch: int
    value: float
    notes: int | None


def recorded_metrics(history: Sequence[Mapping[str, Any]]) -> list[EpochMetric]:
    """The losses and validation scores of a checkpoint's history, by metric and epoch."""
    found = [
        EpochMetric(name, int(row["epoch"]), float(value), None)
        for row in history
        for name, value in row.items()
        if name not in NOT_METRICS and value is not None
    ]
    return sorted(found, key=lambda one: (one.metric, one.epoch))


def held_out_metrics(
    epochs: Mapping[int, npt.NDArray[np.float32]], membership: FloatArray
) -> list[EpochMetric]:
    """Precision at 5, mean average precision and cosine silhouette of the held-out notes at each epoch.

    The figures are those of `embedding_metrics`; undefined ones are left out.

    Parameters
    ----------
    epochs
        float32 [n, d] unit rows of the same notes, in the order of their ids, by epoch.
    membership
        float64 [n, m] specialty sets.
    """
    found = []
    for epoch, vectors in sorted(epochs.items()):
        rows = unit_rows(vectors, name=f"vectors of epoch {epoch}")
        scores = retrieval_scores(rows, membership)
        classes = single_label_classes(membership)
        count = len(rows)
        clusters = cluster_figures(
            {"epoch": rows}, classes, np.arange(count), class_count=membership.shape[1], group_count=count
        )["epoch"]
        for name, values in (("precision@5", scores["precision", 5]), ("map", scores["map", None])):
            answered = values[np.isfinite(values)]
            mean = float(answered.mean()) if len(answered) else np.nan
            found.append(EpochMetric(name, epoch, mean, len(answered)))
        found.append(
            EpochMetric("silhouette", epoch, float(clusters.silhouette.value[0]), int((classes >= 0).sum()))
        )
    return sorted((one for one in found if np.isfinite(one.value)), key=lambda one: (one.metric, one.epoch))


def epoch_maps(epochs: Mapping[int, npt.NDArray[np.float32]]) -> dict[int, FloatArray]:
    """A flat map of the same notes at each epoch, all on one plane, so that they can be compared.

    The plane is that of the first two principal components of the notes of all epochs together: same axes, same
    scale, nothing turned or stretched between two epochs.

    Parameters
    ----------
    epochs
        float32 [n, d] by epoch, all of the same shape.

    Returns
    -------
    dict[int, FloatArray]
        float64 [n, 2] by epoch, rounded to 1e-6; the second column is 0 where there is but one dimension.
    """
    if not epochs:
        return {}
    stacked = np.concatenate([epochs[epoch] for epoch in sorted(epochs)]).astype(np.float64)
    if not len(stacked):
        return {epoch: np.zeros((0, 2)) for epoch in sorted(epochs)}
    middle = stacked.mean(axis=0)
    centered = stacked - middle
    # eigh sorts ascending: the last columns are the first components.
    axes = np.linalg.eigh(centered.T @ centered)[1][:, ::-1][:, :2]
    # The sign of an axis is arbitrary: its largest coordinate is made positive.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    axes = np.pad(axes, ((0, 0), (0, 2 - axes.shape[1])))
    return {
        epoch: np.round((epochs[epoch].astype(np.float64) - middle) @ axes, 6) for epoch in sorted(epochs)
    }
