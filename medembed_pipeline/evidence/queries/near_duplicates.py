"""What near-duplicates add to precision: a note's own duplicate group is near it by its text alone."""

from __future__ import annotations

import numpy as np

from medembed_pipeline.evaluation.neighbors import candidates_of, ranking_keys
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray, rows_per_block

_BYTES_PER_CANDIDATE = 56  # similarity, key, mask and the temporaries between them


def precision_in_other_groups(
    rows: FloatArray, membership: FloatArray, groups: IntArray, *, k: int, block_rows: int | None = None
) -> FloatArray:
    """Precision at k of every query when its own duplicate group is taken out of the candidates.

    Otherwise as `retrieval_scores`: relevant candidates among the first k, divided by k also where there are
    fewer candidates; ties to the lower row.

    Parameters
    ----------
    rows
        float64 [n, d] unit rows, in the order of their note ids.
    membership
        float64 [n, m] specialty sets.
    groups
        int64 [n], number of the duplicate group.
    k
        ranks looked at, at least 1.
    block_rows
        queries per block; by default as many as fit into the shared memory budget.

    Returns
    -------
    FloatArray
        float64 [n], NaN for a query without a relevant candidate in another group.
    """
    count = len(rows)
    precision = np.full(count, np.nan)
    if count < 2:
        return precision
    width = min(k, count - 1)
    step = block_rows or rows_per_block(count * _BYTES_PER_CANDIDATE)
    for start in range(0, count, step):
        stop = min(start + step, count)
        own = groups[start:stop, None] == groups[None, :]
        relevant = (membership[start:stop] @ membership.T > 0) & ~own
        keys = ranking_keys(rows[start:stop] @ rows.T)
        keys[own] = np.iinfo(np.int64).max
        keys.partition(width - 1, axis=1)
        nearest = keys[:, :width]
        hits = np.take_along_axis(relevant, candidates_of(nearest, count) % count, axis=1)
        hits &= nearest < np.iinfo(np.int64).max
        answered = relevant.any(axis=1)
        precision[start:stop][answered] = hits[answered].sum(axis=1) / k
    return precision
