"""The tasks of everyday language: sentence triplets that were written for this project, a task per set.

The second sentence says the same as the first (or is about the same subject) in other words; the third shares words
with it, but not the meaning. Word matching points the wrong way.
"""

from __future__ import annotations

import csv
from pathlib import Path

from medembed_pipeline.lake.fingerprint import digest, file_sha256
from medembed_pipeline.tasks.kinds import TripletTask

FOLDER = Path(__file__).parent / "data"
PREFIX = "everyday_"


def everyday_tasks() -> list[TripletTask]:
    """The sets by name: negation, paraphrase, topic."""
    return [_read(path) for path in _files()]


def everyday_version() -> str:
    """Hash of all sentences: what was scored with them is known by it."""
    return digest({path.name: file_sha256(path) for path in _files()})


def _files() -> list[Path]:
    return sorted(FOLDER.glob(f"{PREFIX}*.tsv"))


def _read(path: Path) -> TripletTask:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    anchors, same, other = ([row[column] for row in rows] for column in ("anchor", "same", "other"))
    return TripletTask(path.stem, "everyday_language", anchors, same, other)
