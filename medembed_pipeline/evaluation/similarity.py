"""Cosine similarity of pairs that share a specialty against pairs that do not, and what each group does to it."""

from __future__ import annotations

import numpy as np

from medembed_pipeline.evaluation.jackknife import Jackknife, sum_by_group
from medembed_pipeline.evaluation.metric_names import MetricKey
from medembed_pipeline.evaluation.vectors import PER_BLOCK, FloatArray, IntArray, rows_per_block

_SMALLEST_VARIANCE = 1e-14  # below this a variance is rounding, not spread

SIMILARITY_METRICS: tuple[MetricKey, ...] = (
    ("positive_similarity", None),
    ("positive_similarity_std", None),
    ("negative_similarity", None),
    ("negative_similarity_std", None),
    ("margin", None),
    ("separation", None),
)


class PairSums:
    """Sums of squared similarities of every note to the notes of every label set, collected as they are computed.

    Parameters
    ----------
    rows
        float64 [n, d] unit rows.
    membership
        float64 [n, m] specialty sets.
    """

    def __init__(self, rows: FloatArray, membership: FloatArray) -> None:
        self.rows = rows
        self.membership = membership
        self.sets, set_of = np.unique(membership, axis=0, return_inverse=True)
        self.set_of = set_of.reshape(-1)
        self._order = np.argsort(self.set_of, kind="stable")
        self._starts = np.searchsorted(self.set_of[self._order], np.arange(len(self.sets)))
        self._squares = np.full((len(rows), len(self.sets)), np.nan)

    def similarity(self, notes: IntArray) -> FloatArray:
        """Similarity of some notes to all, float64 [those, n]; what is needed of it is kept."""
        found = self.rows[notes] @ self.rows.T
        step = rows_per_block(PER_BLOCK * 8 * len(self.rows))
        for start in range(0, len(notes), step):
            ordered = np.take(found[start : start + step], self._order, axis=1)
            squares = np.square(ordered, out=ordered)
            self._squares[notes[start : start + step]] = np.add.reduceat(squares, self._starts, axis=1)
        return found

    def squares(self, notes: IntArray) -> FloatArray:
        """What was collected of some notes, float64 [those, sets]; NaN where nothing was."""
        return self._squares[notes]

    def keep(self, notes: IntArray, squares: FloatArray) -> None:
        """Take what another process collected of some notes."""
        self._squares[notes] = squares

    def moments(self) -> FloatArray:
        """Number, sum and sum of squares of each note's similarities to the others of each set. [3, n, sets]."""
        missing = np.flatnonzero(np.isnan(self._squares[:, 0]))
        step = rows_per_block(8 * 3 * len(self.rows))
        for start in range(0, len(missing), step):
            self.similarity(missing[start : start + step])
        count = np.bincount(self.set_of).astype(np.float64)
        sums = self.rows @ np.add.reduceat(self.rows[self._order], self._starts, axis=0).T
        found = np.stack([np.tile(count, (len(self.rows), 1)), sums, self._squares])
        # A note is no pair with itself; its similarity to itself is 1.
        found[:, np.arange(len(self.rows)), self.set_of] -= 1.0
        return found


