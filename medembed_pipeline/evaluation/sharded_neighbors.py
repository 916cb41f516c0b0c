"""Exact nearest neighbours as a function of shards: a block of queries among a block of candidates.

What a block gives are ranking keys, which hold similarity and candidate, and of which no two are equal. So the smallest
keys over all blocks are the neighbours, in whatever order the blocks are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.engine import Engine, Shard, ShardRows, ShardWork, Worker
from medembed_pipeline.evaluation import REVISION
from medembed_pipeline.evaluation.neighbors import (
    BYTES_PER_CANDIDATE,
    NEIGHBORS,
    nearest_of_blocks,
    ranking_keys,
)
from medembed_pipeline.evaluation.vectors import (
    FloatArray,
    IntArray,
    column_of_rows,
    rows_of_column,
    rows_per_block,
)

QUERY_ROWS = 2_048
CANDIDATE_ROWS = 16_384


def nearest_keys(tables: Sequence[pa.Table], settings: Mapping[str, Any], worker: Worker) -> pa.Table:
    """The smallest ranking keys of each query among the candidates of a block.

    Parameters
    ----------
    tables
        queries and candidates: column row, fixed-size list of float64, of unit length.
    settings
        `first_query` and `first_candidate`, their numbers; `count`, how many candidates all blocks have; `k`.
    worker
        asked for nothing.

    Returns
    -------
    pa.Table
        Column keys, a fixed-size list of int64 of k, or of as many as the block has; a query's own key, where it is
        among them, is the largest int64.
    """
    queries, candidates = (rows_of_column(table.column(0)) for table in tables)
    first, count = settings["first_candidate"], settings["count"]
    width = min(settings["k"], len(candidates))
    smallest = np.empty((len(queries), width), dtype=np.int64)
    step = rows_per_block(len(candidates) * BYTES_PER_CANDIDATE)
    for start in range(0, len(queries), step):
        stop = min(start + step, len(queries))
        keys = ranking_keys(queries[start:stop] @ candidates.T, first=first, count=count)
        own = settings["first_query"] + np.arange(start, stop) - first
        here = np.flatnonzero((own >= 0) & (own < len(candidates)))
        keys[here, own[here]] = np.iinfo(np.int64).max
        keys.partition(width - 1, axis=1)
        smallest[start:stop] = keys[:, :width]
    flat = pa.array(np.sort(smallest, axis=1).reshape(-1))
    return pa.table({"keys": pa.FixedSizeListArray.from_arrays(flat, width)})


NEAREST_KEYS = ShardWork(nearest_keys, REVISION)


def sharded_neighbors(
    engine: Engine, embeddings: npt.ArrayLike, k: int = NEIGHBORS
) -> tuple[IntArray, npt.NDArray[np.float32]]:
    """What `nearest_neighbors` gives, by an engine.

    Parameters
    ----------
    engine
        works on the blocks.
    embeddings
        [n, d], L2-normalised rows.
    k
        neighbours per row, at least 1.
    """

    def blocks(rows: FloatArray, width: int) -> Iterator[IntArray]:
        found = engine.map(NEAREST_KEYS, _shards(rows, width))
        for _ in range(0, len(rows), QUERY_ROWS):
            # Of each block of candidates the nearest, side by side.
            near = [rows_of_column(next(found).column(0)) for _ in range(0, len(rows), CANDIDATE_ROWS)]
            yield np.sort(np.concatenate(near, axis=1), axis=1)[:, :width]

    return nearest_of_blocks(embeddings, k, blocks)


def _shards(rows: FloatArray, k: int) -> Iterator[Shard]:
    count = len(rows)
    candidates = {first: _block(rows, first, CANDIDATE_ROWS) for first in range(0, count, CANDIDATE_ROWS)}
    for first_query in range(0, count, QUERY_ROWS):
        queries = _block(rows, first_query, QUERY_ROWS)
        for first, block in candidates.items():
            yield Shard(
                (queries, block),
                {"first_query": first_query, "first_candidate": first, "count": count, "k": k},
            )


def _block(rows: FloatArray, first: int, size: int) -> ShardRows:
    return ShardRows(pa.table({"row": column_of_rows(rows[first : first + size])}))
