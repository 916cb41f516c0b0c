"""Runs of rows that are cut into pieces, between groups."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from medembed_pipeline.evaluation.vectors import IntArray


def pieces(groups: IntArray, step: int) -> Iterator[slice]:
    """Cuts a run of rows into pieces of about `step`, between groups, whose rows follow one another."""
    starts = np.append(np.flatnonzero(np.diff(groups, prepend=-1)), len(groups))
    first = 0
    while first < len(groups):
        stop = int(starts[min(int(np.searchsorted(starts, first + step)), len(starts) - 1)])
        yield slice(first, stop)
        first = stop
