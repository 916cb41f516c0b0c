"""What the engine is given: a pure function, and the shards that it is applied to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import pyarrow as pa

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.fingerprint import content_sha256, digest
from medembed_pipeline.lake.lake import Lake

Made = TypeVar("Made")


class EngineError(MedembedError):
    """Shards that cannot be worked on: no Ray, workers that are not like the driver, or lost again and again."""


class Worker:
    """Where shards are worked on, as a function sees it: it outlives the shard.

    Parameters
    ----------
    lake
        of the run; for what the function needs besides its tables, such as a model's folder.
    threads
        how many to compute with; None in the process of the step, whose threads are its own business.
    """

    def __init__(self, lake: Lake, threads: int | None = None) -> None:
        self.lake = lake
        self.threads = threads
        self._kept: tuple[str, Any] | None = None

    @property
    def is_remote(self) -> bool:
        """Whether it is another process than the driver's, mostly on another machine."""
        return self.threads is not None

    def once(self, key: str, make: Callable[[], Made]) -> Made:
        """What `make` makes, such as a loaded model: kept for the next shards, until another key is asked for."""
        if self._kept is None or self._kept[0] != key:
            self._kept = None  # two models need not fit into memory
            self._kept = key, make()
        made: Made = self._kept[1]
        return made


ShardFunction = Callable[[Sequence[pa.Table], Mapping[str, Any], Worker], pa.Table]
"""Tables and settings of a shard -> its result; pure, and at the top of a module."""


@dataclass(frozen=True)
class ShardWork:
    """A function of shards.

    Attributes
    ----------
    function
        see `ShardFunction`. What it gives depends on the shard alone: not on other shards, nor on who works on it.
    revision
        of its code: raised when it gives something else for the same shard.
    has_model
        whether it computes with a model, whose digits may depend on the number of threads: then with as many as the
        settings say, else with one.
    """

    function: ShardFunction
    revision: str
    has_model: bool = False

    @property
    def name(self) -> str:
        """Module and function, by which a worker finds it."""
        return f"{self.function.__module__}:{self.function.__qualname__}"


@dataclass(frozen=True, eq=False)
class ShardRows:
    """Rows that shards read. Of rows that several shards read, make one object: it is hashed and written once."""

    table: pa.Table

    @cached_property
    def sha256(self) -> str:
        """Hash of the content."""
        return content_sha256(self.table)


@dataclass(frozen=True)
class Shard:
    """A piece of work; what it holds depends on the whole of the work alone, never on the number of workers.

    Attributes
    ----------
    inputs
        the tables that the function gets.
    settings
        few and JSON-able, no note among them: they travel.
    """

    inputs: tuple[ShardRows, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def key(self, work: ShardWork) -> str:
        """What its result is kept by, 32 hex: inputs, settings, and version of the code."""
        hashes = [rows.sha256 for rows in self.inputs]
        return digest([work.name, work.revision, dict(self.settings), hashes])[:32]
