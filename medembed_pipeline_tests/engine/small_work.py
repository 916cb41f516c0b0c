"""Functions of shards for the tests: Ray's workers import them from here."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.encoder.shards import encode_texts
from medembed_pipeline.engine import Shard, ShardRows, ShardWork, Worker
from medembed_pipeline.errors import MedembedError


def doubled(tables: Sequence[pa.Table], settings: Mapping[str, Any], worker: Worker) -> pa.Table:
    """Twice each number, in the order of the rows; leaves a mark for every time it is called."""
    if "marks" in settings:
        Path(settings["marks"], f"{time.time_ns()}-{os.getpid()}").touch()
    time.sleep(settings.get("seconds", 0.0))
    return pa.table({"number": pa.array(2 * np.asarray(tables[0].column("number")))})


def refused(tables: Sequence[pa.Table], settings: Mapping[str, Any], worker: Worker) -> pa.Table:
    """Raises as the settings say, quoting the rows."""
    text = str(tables[0].column("text").to_pylist())
    raise MedembedError("of two texts one is empty") if settings["for_a_person"] else ValueError(text)


def die_once(flag: Path) -> None:
    """End this process as the kernel does when memory runs out; once, whoever calls."""
    try:
        flag.touch(exist_ok=False)
    except FileExistsError:
        return
    flag.write_text(str(os.getpid()))
    os.kill(os.getpid(), signal.SIGKILL)


def encode_and_die_once(tables: Sequence[pa.Table], settings: Mapping[str, Any], worker: Worker) -> pa.Table:
    """`encode_texts`, but the first worker dies when it has the vectors and before it has written them."""
    table = encode_texts(tables, settings, worker)
    if worker.is_remote:
        die_once(Path(settings["flag"]))
    return table


DOUBLED = ShardWork(doubled, "1")
REFUSED = ShardWork(refused, "1")


def numbers(count: int, **settings: Any) -> list[Shard]:
    """Shards of ten numbers each."""
    return [
        Shard((ShardRows(pa.table({"number": np.arange(10 * first, 10 * first + 10)})),), settings)
        for first in range(count)
    ]
