"""Sentence triplets about everyday life: has tuning on notes cost a model its general English?

Written for this project, in `data/everyday_<set>.tsv`. In each triplet `same` says what `anchor` says (or is about the
same subject) in other words, and `other` shares its words but not its meaning: word overlap alone points the wrong way.
Each set stands for itself, because a gain in one (topics, say) does not make up for a loss in another.
"""

from __future__ import annotations

import csv
from pathlib import Path

from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.tasks.task import TripletTask, groups_by_text

DATA = Path(__file__).parent / "data"
SETS = ("paraphrase", "topic", "negation")


def everyday_tasks(folder: Path = DATA) -> list[TripletTask]:
    """A task for each set."""
    tasks = []
    for name in SETS:
        with _file(folder, name).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        anchors, same, other = ([row[column] for row in rows] for column in ("anchor", "same", "other"))
        groups = groups_by_text(anchors, same, other)
        tasks.append(TripletTask(f"everyday_{name}", "everyday_language", anchors, same, other, groups))
    return tasks


def everyday_version(folder: Path = DATA) -> str:
    """Hash of all sentences: what was scored with them is known by it."""
    return digest({name: _file(folder, name).read_text(encoding="utf-8") for name in SETS})


def _file(folder: Path, name: str) -> Path:
    return folder / f"everyday_{name}.tsv"
