"""What a worker does with a shard. Its errors name no note: Ray keeps and shows them."""

from __future__ import annotations

import os
import socket
import sys
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from medembed_pipeline.engine.likeness import likeness, unlike
from medembed_pipeline.engine.shard_files import read_rows, result_place, write_rows
from medembed_pipeline.engine.work import EngineError, Worker
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.lake import Lake

_workers: dict[tuple[str, int], Worker] = {}


@dataclass(frozen=True)
class Call:
    """A shard on its way to a worker: paths and settings, no rows.

    Attributes
    ----------
    lake
        its URL.
    function
        `module:name`.
    inputs
        places of the tables in the lake.
    settings
        the shard's.
    key
        its result's.
    threads
        to compute with.
    likeness
        the driver's.
    """

    lake: str
    function: str
    inputs: tuple[tuple[str, ...], ...]
    settings: dict[str, Any]
    key: str
    threads: int
    likeness: dict[str, str]


def run_shard(call: Call) -> str:
    """Work on a shard and put its result into the lake; returns what went wrong, for a person, or nothing."""
    try:
        different = unlike(call.likeness, likeness())
        if different:
            raise EngineError(
                f"the worker on {socket.gethostname()} is not like the driver, and would make other tables: "
                f"{different}. Install the same code and the versions of constraints.txt on all machines."
            )
        _work(call)
    except MedembedError as error:
        return str(error)
    except Exception as error:
        frames = [
            f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ]
        return (
            f"{type(error).__name__} at {' > '.join(frames[-6:])}. Its message is withheld, because it may quote a "
            "note; run the stage with [engine] kind = 'local' to find the cause."
        )
    return ""


def _work(call: Call) -> None:
    worker = _workers.get((call.lake, call.threads))
    if worker is None:
        use_threads(call.threads)
        worker = _workers[call.lake, call.threads] = Worker(Lake(call.lake), call.threads)
    tables = [read_rows(worker.lake, *parts) for parts in call.inputs]
    missing = ["/".join(parts) for parts, table in zip(call.inputs, tables, strict=True) if table is None]
    if missing:
        raise EngineError(
            f"the worker on {socket.gethostname()} does not find {missing[0]} in {call.lake}. All machines need the "
            "lake under the same path or URL, and the right to read it; is the run that wrote it over?"
        )
    module, _, name = call.function.partition(":")
    function = getattr(import_module(module), name)
    write_rows(worker.lake, function(tables, call.settings, worker), *result_place(call.key))


def use_threads(threads: int) -> None:
    """Compute with so many threads in this process, in what is loaded and in what will be."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = str(threads)
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=threads)
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(threads)