def similarity_figures(
    pairs: PairSums, scopes: FloatArray, groups: IntArray, *, group_count: int
) -> dict[MetricKey, Jackknife]:
    """Mean and standard deviation of positive and negative similarities, margin and separation, with and without each
    group.

    Over all unordered pairs of different notes: positive where their specialty sets meet, negative where they
    do not. For a specialty, the pairs of which at least one note carries it. The standard deviation is that
    of the population of pairs. margin = mean positive - mean negative; separation = margin / sqrt((variance
    of positives + variance of negatives) / 2), known as d-prime in signal detection.

    Reference: D. M. Green, J. A. Swets, "Signal Detection Theory and Psychophysics" (1966).

    Parameters
    ----------
    pairs
        of the notes.
    scopes
        float64 [n, s], columns of the membership.
    groups
        int64 [n], group of each note, below group_count.

    Returns
    -------
    dict[MetricKey, Jackknife]
        Column 0 over all pairs, then the scopes; NaN where there is no such pair, and for separation also where
        neither kind of pair has any spread.
    """
    count = len(pairs.rows)
    columns = np.hstack([np.ones((count, 1)), scopes])
    moments = pairs.moments()
    meets = pairs.sets @ pairs.sets.T > 0
    # Of each note, its pairs in each column: those with all notes where it belongs to the column, else with its notes.
    found = np.zeros((2, 3, count, columns.shape[1]))
    first = np.array([int(np.flatnonzero(pairs.set_of == number)[0]) for number in range(len(pairs.sets))])
    inside = columns[first]
    for number in range(len(pairs.sets)):
        members = np.flatnonzero(pairs.set_of == number)
        counted = np.where(inside[number] > 0, 1.0, inside)
        for kind, chosen in ((0, meets[number]), (1, ~meets[number])):
            found[kind][:, members] = moments[:, members] @ (chosen[:, None] * counted)
    within = _pairs_within_groups(pairs.rows, pairs.membership, columns, groups, group_count)
    whole, without = [], []
    for kind in (0, 1):
        by_group = np.stack([sum_by_group(moment, groups, group_count) for moment in found[kind]])
        # Every pair was met from both of its notes.
        total = by_group.sum(axis=1, keepdims=True) / 2
        whole.append(total)
        without.append(total - (by_group - within[kind]))
    value, left_out = _figures(*whole), _figures(*without)
    behind = np.array([len(np.unique(groups[members > 0])) for members in columns.T], dtype=np.int64)
    return {
        key: Jackknife(value[key][0], left_out[key], np.zeros(columns.shape[1]), behind)
        for key in SIMILARITY_METRICS
    }


def _pairs_within_groups(
    rows: FloatArray, membership: FloatArray, columns: FloatArray, groups: IntArray, group_count: int
) -> FloatArray:
    """Number, sum and sum of squares of the pairs inside each group: [positive and negative, 3, groups, columns]."""
    found = np.zeros((2, 3, group_count, columns.shape[1]))
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups, minlength=group_count)
    ends = np.cumsum(sizes)
    for size in np.unique(sizes[sizes > 1]):
        same = np.flatnonzero(sizes == size)
        members = order[ends[same, None] - size + np.arange(size)]
        left, right = np.triu_indices(size, k=1)
        own, sets = rows[members], membership[members]
        similarity = (own @ own.transpose(0, 2, 1))[:, left, right]
        meets = (sets @ sets.transpose(0, 2, 1))[:, left, right] > 0
        inside = np.maximum(columns[members[:, left]], columns[members[:, right]])
        for kind, chosen in ((0, meets), (1, ~meets)):
            for moment in range(3):
                found[kind, moment, same] = np.einsum("gp,gpc->gc", chosen * similarity**moment, inside)
    return found


def _figures(positive: FloatArray, negative: FloatArray) -> dict[MetricKey, FloatArray]:
    """The figures from number, sum and sum of squares of the pairs, [3, ...] each."""
    positive_mean, positive_variance = _moments(positive)
    negative_mean, negative_variance = _moments(negative)
    margin = positive_mean - negative_mean
    spread = np.sqrt((positive_variance + negative_variance) / 2)
    return {
        ("positive_similarity", None): positive_mean,
        ("positive_similarity_std", None): np.sqrt(positive_variance),
        ("negative_similarity", None): negative_mean,
        ("negative_similarity_std", None): np.sqrt(negative_variance),
        ("margin", None): margin,
        ("separation", None): np.divide(margin, spread, out=np.full_like(margin, np.nan), where=spread > 0),
    }


def _moments(sums: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and variance from [pairs, sum, sum of squares]; NaN where there are no pairs."""
    # Pair counts are sums of whole numbers, exact in float64.
    pairs = np.where(sums[0] >= 0.5, sums[0], np.nan)
    mean = sums[1] / pairs
    variance = sums[2] / pairs - mean**2
    return mean, np.where(variance < _SMALLEST_VARIANCE, np.where(np.isnan(variance), np.nan, 0.0), variance)
