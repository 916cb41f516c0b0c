"""`medembed rollback`: the last versions of what was published, and one of them put back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from medembed_pipeline.classification.classifiers import CLASSIFIERS, IN_SERVICE, can_answer, published
from medembed_pipeline.classification.folder import ASSET as CLASSIFIER
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.history.table import NAME as HISTORY
from medembed_pipeline.lake import versions
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.pointers import Folders
from medembed_pipeline.lake.tables import TableError
from medembed_pipeline.lake.verification import altered
from medembed_pipeline.notes.memory import MEMORY
from medembed_pipeline.training.checkpoints import CHECKPOINTS
from medembed_pipeline.triage.models import MODELS as TRIAGE_MODELS
from medembed_pipeline.verdict.released import RELEASED, RELEASED_CHECKPOINT, put_back, released_version

MADE_IN_FOLDERS = {CHECKPOINTS: "tuned_embeddings", TRIAGE_MODELS: "triage_predictions"}
"""What is current until it is made anew, and the first table that measures it."""
FOLDERS_SAID = ", ".join(folders.asset for folders in MADE_IN_FOLDERS)
GROWING = (MEMORY, HISTORY)
"""Tables that are only ever added to: an earlier version has forgotten something."""


class RollbackError(MedembedError):
    """There is nothing to put back, or not that."""


@dataclass(frozen=True)
class Choice:
    """What there is to choose from.

    Attributes
    ----------
    kind
        what a version of it is called.
    said
        what is said of each version, the newest first.
    put_back
        puts one back; returns what a person reads.
    """

    kind: str
    said: Mapping[str, str]
    put_back: Callable[[str], str]


def rollback(lake: Lake, wanted: str | None, of: str = RELEASED) -> list[str]:
    """Put an earlier version back, or say which there are.

    Parameters
    ----------
    lake
        where they lie.
    wanted
        how the version begins; None to be told.
    of
        `released`, `specialty_classifier` (the one in service), `finetuned_checkpoint` or `triage_model` (the current
        one), `report` or the name of a table.

    Returns
    -------
    list[str]
        What a person reads.

    Raises
    ------
    RollbackError
        no version begins so, or several do, or it can't be put back.
    """
    choice = _choice(lake, of)
    option = "" if of == RELEASED else f" --of {of}"
    if wanted is None:
        return _lines(choice, option)
    found = [version for version in choice.said if version.startswith(wanted)]
    if len(found) != 1:
        told = f"{len(found)} versions begin so" if found else f"no {choice.kind} begins so"
        raise RollbackError(f"'{wanted}': {told}. `medembed rollback{option}` shows which there are.")
    return [choice.put_back(found[0])]


def _lines(choice: Choice, option: str) -> list[str]:
    lines = [f"{version}  {said}" for version, said in choice.said.items()] or [f"There is no {choice.kind}."]
    hint = f"`medembed rollback{option} VERSION` puts one back (UTC; the first letters of the version are enough)."
    others = f"`--of NAME` is for {CLASSIFIER}, {FOLDERS_SAID}, report, or a table, by the name of its file."
    return [*lines, "", hint, *([] if option else [others])]


def _choice(lake: Lake, of: str) -> Choice:
    if of == RELEASED:
        return _released(lake)
    if of == CLASSIFIER:
        return _classifiers(lake)
    for folders, measured_by in MADE_IN_FOLDERS.items():
        if of == folders.asset:
            return _current(lake, folders, measured_by)
    return _files(lake, of)


def _released(lake: Lake) -> Choice:
    """Checkpoints that were released, by the history, as far as they are still in the lake."""
    table = lake.find_table(HISTORY)
    rows = (table.read() if table else pa.table({})).to_pylist()
    times = {row["checkpoint"]: row["released_at"] for row in rows if row["released"] and row["released_at"]}
    there = {version: when for version, when in times.items() if CHECKPOINTS.is_there(lake, version)}
    newest = sorted(there, key=lambda version: there[version])[::-1]
    now, withdrawn = released_version(lake), RELEASED_CHECKPOINT.withdrawn(lake)
    said = {
        version: f"released {there[version]:%Y-%m-%d %H:%M}{_mark(version, now, withdrawn, 'released now')}"
        for version in newest
    }

    def back(version: str) -> str:
        before = put_back(lake, version)
        return f"{version} is the released checkpoint now{_taken_back(before)}."

    return Choice("checkpoint in the lake that was released", said, back)


def _classifiers(lake: Lake) -> Choice:
    now, withdrawn = IN_SERVICE.version(lake), IN_SERVICE.withdrawn(lake)
    known = [version for version in (now, *IN_SERVICE.earlier(lake)) if version is not None]
    said = _made(lake, CLASSIFIERS, known, lambda version: _mark(version, now, withdrawn, "in service now"))

    def back(version: str) -> str:
        if not can_answer(lake, published(lake, version)):
            raise RollbackError(
                f"the classifier {version} needs a checkpoint that is gone; nothing was changed."
            )
        before = IN_SERVICE.put_back(lake, version)
        return f"{version} is the classifier in service now{_taken_back(before)}."

    return Choice("classifier in the lake that was in service", said, back)


def _current(lake: Lake, folders: Folders, measured_by: str) -> Choice:
    now = folders.current(lake)
    known = [version for version in (now, *folders.earlier(lake)) if version is not None]
    said = _made(lake, folders, known, lambda version: "  current" if version == now else "")

    def back(version: str) -> str:
        if version == now:
            raise RollbackError(f"the {folders.kind} {version} is the current one already.")
        folders.put_back(lake, version)
        return (
            f"{version} is the current {folders.kind} until {folders.asset} is materialized. Materialize "
            f"{measured_by} and what follows to measure it."
        )

    return Choice(f"{folders.kind} in the lake that was current", said, back)


def _made(lake: Lake, folders: Folders, known: Iterable[str], mark: Callable[[str], str]) -> dict[str, str]:
    said = {}
    for version in known:
        if folders.is_there(lake, version):
            when = time.gmtime(lake.modified(folders.folder, version, folders.last))
            said[version] = f"made {time.strftime('%Y-%m-%d %H:%M', when)}{mark(version)}"
    return said


def _files(lake: Lake, of: str) -> Choice:
    found = versions.versions_of(lake, of)
    if not found:
        raise RollbackError(
            f"'{of}': nothing of that name was published in {lake.url}. It is {RELEASED}, {CLASSIFIER}, "
            f"{FOLDERS_SAID}, report, or a table, by the name of its file."
        )
    stands = next((one.version for one in found if one.stands), None)

    def back(version: str) -> str:
        if version == stands:
            raise RollbackError(f"{of} is version {version} already.")
        if of in GROWING and _is_whole(lake, of):
            raise RollbackError(
                f"{of} is only ever added to, and is whole: an earlier version would forget what was added since. "
                "It is put back only where the one that stands is lost or damaged."
            )
        versions.put_back(lake, of, version)
        if of == MEMORY:
            return (
                f"{of} is version {version} now. Materialize note_splits and {CHECKPOINTS.asset}: they add the splits "
                "and the trainings that it lacks."
            )
        return (
            f"{of} is version {version} until it is materialized. What was made from the other one is named by "
            "`medembed verify`."
        )

    return Choice(
        f"version of {of} that is kept",
        {one.version: f"written {one.written_at}{'  stands now' if one.stands else ''}" for one in found},
        back,
    )


def _is_whole(lake: Lake, name: str) -> bool:
    try:
        table = lake.find_table(name)
    except TableError:
        return False
    return table is not None and not altered(table)


def _mark(version: str, now: str | None, withdrawn: Iterable[str], in_use: str) -> str:
    return f"  {in_use}" if version == now else "  taken back" if version in withdrawn else ""


def _taken_back(version: str | None) -> str:
    return f"; {version} is taken back, and no verdict releases it again" if version else ""
