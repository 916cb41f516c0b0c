"""The whole graph on notes, against a script of its peers that makes such tables and pictures."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medembed_pipeline_tests.bench.comparison import OURS, Comparison, Contender, Measurement, Options, Row
from medembed_pipeline_tests.bench.measuring import Command, environment
from medembed_pipeline_tests.bench.notes import has_real_notes, note_rows

SCRIPT = "a script of the peers"
# Pictures and triage have no part in the script.
SETTINGS = "[images]\nenabled = false\n"


class Whole(Comparison):
    """Each begins with a CSV file and an empty folder, and is a process of its own."""

    name = "whole"
    title = "The whole graph on notes"

    def rows(self, options: Options) -> list[Row]:
        data = str(options.data.resolve())
        if options.quick:
            return [Row("samples", "100 sample notes", 1, {"notes": 100, "data": ""})]
        rows = [Row("samples", "400 sample notes", 1, {"notes": 400, "data": ""})]
        if has_real_notes(options.data):
            rows.append(Row("real", "all notes of MTSamples", 1, {"notes": 10_000, "data": data}))
        return rows

    def prepare(self, row: Row, folder: Path) -> None:
        from medembed_pipeline.encoder import resolve_base
        from medembed_pipeline.tasks.gather import all_tasks
        from medembed_pipeline.tasks.settings import TaskSettings

        rows = note_rows(Path(row.values["data"] or folder), row.values["notes"])
        with (folder / "notes.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        tasks = [_told(task) for task in all_tasks(TaskSettings())]
        (folder / "tasks.json").write_text(json.dumps(tasks), encoding="utf-8")
        (folder / "model").write_text(str(resolve_base("bundled")), encoding="utf-8")

    def contenders(self, row: Row, folder: Path) -> Mapping[str, Contender]:
        paths = [str(folder / "notes.csv"), str(folder / "tasks.json")]
        model = (folder / "model").read_text(encoding="utf-8")
        script = [sys.executable, "-m", "medembed_pipeline_tests.bench.plain_script", *paths, model]
        return {
            OURS: _Anew(folder),
            SCRIPT: Command([*script, str(folder / "out")], folder, environment(), {"words": SCRIPT}),
        }


class _Anew(Contender):
    """`medembed run` in a new project each time."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._runs = folder, 0

    def measure(self) -> Measurement:
        self._runs += 1
        project = self._folder / f"project_{self._runs}"
        lake = project / "data_lake"
        (lake / "landing").mkdir(parents=True)
        (lake / "landing" / "notes.csv").hardlink_to(self._folder / "notes.csv")
        (project / "medembed.toml").write_text(SETTINGS, encoding="utf-8")
        environ = environment(MEDEMBED_DATA_LAKE=str(lake), DAGSTER_HOME=str(project / ".dagster_home"))
        return Command([sys.executable, "-m", "medembed_pipeline.cli", "run"], project, environ).measure()

    def __exit__(self, *_: object) -> None:
        """Nothing of it is left running."""


def _told(task: Any) -> dict[str, Any]:
    """A task as the script reads it."""
    from medembed_pipeline.tasks.task import RankingTask, TripletTask

    if isinstance(task, RankingTask):
        found = {"kind": "ranking", "first": task.queries, "second": task.candidates}
        found |= {"query": task.query.tolist(), "candidate": task.candidate.tolist()}
    elif isinstance(task, TripletTask):
        found = {"kind": "triplets", "first": task.anchors, "second": task.same, "third": task.other}
    else:
        found = {"kind": "pairs", "first": task.left, "second": task.right, "scores": task.scores.tolist()}
    return {
        "name": task.name,
        **{key: value if isinstance(value, str) else list(value) for key, value in found.items()},
    }
