"""Texts to what is kept of them, signatures included, as a function of shards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from medembed_pipeline.engine import Engine, Shard, ShardRows, ShardWork, Worker
from medembed_pipeline.notes import REVISION
from medembed_pipeline.notes.merging import prepare_texts


def prepare_shard(tables: Sequence[pa.Table], settings: Mapping[str, Any], worker: Worker) -> pa.Table:
    """`prepare_texts` of the column text."""
    return prepare_texts(tables[0].column("text").to_pylist(), redact=settings["redact"])


PREPARE_TEXTS = ShardWork(prepare_shard, REVISION)


def prepared_blocks(
    texts: pa.ChunkedArray, blocks: Sequence[list[int]], *, redact: bool, engine: Engine
) -> Iterator[pa.Table]:
    """What `prepare_texts` makes of blocks of texts, given by their positions; see there for `redact`."""
    shards = (
        Shard(
            (ShardRows(pa.table({"text": texts.take(pa.array(positions, pa.int64()))})),), {"redact": redact}
        )
        for positions in blocks
    )
    return engine.map(PREPARE_TEXTS, shards)
