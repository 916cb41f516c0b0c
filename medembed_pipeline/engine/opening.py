"""Opens the engine of the settings."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import pyarrow as pa

from medembed_pipeline.engine.ray_job import JobEngine
from medembed_pipeline.engine.settings import EngineSettings
from medembed_pipeline.engine.work import Shard, ShardWork, Worker
from medembed_pipeline.lake.lake import Lake


class Engine(Protocol):
    """Applies pure functions to shards."""

    def map(self, work: ShardWork, shards: Iterable[Shard], *, device: str = "cpu") -> Iterator[pa.Table]:
        """The results of the shards, in their order.

        Parameters
        ----------
        work
            the function.
        shards
            read as workers become free.
        device
            as a model's settings say it: with `auto` each worker gets a GPU where there are any, with `cuda` there must
            be one.

        Raises
        ------
        EngineError
            workers cannot be had, or are lost again and again.
        """
        ...


class LocalEngine:
    """One shard after the other, in this process."""

    def __init__(self, lake: Lake) -> None:
        self._worker = Worker(lake)

    def map(self, work: ShardWork, shards: Iterable[Shard], *, device: str = "cpu") -> Iterator[pa.Table]:
        """See `Engine`."""
        for shard in shards:
            yield work.function([rows.table for rows in shard.inputs], shard.settings, self._worker)


@contextlib.contextmanager
def open_engine(
    lake: Lake, settings: EngineSettings, tell: Callable[[str], object] = lambda line: None
) -> Iterator[Engine]:
    """The engine of the settings. Close it when what was made of the results is published, or kept elsewhere.

    Parameters
    ----------
    lake
        of the run; on Ray, shards and their results pass through it.
    settings
        which engine.
    tell
        told where the work runs.
    """
    if settings.kind == "local":
        yield LocalEngine(lake)
        return
    if settings.runs_jobs:
        yield JobEngine(settings.address)
        return
    from medembed_pipeline.engine.ray_engine import RayEngine

    with RayEngine(lake, settings, tell) as engine:
        yield engine
