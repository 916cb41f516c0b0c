"""Shards by workers of Ray: a cluster, or a Ray of this machine alone.

Only paths and settings travel through Ray, and "done" comes back: tables pass through the lake (`shard_files`). So
Ray's object store, logs and dashboard see no note, and a result outlives workers and driver.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from medembed_pipeline.engine.likeness import likeness
from medembed_pipeline.engine.on_worker import Call, run_shard
from medembed_pipeline.engine.settings import EngineSettings
from medembed_pipeline.engine.shard_files import SHARDS, read_rows, result_place, write_rows
from medembed_pipeline.engine.work import EngineError, Shard, ShardWork
from medembed_pipeline.lake.lake import Lake

TRIES = 4
"""How often a shard is worked on, if its worker dies or its result vanishes."""
_OBJECT_STORE_BYTES = 100 * 1024**2
"""Of a Ray of this machine, whose default is a third of the memory: only paths pass through it."""
_STARTS = 3


@dataclass
class _Held:
    """A shard that was taken in, until its result is given out."""

    shard: Shard
    call: Call
    is_done: bool
    tries: int = 0


class RayEngine:
    """An engine on Ray; connects when the first shard is to be worked on. A context manager.

    Parameters
    ----------
    lake
        which all workers reach under the same URL or path.
    settings
        `[engine]`.
    tell
        told where the work runs.
    """

    def __init__(self, lake: Lake, settings: EngineSettings, tell: Callable[[str], object]) -> None:
        self._lake = lake
        self._settings = settings
        self._tell = tell
        self._ray: Any = None
        self._is_ours = False
        self._folder = (*SHARDS, uuid.uuid4().hex)
        self._written: set[str] = set()
        self._results: set[str] = set()
        self._running: dict[Any, _Held] = {}

    def __enter__(self) -> RayEngine:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._disconnect()
        if self._written:
            self._lake.remove(*self._folder)
        if kind is None:
            for key in self._results:
                self._lake.remove(*result_place(key))
        # What workers of this machine that died had begun to write.
        self._lake.clear_staging()

    def map(self, work: ShardWork, shards: Iterable[Shard], *, device: str = "cpu") -> Iterator[pa.Table]:
        """See `Engine`. A shard whose result is there already, of a run that was lost, is not worked on again."""
        threads = model_threads(self._settings) if work.has_model else 1
        waiting = iter(shards)
        following = next(waiting, None)
        held: deque[_Held] = deque()
        while following is not None or held:
            while following is not None and len(self._running) < self._at_once(device, threads):
                held.append(self._take(work, following, threads))
                if not held[-1].is_done:
                    self._start(held[-1], device)
                following = next(waiting, None)
            if not held[0].is_done:
                self._wait()
                continue
            table = read_rows(self._lake, *result_place(held[0].call.key))
            if table is None:
                # Another run with the same shards is over and has removed it, or it was damaged.
                held[0].is_done = False
                self._start(held[0], device)
                continue
            held.popleft()
            yield table

    def _take(self, work: ShardWork, shard: Shard, threads: int) -> _Held:
        key = shard.key(work)
        call = Call(
            lake=self._lake.root if self._lake.is_local else self._lake.url,
            function=work.name,
            inputs=tuple((*self._folder, f"{rows.sha256}.arrow") for rows in shard.inputs),
            settings=dict(shard.settings),
            key=key,
            threads=threads,
            likeness=likeness(),
        )
        self._results.add(key)
        return _Held(shard, call, is_done=self._lake.exists(*result_place(key)))

    def _start(self, held: _Held, device: str) -> None:
        held.tries += 1
        if held.tries > TRIES:
            raise EngineError(
                f"{held.call.function}: the result of a shard was gone {TRIES} times before it was read. Is somebody "
                f"removing files from {'/'.join(SHARDS)} in {self._lake.url}?"
            )
        for rows, parts in zip(held.shard.inputs, held.call.inputs, strict=True):
            if rows.sha256 not in self._written:
                write_rows(self._lake, rows.table, *parts)
                self._written.add(rows.sha256)
        self._connect()
        self._refuse_too_many(held.call.threads)
        remote = self._ray.remote(
            num_cpus=held.call.threads,
            num_gpus=self._gpus_each(device),
            max_retries=TRIES - 1,
            # A worker with a GPU ends after each task otherwise, and its model with it.
            max_calls=0,
        )(run_shard)
        self._running[remote.remote(held.call)] = held

    def _wait(self) -> None:
        """Wait until a shard is done, and note it."""
        for reference in self._ray.wait(list(self._running), num_returns=1)[0]:
            held = self._running.pop(reference)
            try:
                problem = self._ray.get(reference)
            except self._ray.exceptions.RayError as error:
                raise EngineError(
                    f"{held.call.function}: a shard was lost by {TRIES} workers ({type(error).__name__}). Mostly a "
                    "worker lacks memory, or medembed_pipeline is not installed where it runs; Ray's logs on that "
                    "machine (/tmp/ray/session_latest/logs) say which. What is done is kept: run again."
                ) from None
            if problem:
                raise EngineError(f"{held.call.function}: {problem}")
            held.is_done = True

    def _at_once(self, device: str, threads: int) -> int:
        """How many shards to have worked on: twice as many as there are workers, so that none waits for the driver."""
        if self._ray is None:
            return 1
        if self._settings.workers:
            return self._settings.workers
        resources = self._ray.cluster_resources()
        if self._gpus_each(device):
            return max(1, 2 * int(resources.get("GPU", 0)))
        return max(1, 2 * (int(resources.get("CPU", 0)) // threads))

    def _gpus_each(self, device: str) -> int:
        if device not in ("auto", "cuda"):
            return 0
        if self._ray.cluster_resources().get("GPU", 0) >= 1:
            return 1
        if device == "cuda":
            raise EngineError(
                "device: 'cuda' is wanted, but no machine of the Ray cluster has a GPU; set it to 'auto'."
            )
        return 0

    def _refuse_too_many(self, threads: int) -> None:
        """A shard that fits on no machine would wait for ever."""
        most = max(
            (node["Resources"].get("CPU", 0) for node in self._ray.nodes() if node["Alive"]), default=0
        )
        if 0 < most < threads:
            raise EngineError(
                f"[engine] threads: a worker is to have {threads} processors, but the largest machine of the Ray "
                f"cluster has {int(most)}; set threads to that or less."
            )

    def _connect(self) -> None:
        if self._ray is not None:
            return
        self._is_ours = start_ray(self._settings)
        import ray

        self._ray = ray
        resources = ray.cluster_resources()
        self._tell(
            f"on Ray {self._settings.address or 'of this machine'}: {int(resources.get('CPU', 0))} processors, "
            f"{int(resources.get('GPU', 0))} GPUs"
        )

    def _disconnect(self) -> None:
        if self._ray is None:
            return
        for reference in self._running:
            with contextlib.suppress(Exception):
                self._ray.cancel(reference, force=True)
        self._running.clear()
        if self._is_ours:
            with _own_signal_handlers():
                self._ray.shutdown()
        self._ray = None


def model_threads(settings: EngineSettings) -> int:
    """Threads that a worker with a model computes with: by default those that this process would."""
    if settings.threads:
        return settings.threads
    import torch

    return torch.get_num_threads()


def start_ray(settings: EngineSettings) -> bool:
    """Connect this process to the Ray of the settings, or start one; False where it is connected already.

    Raises
    ------
    EngineError
        Ray does not start, or does not answer.
    """
    # Numbers of ours go to nobody.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if ray.is_initialized():
        return False
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    ours = {
        "num_cpus": settings.workers * model_threads(settings) if settings.workers else None,
        "include_dashboard": False,
        "object_store_memory": _OBJECT_STORE_BYTES,
    }
    with _own_signal_handlers():
        for attempt in range(_STARTS):
            try:
                if settings.address:
                    ray.init(settings.address, **quiet)
                else:
                    ray.init("local", **ours, **quiet)
                return True
            except Exception as error:
                # Ray raises what its parts raise: ConnectionError, RuntimeError, ValueError, RpcError, ...
                ray.shutdown()
                # Its own patience is 30 seconds, which a busy machine may need.
                if settings.address or attempt == _STARTS - 1:
                    raise EngineError(
                        f"[engine] address = {settings.address!r}: Ray does not start or answer there "
                        f"({type(error).__name__}: {str(error)[:300]}). Start a cluster (ray start --head), or leave "
                        "the address empty for a Ray of this machine."
                    ) from None
    return False


@contextlib.contextmanager
def _own_signal_handlers() -> Iterator[None]:
    """Put back what Ray replaces: Dagster ends a step by a handler of its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            if handler is not None:
                signal.signal(number, handler)
