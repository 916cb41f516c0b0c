"""Where a process can be killed: before and after the calls through which everything reaches the disk."""

from __future__ import annotations

import functools
import json
import os
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class KillPoint:
    """The `number`-th call (from 1) of `function`, `before` it does anything or `after` it has returned."""

    function: str
    number: int
    moment: str

    def __str__(self) -> str:
        return f"{self.moment} call {self.number} of {self.function}"


def functions() -> dict[str, tuple[Any, str]]:
    """The functions in question, as (object, attribute) by a name to show."""
    import shutil

    import pyarrow.parquet

    import medembed_pipeline.card.assets as card_assets
    import medembed_pipeline.classification.assets as classification_assets
    import medembed_pipeline.lake.local_disk as local_disk
    import medembed_pipeline.lake.store as store_module
    import medembed_pipeline.notes.landing as landing_module
    import medembed_pipeline.report.writing as report_writing
    import medembed_pipeline.training.assets as training_assets
    import medembed_pipeline.training.checkpoint as checkpoint_module
    import medembed_pipeline.training.run as run_module
    from medembed_pipeline.lake.lake import Lake
    from medembed_pipeline.lake.pointers import Folders
    from medembed_pipeline.lake.publication import PublicationOrder
    from medembed_pipeline.lake.tables import TableWriter

    return {
        "Lake._publish_file": (Lake, "_publish_file"),
        "local_disk.place_file": (local_disk, "place_file"),
        "local_disk.place_folder": (local_disk, "place_folder"),
        "local_disk.place_link": (local_disk, "place_link"),
        "Lake.lock": (Lake, "lock"),
        "card.publish_card": (card_assets, "publish_card"),
        "Lake.write_json": (Lake, "write_json"),
        "Lake.change_json": (Lake, "change_json"),
        "Lake.confirm": (Lake, "confirm"),
        "Lake.publish": (Lake, "publish"),
        "local_disk.sync": (local_disk, "sync"),
        "PublicationOrder.begin": (PublicationOrder, "begin"),
        "PublicationOrder.record": (PublicationOrder, "record"),
        "PublicationOrder._write": (PublicationOrder, "_write"),
        "TableWriter.write": (TableWriter, "write"),
        "TableWriter._flush": (TableWriter, "_flush"),
        "TableWriter.finish": (TableWriter, "finish"),
        "KeyedStore.add": (store_module.KeyedStore, "add"),
        "pyarrow.parquet.write_table": (pyarrow.parquet, "write_table"),
        "ParsedFiles._parse": (landing_module.ParsedFiles, "_parse"),
        "training.save_state": (run_module, "save_state"),
        "os.fsync": (os, "fsync"),
        "checkpoint.save_encoder": (checkpoint_module, "save_encoder"),
        "checkpoint._write_json": (checkpoint_module, "_write_json"),
        "training.point_to": (training_assets, "point_to"),
        "classification.point_to": (classification_assets, "point_to"),
        "Folders.point_to": (Folders, "point_to"),
        "report.publish_page": (report_writing, "publish_page"),
        "Lake.write_bytes": (Lake, "write_bytes"),
        "Lake.write_link": (Lake, "write_link"),
        "os.link": (os, "link"),
        "Path.replace": (Path, "replace"),
        "shutil.rmtree": (shutil, "rmtree"),
    }


def arm(point: KillPoint, *, send: int = signal.SIGKILL) -> None:
    """Let this process send itself a signal at a point, by default SIGKILL."""

    def seen(function: str, number: int, moment: str) -> None:
        if point == KillPoint(function, number, moment):
            os.kill(os.getpid(), send)

    _wrap(seen)


def count_calls(into: Path) -> None:
    """Let this process note, in a file, how often each function is called."""
    calls: Counter[str] = Counter()

    def seen(function: str, number: int, moment: str) -> None:
        if moment == "after":
            calls[function] += 1
            into.write_text(json.dumps(calls))

    _wrap(seen)


def _wrap(seen: Callable[[str, int, str], None]) -> None:
    numbers: Counter[str] = Counter()
    for name, (owner, attribute) in functions().items():
        original = getattr(owner, attribute)
        setattr(owner, attribute, _watched(name, original, numbers, seen))


def _watched(
    name: str, original: Callable[..., Any], numbers: Counter[str], seen: Callable[[str, int, str], None]
) -> Callable[..., Any]:
    @functools.wraps(original)
    def watched(*arguments: Any, **keywords: Any) -> Any:
        numbers[name] += 1
        number = numbers[name]
        seen(name, number, "before")
        result = original(*arguments, **keywords)
        seen(name, number, "after")
        return result

    return watched
