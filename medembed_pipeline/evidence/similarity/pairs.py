"""The similarities of all pairs of notes: their histogram, spread and quartiles, block by block, without sampling."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medembed_pipeline.evaluation.neighbors import SIMILARITY_STEPS
from medembed_pipeline.evaluation.vectors import BLOCK_BYTES, BoolArray, FloatArray, IntArray, rows_per_block

EXACT_PAIRS = BLOCK_BYTES // 8
"""Up to so many pairs (5,793 notes) all similarities are held in memory, and quartiles are exact."""

FINE_BINS = 2**21
"""Beyond that, quartiles come from a histogram of bins 9.6e-7 wide, and are off by less than 1e-6."""

_BYTES_PER_PAIR = 48  # similarity, steps, masks and the temporaries between them
_SMALLEST_DEVIATION = 1e-7  # below this a standard deviation is rounding, not spread


@dataclass(frozen=True)
class PairSpread:
    """The similarities of one group of pairs, each unordered pair of different notes once.

    Attributes
    ----------
    pairs
        how many.
    counts
        int64 [bins], pairs by similarity, in equal bins from -1 to 1; 1 itself is in the last.
    mean, std, minimum, q1, median, q3, maximum
        NaN where there are no pairs. The standard deviation is that of the population; quartiles are interpolated
        linearly between ranks, as by `numpy.quantile`.
    """

    pairs: int
    counts: IntArray
    mean: float
    std: float
    minimum: float
    q1: float
    median: float
    q3: float
    maximum: float

    @property
    def statistics(self) -> dict[str, float]:
        """Everything but the counts, by name."""
        return {name: getattr(self, name) for name in STATISTICS}


STATISTICS = ("mean", "std", "minimum", "q1", "median", "q3", "maximum")


@dataclass(frozen=True)
class PairSimilarities:
    """Both groups of pairs of one model.

    Attributes
    ----------
    positive
        pairs whose specialty sets meet.
    negative
        all other pairs.
    """

    positive: PairSpread
    negative: PairSpread

    @property
    def margin(self) -> float:
        """Mean of the positive pairs minus mean of the negative ones; NaN where a group has no pair."""
        return self.positive.mean - self.negative.mean

    @property
    def separation(self) -> float:
        """Margin in units of the pooled standard deviation (d-prime); NaN also where no pair has any spread."""
        spread = math.sqrt((self.positive.std**2 + self.negative.std**2) / 2)
        return self.margin / spread if spread > _SMALLEST_DEVIATION else math.nan


def pair_similarities(
    rows: FloatArray,
    membership: FloatArray,
    *,
    bins: int,
    block_rows: int | None = None,
    exact_pairs: int = EXACT_PAIRS,
) -> PairSimilarities:
    """Cosine similarity of every pair of different notes, positive and negative ones apart.

    Blocked matrix products in float64: O(n^2 d) time. Each similarity is rounded to 1e-9 before it is counted,
    so that no result depends on blocks or threads. Margin and separation are those of
    `medembed_pipeline.evaluation.similarity.similarity_statistics`.

    Reference: D. M. Green, J. A. Swets, "Signal Detection Theory and Psychophysics" (1966).

    Parameters
    ----------
    rows
        float64 [n, d] unit rows.
    membership
        float64 [n, m] specialty sets; two notes are a positive pair where their sets meet.
    bins
        of the histograms.
    block_rows
        notes per block; by default as many as fit into the shared memory budget.
    exact_pairs
        with more pairs than this, quartiles come from FINE_BINS bins.
    """
    count = len(rows)
    exact = count * (count - 1) // 2 <= exact_pairs
    groups = (_Group(bins, exact=exact), _Group(bins, exact=exact))
    step = block_rows or rows_per_block(max(1, count) * _BYTES_PER_PAIR)
    for start in range(0, count, step):
        stop = min(start + step, count)
        # Candidates from the block's own first note on: every pair once.
        steps = _steps(rows[start:stop] @ rows[start:].T)
        meets = membership[start:stop] @ membership[start:].T > 0
        later = np.arange(count - start) > np.arange(stop - start)[:, None]
        groups[0].add(steps, later & meets)
        groups[1].add(steps, later & ~meets)
    return PairSimilarities(positive=groups[0].spread(), negative=groups[1].spread())


def _steps(similarity: FloatArray) -> IntArray:
    """Similarities as whole steps of 1e-9 above -1: integers, which are counted without rounding."""
    np.clip(similarity, -1.0, 1.0, out=similarity)
    similarity *= SIMILARITY_STEPS
    np.rint(similarity, out=similarity)
    return similarity.astype(np.int64) + SIMILARITY_STEPS


class _Group:
    """What is known of one group of pairs so far."""

    def __init__(self, bins: int, *, exact: bool) -> None:
        self._counts = np.zeros(bins, dtype=np.int64)
        self._values: list[npt.NDArray[np.float64]] = []
        self._fine = None if exact else np.zeros(FINE_BINS, dtype=np.int64)
        self._pairs = 0
        self._total = 0  # of steps; an integer, hence exact
        self._squares = 0.0
        self._range: tuple[float, float] | None = None

    def add(self, steps: IntArray, chosen: BoolArray) -> None:
        mine = steps[chosen]
        if not len(mine):
            return
        values = (mine - SIMILARITY_STEPS) / SIMILARITY_STEPS
        self._counts += _counted(mine, len(self._counts))
        self._pairs += len(mine)
        self._total += int(mine.sum())
        self._squares += float(np.square(values).sum())
        low, high = float(values.min()), float(values.max())
        self._range = (
            (low, high) if self._range is None else (min(low, self._range[0]), max(high, self._range[1]))
        )
        if self._fine is None:
            self._values.append(values)
        else:
            self._fine += _counted(mine, FINE_BINS)

    def spread(self) -> PairSpread:
        if self._range is None:
            return PairSpread(0, self._counts, *[math.nan] * len(STATISTICS))
        mean = self._total / self._pairs / SIMILARITY_STEPS - 1.0
        variance = self._squares / self._pairs - mean**2
        std = math.sqrt(variance) if variance > _SMALLEST_DEVIATION**2 else 0.0
        if self._fine is None:
            q1, median, q3 = np.quantile(np.concatenate(self._values), (0.25, 0.5, 0.75)).tolist()
        else:
            q1, median, q3 = (_quantile(self._fine, share) for share in (0.25, 0.5, 0.75))
        low, high = self._range
        return PairSpread(self._pairs, self._counts, mean, std, low, q1, median, q3, high)


def _counted(steps: IntArray, bins: int) -> IntArray:
    """int64 [bins]: how many fall into each bin, in whole numbers, so that no edge is a matter of rounding."""
    places = np.minimum(steps * bins // (2 * SIMILARITY_STEPS), bins - 1)
    return np.bincount(places, minlength=bins)


def _quantile(counts: IntArray, share: float) -> float:
    """A quantile of counted values: the middle of the bin, or between two, that holds the rank."""
    reached = np.cumsum(counts)
    rank = share * (reached[-1] - 1)
    width = 2.0 / len(counts)
    below, above = (
        -1.0 + (int(np.searchsorted(reached, edge, side="right")) + 0.5) * width
        for edge in (math.floor(rank), math.ceil(rank))
    )
    return below + (rank - math.floor(rank)) * (above - below)
