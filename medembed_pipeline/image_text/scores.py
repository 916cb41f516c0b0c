"""AUC and accuracy of margins, with what each would be without each patient; likeness of prompts and pictures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medembed_pipeline.evaluation.jackknife import Jackknife
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray

_BLOCK = 512


def auc_jackknife(scores: npt.ArrayLike, positive: npt.ArrayLike, groups: IntArray, count: int) -> Jackknife:
    """Area under the ROC curve of one score, and without each group.

    The share of pairs of a positive and a negative item in which the positive one has the higher score, ties as half
    (H. B. Mann, D. R. Whitney, 1947). A group that leaves takes its items out of both sides.

    Parameters
    ----------
    scores
        [n].
    positive
        [n], 1 for positive, 0 for negative, NaN for items that take no part.
    groups
        int64 [n], from 0.
    count
        number of all groups.

    Returns
    -------
    Jackknife
        One figure; NaN where a side is empty.
    """
    values, sides = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=np.float64)
    above, below = np.flatnonzero(sides == 1.0), np.flatnonzero(sides == 0.0)
    own_above, own_below = groups[above], groups[below]
    won = np.zeros((count, count))
    for start in range(0, len(above), _BLOCK):
        block = above[start : start + _BLOCK]
        wins = (values[block][:, None] > values[below][None, :]) + 0.5 * (
            values[block][:, None] == values[below][None, :]
        )
        by_negative = np.zeros((len(block), count))
        np.add.at(by_negative.T, own_below, wins.T)
        np.add.at(won, groups[block], by_negative)
    sizes = np.bincount(own_above, minlength=count), np.bincount(own_below, minlength=count)
    pairs = len(above) * len(below)
    lost = won.sum(axis=1) + won.sum(axis=0) - np.diag(won)
    left_pairs = (len(above) - sizes[0]) * (len(below) - sizes[1])
    total = won.sum()
    value = total / pairs if pairs else np.nan
    left = np.divide(total - lost, left_pairs, out=np.full(count, np.nan), where=left_pairs > 0)
    taking_part = len(np.unique(np.concatenate([own_above, own_below])))
    return Jackknife(np.array([value]), left[:, None], np.zeros(1), np.array([taking_part], dtype=np.int64))


def off_diagonal_mean(rows: FloatArray) -> float:
    """Mean cosine of two different rows of unit vectors [n, d]; NaN with fewer than two."""
    count = len(rows)
    if count < 2:
        return float("nan")
    total = float(np.square(rows.sum(axis=0)).sum())
    return (total - float(np.square(rows).sum())) / (count * (count - 1))


def silhouette(rows: FloatArray, sides: npt.ArrayLike, *, repeats: int = 1) -> float:
    """Mean silhouette by cosine distance of unit vectors that belong to two sides.

    P. J. Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster analysis"
    (1987). With `repeats` above 1 it is that of each row written down so many times, as it is published elsewhere:
    a repeated row has itself for a neighbour at distance 0, which makes any clustering look better.

    Parameters
    ----------
    rows
        float64 [n, d], different prompts.
    sides
        [n], two different values.
    repeats
        how many times each row stands.

    Returns
    -------
    float
        NaN with fewer than two rows to a side.
    """
    of_side = np.asarray(sides)
    names = np.unique(of_side)
    if len(names) != 2 or min((of_side == name).sum() for name in names) < 2:
        return float("nan")
    distances = 1.0 - rows @ rows.T
    np.fill_diagonal(distances, 0.0)
    mine = of_side[:, None] == of_side[None, :]
    within = (distances * mine).sum(axis=1) * repeats / (mine.sum(axis=1) * repeats - 1)
    between = (distances * ~mine).sum(axis=1) / (~mine).sum(axis=1)
    larger = np.maximum(within, between)
    found = np.divide(between - within, larger, out=np.zeros_like(larger), where=larger > 0)
    return float(found.mean())
