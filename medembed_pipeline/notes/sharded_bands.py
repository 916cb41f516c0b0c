"""Candidates for near-duplicates as a function of shards: one band of the signatures of all notes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.engine import Engine, Shard, ShardRows, ShardWork, Worker
from medembed_pipeline.notes import REVISION
from medembed_pipeline.notes.duplicates import band_pairs, band_starts
from medembed_pipeline.notes.shingles import IntArray, UInt32Array


def band_codes(tables: Sequence[pa.Table], settings: Mapping[str, Any], worker: Worker) -> pa.Table:
    """What `band_pairs` finds in one band.

    Parameters
    ----------
    tables
        all notes: column signature, a fixed-size list of uint32.
    settings
        `start` and `rows`, the columns of the band; `threshold`.
    worker
        asked for nothing.
    """
    signatures = tables[0].column("signature").combine_chunks()
    # Of one chunk in place: a copy for every band would take longer than the band.
    chunks = signatures.chunks if isinstance(signatures, pa.ChunkedArray) else [signatures]
    values = [chunk.flatten().to_numpy() for chunk in chunks]
    rows = (values[0] if len(values) == 1 else np.concatenate(values)).reshape(-1, signatures.type.list_size)
    return pa.table({"code": band_pairs(rows, **settings)})


BAND_CODES = ShardWork(band_codes, REVISION)


def sharded_bands(engine: Engine, signatures: UInt32Array, rows: int, threshold: float) -> Iterator[IntArray]:
    """The candidates of every band, by an engine; see `medembed_pipeline.notes.duplicates.Bands`."""
    width = signatures.shape[1]
    column = pa.FixedSizeListArray.from_arrays(pa.array(signatures.reshape(-1)), width)
    notes = ShardRows(pa.table({"signature": column}))
    shards = (
        Shard((notes,), {"start": start, "rows": rows, "threshold": threshold})
        for start in band_starts(width, rows)
    )
    for table in engine.map(BAND_CODES, shards):
        yield table.column("code").to_numpy()
