"""A person's own tasks: one folder each under `<lake>/tasks/`, in one of three layouts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from medembed_pipeline.lake.fingerprint import digest, file_sha256
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.notes.landing_files import (
    LandingFile,
    is_ignored_name,
    landing_file_opener,
    list_landing_files,
)
from medembed_pipeline.tasks.beir import BEIR_FILES, read_beir
from medembed_pipeline.tasks.kinds import PairTask, RankingTask, Task, TaskError, TripletTask
from medembed_pipeline.tasks.task_files import MAXIMUM_FILE_BYTES, TASKS_FOLDER, TaskFile

MINIMUM_ITEMS: Final = 20

_TASK_NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")
_PAIRS: Final[tuple[str, ...]] = ("pairs.csv", "pairs.tsv")
_TRIPLETS: Final[tuple[str, ...]] = ("triplets.csv", "triplets.tsv")
_PAIR_COLUMNS: Final = (
    ("text_a", "sentence1", "left", "text1"),
    ("text_b", "sentence2", "right", "text2"),
    ("score", "similarity", "label"),
)
_TRIPLET_COLUMNS: Final = (("anchor",), ("positive", "same"), ("negative", "other"))
_EXPECTED = f"expected exactly one of: {', '.join(BEIR_FILES)} together; pairs.csv; triplets.csv"
_NAMES_SHOWN = 8


@dataclass(frozen=True)
class OwnTask:
    """A task of a person's own, and how many of its queries were left out for want of a relevant text."""

    task: Task
    queries_left_out: int = 0


def own_task_names(lake: Lake) -> list[str]:
    """What lies in `<lake>/tasks/`, sorted; hidden names, README* and temporary files are passed over.

    Names that no task may have are among them, for `read_own_task` to say so; in these, characters that are not
    fit for a log stand as `?`.
    """
    names = (name for name in lake.names(TASKS_FOLDER) if not is_ignored_name(name))
    return sorted({name if _TASK_NAME.fullmatch(name) else _safe_name(name) for name in names})


def read_own_task(lake: Lake, name: str) -> Task:
    """The task in `<lake>/tasks/<name>/`; see `read_own`."""
    return read_own(lake, name).task


def read_own(lake: Lake, name: str) -> OwnTask:
    """Read the task in `<lake>/tasks/<name>/`.

    The folder holds exactly one of: the BEIR layout (see `read_beir`), `pairs.csv` (two texts and a score) or
    `triplets.csv` (an anchor, a text that is nearer to it, and one that is farther); the last two also as
    `.tsv`. Texts are taken as they are.

    Raises:
        TaskError: the name, the folder, a file or a row cannot be used; it names task, file, row and id, and
            quotes no text.
    """
    if not _TASK_NAME.fullmatch(name):
        raise TaskError(
            f"{TASKS_FOLDER}/{_safe_name(name)}: not the name of a task. Each task is a folder of its own, "
            "named with up to 60 letters (a-z, A-Z), digits, - and _. Rename it, or move it elsewhere."
        )
    found = _layout(lake, name)
    if found in _PAIRS:
        return _checked(OwnTask(_read_pairs(TaskFile(lake, name, found))))
    if found in _TRIPLETS:
        return _checked(OwnTask(_read_triplets(TaskFile(lake, name, found))))
    return _checked(OwnTask(*read_beir(lake, name)))


def own_tasks_version(lake: Lake) -> str:
    """sha256 (64 hex) of the names, sizes and bytes of all files in `<lake>/tasks/`.

    Files that cannot be read, or are too large to be, count with their name and size.
    """
    files = list_landing_files(lake.filesystem, lake.path(TASKS_FOLDER))
    contents = [[file.source_file, file.size, _content(lake, file)] for file in files]
    return digest([own_task_names(lake), contents])


def _content(lake: Lake, file: LandingFile) -> str:
    if file.rejection == "outside_landing_folder" or file.size > MAXIMUM_FILE_BYTES:
        return ""
    try:
        with landing_file_opener(lake.filesystem, file)() as opened:
            return file_sha256(opened)
    except OSError as error:
        return type(error).__name__


def _layout(lake: Lake, name: str) -> str:
    """The file of the one layout that the folder holds; the first of the BEIR files stands for these."""
    names = [found for found in lake.names(TASKS_FOLDER, name) if not is_ignored_name(found)]
    present = [file for file in (*_PAIRS, *_TRIPLETS) if file in names]
    beir = [file for file in BEIR_FILES if lake.exists(TASKS_FOLDER, name, *file.split("/"))]
    if beir and not present:
        missing = [file for file in BEIR_FILES if file not in beir]
        if missing:
            raise _folder_error(name, f"{', '.join(beir)} without {', '.join(missing)}")
        return BEIR_FILES[0]
    if len(present) == 1 and not beir:
        return present[0]
    if present:
        raise _folder_error(name, f"{' and '.join(beir + present)}, which are several tasks")
    shown = ", ".join(map(_safe_name, names[:_NAMES_SHOWN])) or "no files"
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    raise _folder_error(name, shown + more)


def _folder_error(name: str, found: str) -> TaskError:
    return TaskError(
        f"task {name}: {TASKS_FOLDER}/{name}/ holds {found}; {_EXPECTED}. Give each task a folder."
    )


def _read_pairs(file: TaskFile) -> PairTask:
    left, right, scores = [], [], []
    for row, (first, second, cell) in file.cell_rows(_PAIR_COLUMNS):
        left.append(file.text(first, "the first text", row=row))
        right.append(file.text(second, "the second text", row=row))
        scores.append(file.number(cell, "the score", row=row))
    if len(scores) >= MINIMUM_ITEMS and len(set(scores)) == 1:
        raise file.error(
            "all scores are equal, so there is no order to compare with; expected differing scores"
        )
    return PairTask(file.task, "own", left, right, scores)


def _read_triplets(file: TaskFile) -> TripletTask:
    anchors, same, other = [], [], []
    for row, (anchor, positive, negative) in file.cell_rows(_TRIPLET_COLUMNS):
        anchors.append(file.text(anchor, "the anchor", row=row))
        same.append(file.text(positive, "the positive text", row=row))
        other.append(file.text(negative, "the negative text", row=row))
        if positive == negative:
            raise file.error(
                "the positive and the negative text are the same; no model can tell them", row=row
            )
    return TripletTask(file.task, "own", anchors, same, other)


def _checked(own: OwnTask) -> OwnTask:
    """`own`, if it has as many items as a figure needs."""
    task = own.task
    if isinstance(task, RankingTask):
        items, what = len(task.queries), "queries with a relevant text"
    elif isinstance(task, PairTask):
        items, what = len(task.scores), "pairs"
    else:
        items, what = len(task.anchors), "triplets"
    if items < MINIMUM_ITEMS:
        raise TaskError(
            f"task {task.name}: it has {items} {what}; at least {MINIMUM_ITEMS} are needed for a figure that says "
            "anything. Add some, or remove the folder."
        )
    return own


def _safe_name(name: str) -> str:
    """The name of a file or folder for a message: short, and only characters that can be shown."""
    shown = "".join(character if character.isprintable() else "?" for character in name)
    return shown if len(shown) <= 60 else f"{shown[:60]}..."
