"""The whole graph when nothing has changed: in one process, and as a run of Dagster with a process a step."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from medembed_pipeline_tests.bench.comparison import (
    OURS,
    BenchError,
    Comparison,
    Contender,
    Options,
    Result,
    Row,
)
from medembed_pipeline_tests.bench.measuring import Command, environment, in_turn, prepared

COMMANDS = {
    "`medembed run`, one process": ["medembed_pipeline.cli", "run"],
    "a Dagster run, a process a step": [
        *("dagster", "job", "execute", "-m", "medembed_pipeline.definitions", "-j", "everything"),
    ],
}


class Unchanged(Comparison):
    """A project of sample notes and drawn pictures with a small model, made whole before anything is measured."""

    name = "unchanged"
    title = "Nothing changed, the whole graph"

    def rows(self, options: Options) -> list[Row]:
        if options.quick:
            return [Row("unchanged", "100 sample notes", 1, {"notes": 100, "pictures": False})]
        return [Row("unchanged", "400 sample notes and drawn pictures", 2, {"notes": 400, "pictures": True})]

    def prepare(self, row: Row, folder: Path) -> None:
        from medembed_pipeline_tests.encoder.small_models import make_bert
        from medembed_pipeline_tests.graph.project import NOTES_ALONE, WHOLE, Project

        parts = WHOLE if row.values["pictures"] else NOTES_ALONE
        project = Project(folder / "project", make_bert(folder / "model"), parts=parts)
        project.land_samples(row.values["notes"])
        Command(
            [sys.executable, "-m", "medembed_pipeline.cli", "run"], project.folder, _environ(folder)
        ).measure()

    def contenders(self, row: Row, folder: Path) -> Mapping[str, Contender]:
        return {
            what: Command([sys.executable, "-m", *command], folder / "project", _environ(folder))
            for what, command in COMMANDS.items()
        }

    def results(self, row: Row, folder: Path, rates: Mapping[str, float]) -> list[Result]:
        """Both ways in turn: they are two rows, and have no peer.

        Raises
        ------
        BenchError
            a table was written.
        """
        prepared(self, row, folder)
        before = _tables(folder)
        found = in_turn(self.contenders(row, folder), row.repeats)
        written = [name for name, state in _tables(folder).items() if before.get(name) != state]
        if written:
            raise BenchError(f"nothing changed, but {', '.join(sorted(written))} was written")
        same = f"{len(before)} tables stand as they were"
        return [
            Result(OURS, f"{row.what}, {what}", measured, agreement=same) for what, measured in found.items()
        ]


def _environ(folder: Path) -> dict[str, str]:
    project = folder / "project"
    return environment(
        MEDEMBED_DATA_LAKE=str(project / "data_lake"), DAGSTER_HOME=str(project / ".dagster_home")
    )


def _tables(folder: Path) -> dict[str, tuple[int, int]]:
    """When each table of the lake was written, and which file it is."""
    files = (folder / "project" / "data_lake").glob("*.parquet")
    return {file.stem: (file.stat().st_mtime_ns, file.stat().st_ino) for file in files}
