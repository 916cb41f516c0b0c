"""Spearman's correlation, and what it is without each group of pairs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline.evaluation.jackknife import Jackknife, group_numbers
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray, rows_per_block

_BYTES_PER_PAIR = 64
_SMALLEST_SPREAD = 1e-9


def spearman_jackknife(
    scores: npt.ArrayLike, similarities: npt.ArrayLike, groups: Sequence[Hashable] | IntArray
) -> Jackknife:
    """Spearman's rank correlation of two lists, ties at their mean rank, as one figure with each group left out.

    Exact: when an item leaves, every larger one moves down by a rank and every equal one by half a rank. Time grows
    with items x groups.

    Reference: C. Spearman, "The proof and measurement of association between two things", American Journal of
    Psychology 15 (1904); the correlation is Pearson's of the ranks.

    Args:
        scores, similarities: [n] each, finite.
        groups: n groups.

    Returns:
        NaN where one of both lists has no spread.

    Raises:
        EvaluationError: lists of different lengths, or a value that is not finite.
    """
    columns = [np.asarray(scores, dtype=np.float64), np.asarray(similarities, dtype=np.float64)]
    numbers = group_numbers(list(groups))
    if any(column.shape != (len(numbers),) or not np.isfinite(column).all() for column in columns):
        raise EvaluationError(
            f"scores of shape {columns[0].shape}, similarities of shape {columns[1].shape} for {len(numbers)} "
            "groups: expected a finite number each."
        )
    order = np.argsort(numbers, kind="stable")
    numbers, columns = numbers[order], [column[order] for column in columns]
    ranks = [_mean_ranks(column) for column in columns]
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    ends = np.append(starts[1:], len(numbers))
    left_out = np.empty(len(starts))
    for block in _blocks(starts, ends, rows_per_block(_BYTES_PER_PAIR * max(1, len(numbers)))):
        items = slice(starts[block[0]], ends[block[-1]])
        first = starts[block] - items.start
        member = numbers[:, None] == numbers[starts[block]]
        remaining = len(numbers) - (ends[block] - starts[block])
        deviations = []
        for column, rank in zip(columns, ranks, strict=True):
            leaving = column[items]
            moved = (leaving < column[:, None]) + 0.5 * (leaving == column[:, None])
            without = rank[:, None] - np.add.reduceat(moved, first, axis=1)
            deviations.append(np.where(member, 0.0, without - (remaining + 1) / 2))
        left_out[block] = _correlation(*deviations)
    whole = _correlation(*(rank[:, None] - (len(numbers) + 1) / 2 for rank in ranks))
    return Jackknife(whole, left_out[:, None], np.zeros(1), np.array([len(starts)], dtype=np.int64))


def _mean_ranks(values: FloatArray) -> FloatArray:
    from scipy.stats import rankdata

    return np.asarray(rankdata(values, method="average"), dtype=np.float64)


def _blocks(starts: IntArray, ends: IntArray, items: int) -> list[IntArray]:
    """Groups in a row that hold at most so many items together; a larger one stands alone."""
    blocks: list[list[int]] = []
    for group in range(len(starts)):
        if blocks and ends[group] - starts[blocks[-1][0]] <= items:
            blocks[-1].append(group)
        else:
            blocks.append([group])
    return [np.array(block, dtype=np.int64) for block in blocks]


def _correlation(left: FloatArray, right: FloatArray) -> FloatArray:
    """Pearson's correlation of centred columns [n, c]. float64 [c]."""
    product = np.einsum("ij,ij->j", left, right)
    spread = np.sqrt(np.einsum("ij,ij->j", left, left) * np.einsum("ij,ij->j", right, right))
    return np.divide(product, spread, out=np.full_like(product, np.nan), where=spread > _SMALLEST_SPREAD)
