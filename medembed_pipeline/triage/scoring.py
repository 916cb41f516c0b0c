"""Figures of an arm on cases that it has not seen, and what each would be without each patient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from medembed_pipeline.classification.scoring import Truth, calibration_errors
from medembed_pipeline.evaluation.jackknife import (
    Jackknife,
    group_numbers,
    joined,
    mean_jackknife,
    mean_of_columns,
    undefined,
)
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray
from medembed_pipeline.image_text.scores import auc_jackknife
from medembed_pipeline.triage.cases import Levels

FIGURES: Final = (
    "auc",
    "accuracy",
    "weighted_f1",
    "macro_f1",
    "kappa",
    "under_triage",
    "calibration_error",
    "log_loss",
)
"""Every figure, in the order of the tables; what cannot be had is left out."""
SHOWN: Final = {
    "auc": "AUC",
    "accuracy": "accuracy",
    "weighted_f1": "weighted F1",
    "macro_f1": "macro-F1",
    "kappa": "quadratic kappa",
    "under_triage": "under-triage rate",
    "calibration_error": "calibration error",
    "log_loss": "log loss",
}
DECIMALS: Final = 9
"""Probabilities are rounded here: further down, a matrix product depends on the number of threads."""
RANGES: Final[Mapping[str, tuple[float, float]]] = {"kappa": (-1.0, 1.0), "log_loss": (0.0, float("inf"))}
"""Lowest and highest value, of the figures that are no shares."""


def triage_figures(
    probabilities: FloatArray, level: IntArray, groups: IntArray, levels: Levels
) -> dict[str, Jackknife]:
    """Every figure of FIGURES that can be had on these cases, one column each.

    - `auc`: of two levels, that of the second; of more, the mean over the levels, each against the others.
    - `weighted_f1`, `macro_f1`: over the levels that are true or given, the former by how many cases are of each.
    - `kappa`: Cohen's, with quadratic weights; of ordered levels.
    - `under_triage`: of the cases above the lowest level, the share that is given a lower one than the true one; of
      ordered levels.
    - `calibration_error`: expected, of the likeliest level, in ten bins.

    Parameters
    ----------
    probabilities
        float64 [n, levels].
    level
        int64 [n], the true ones.
    groups
        int64 [n], numbers from 0, without gaps.
    levels
        what the columns are.

    References
    ----------
    J. Cohen, "Weighted kappa", Psychological Bulletin 70 (1968).
    """
    if not len(level):
        return {}
    count = int(groups.max()) + 1
    # As they are published: what differs further down is no order.
    probabilities = np.round(probabilities, DECIMALS)
    given = probabilities.argmax(axis=1)
    size = len(levels.names)
    counts = np.zeros((count, size, size))
    np.add.at(counts, (groups, level, given), 1.0)
    total = counts.sum(axis=0)
    without = np.concatenate([total[None], total - counts])
    numbers = without.sum(axis=(1, 2))

    def column(values: FloatArray) -> Jackknife:
        return Jackknife(values[:1], values[1:, None], np.zeros(1), np.array([count], dtype=np.int64))

    hits = np.diagonal(without, axis1=1, axis2=2)
    true, said = without.sum(axis=2), without.sum(axis=1)
    f1 = _share(2 * hits, true + said, empty=0.0)
    met = np.flatnonzero((true + said)[0] > 0)
    found = {
        "auc": _auc(probabilities, level, groups, count),
        "accuracy": column(_share(hits.sum(axis=1), numbers)),
        "weighted_f1": column(_share((f1 * true).sum(axis=1), numbers)),
        "macro_f1": column(f1[:, met].mean(axis=1)),
    }
    if levels.ordered:
        place = np.arange(size)
        apart = np.square(place[:, None] - place[None, :])
        expected = _share(np.einsum("gi,gj,ij->g", true, said, apart), numbers)
        found["kappa"] = column(1.0 - _share((without * apart).sum(axis=(1, 2)), expected))
        lower = np.tril(np.ones((size, size)), -1)
        found["under_triage"] = column(_share((without * lower).sum(axis=(1, 2)), true[:, 1:].sum(axis=1)))
    truth = Truth(np.eye(size)[level], np.zeros(len(level)), groups, place_of_all(size), np.zeros(size))
    found["calibration_error"] = column(calibration_errors(truth, probabilities, top=True))
    own = np.clip(probabilities[np.arange(len(level)), level], 1e-12, 1.0)
    found["log_loss"] = mean_jackknife(-np.log(own), groups)
    return {name: found[name] for name in FIGURES if name in found and np.isfinite(found[name].value[0])}


def place_of_all(size: int) -> IntArray:
    """0 to `size` less one."""
    return np.arange(size, dtype=np.int64)


def numbered(groups: IntArray) -> IntArray:
    """The same groups as numbers from 0, without gaps."""
    return group_numbers(groups.tolist())


def range_of(figure: str, *, is_difference: bool = False) -> tuple[float, float]:
    """Lowest and highest value of a figure; a difference of two has no ends."""
    return (-float("inf"), float("inf")) if is_difference else RANGES.get(figure, (0.0, 1.0))


def _auc(probabilities: FloatArray, level: IntArray, groups: IntArray, count: int) -> Jackknife:
    scores = np.round(probabilities, 12)
    if scores.shape[1] == 2:
        return auc_jackknife(scores[:, 1], (level == 1).astype(float), groups, count)
    present = np.unique(level)
    if len(present) < 2:
        return undefined(count, 1)
    parts = [auc_jackknife(scores[:, one], (level == one).astype(float), groups, count) for one in present]
    return mean_of_columns(joined(parts), groups=count)


def _share(part: FloatArray, whole: FloatArray, *, empty: float = float("nan")) -> FloatArray:
    return np.divide(part, whole, out=np.full_like(part, empty), where=whole > 0)
