"""The memory of notes: every note that was ever split, its group, its split, and the checkpoints that trained on it.

The table `note_memory` lies in the lake's root and outlives every cache: what it holds cannot be made again from the
landing folder, where notes are edited and removed. It is read, added to and written under the lock `note_memory`, in
the moment in which the table or the checkpoint is published that it tells of; adding never takes anything away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.fields import described
from medembed_pipeline.lake.fingerprint import content_sha256
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import LakeTable, Recipe, TableError
from medembed_pipeline.lake.verification import altered

MEMORY = "note_memory"
MEMORY_REVISION = "1"
STARTED = "memory_started"
"""Name, in the recipe of note_splits, of the number of the memory's beginning: another one after starting over."""

REMEDY = (
    "It says in which split every note is and which were trained on; without it, the edited text of a note that was "
    "trained on could be scored as if no model had seen it. Restore a copy of the file (`medembed "
    "rollback --of note_memory` shows the last that are kept), or run `medembed splits --start-over`, which says what "
    "it costs."
)

MEMORY_SCHEMA = pa.schema(
    [
        described(
            "note_id", pa.string(), "The note, whether its text is still there or not; unique; the sort key."
        ),
        described("first_seen", pa.timestamp("us", "UTC"), "When a run first split it. UTC."),
        described(
            "last_seen", pa.timestamp("us", "UTC"), "When a run last split a corpus that held it. UTC."
        ),
        described(
            "signature",
            pa.binary(),
            "MinHash signature as in cleaned_notes; null of notes of which only the id was known.",
            nullable=True,
        ),
        described(
            "sketch", pa.binary(), "Some of its word shingles as in cleaned_notes; likewise.", nullable=True
        ),
        described("group", pa.string(), "The group that it is in, as in note_splits."),
        described("patients", pa.list_(pa.string()), "Every patient that a row ever named for it, sorted."),
        described("note_keys", pa.list_(pa.string()), "Every id that the hospital ever gave it, sorted."),
        described("split", pa.string(), "The split that it was last in: train, validation or test."),
        described(
            "trained_by", pa.list_(pa.string()), "Versions of the checkpoints that trained on it, sorted."
        ),
    ]
)


class NoteMemoryError(MedembedError):
    """The memory of notes was removed or damaged."""


@dataclass(frozen=True)
class Remembered:
    """What is known of one note; the columns of `MEMORY_SCHEMA`."""

    note_id: str
    first_seen: datetime
    last_seen: datetime
    group: str
    split: str
    signature: bytes | None = None
    sketch: bytes | None = None
    patients: tuple[str, ...] = ()
    note_keys: tuple[str, ...] = ()
    trained_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class NoteMemory:
    """All that is known.

    Attributes
    ----------
    started
        number of this memory's beginning, from 1.
    notes
        by note id.
    """

    started: int
    notes: Mapping[str, Remembered]

    def table(self) -> pa.Table:
        """With `MEMORY_SCHEMA`, sorted by note id."""
        rows = [self.notes[note] for note in sorted(self.notes)]
        return pa.table(
            [pa.array([getattr(row, field.name) for row in rows], field.type) for field in MEMORY_SCHEMA],
            schema=MEMORY_SCHEMA,
        )


def was_written(lake: Lake) -> bool:
    """Whether the lake ever held a memory: by the record of what was published, or by a table split with one."""
    return MEMORY in lake.published_names() or _started_of_splits(lake) is not None


def find_memory(lake: Lake) -> NoteMemory | None:
    """The memory, verified; None where there never was one.

    Raises
    ------
    NoteMemoryError
        it was written and is gone, or is not what was written.
    """
    table = _open(lake)
    if table is None:
        return None
    problem = altered(table)
    if problem:
        raise NoteMemoryError(f"The memory of notes, {table.path}, is damaged. {REMEDY}")
    notes = {row["note_id"]: _remembered(row) for row in table.read().to_pylist()}
    return NoteMemory(int(table.footer.facts["started"]), notes)


def _remembered(row: Mapping[str, Any]) -> Remembered:
    lists = {name: tuple(row[name]) for name in ("patients", "note_keys", "trained_by")}
    return Remembered(**{**row, **lists})


def remembered_groups(lake: Lake, note_ids: Collection[str]) -> dict[str, str]:
    """The groups of those of the notes that are remembered; for notes whose text is gone.

    Raises
    ------
    NoteMemoryError
        the memory was written and is gone, or cannot be read.
    """
    table = _open(lake) if note_ids else None
    if table is None:
        return {}
    columns = table.read(["note_id", "group"]).to_pydict()
    wanted = set(note_ids)
    pairs = zip(columns["note_id"], columns["group"], strict=True)
    return {note: group for note, group in pairs if note in wanted}


def _open(lake: Lake) -> LakeTable | None:
    try:
        table = lake.find_table(MEMORY)
    except TableError:
        raise NoteMemoryError(
            f"The memory of notes, {lake.table_path(MEMORY)}, is damaged. {REMEDY}"
        ) from None
    if table is None and was_written(lake):
        raise NoteMemoryError(f"The memory of notes, {lake.table_path(MEMORY)}, is gone. {REMEDY}")
    return table


def _started_of_splits(lake: Lake) -> int | None:
    """The beginning of the memory that the published splits were made with; None where they had none."""
    try:
        table = lake.find_table("note_splits")
    except TableError:
        return None
    started = table.footer.recipe.inputs.get(STARTED) if table is not None else None
    return None if started is None else int(started)


def write_memory(lake: Lake, memory: NoteMemory) -> None:
    """Write the memory whole. Call while holding the lock `MEMORY`, having read what was there under it.

    Its data version leaves out when notes were seen, so that two lakes that know the same have the same version.
    """
    table = memory.table()
    version = content_sha256(table.drop_columns(["first_seen", "last_seen"]))
    counts = {"started": memory.started, "notes": len(memory.notes)}
    recipe = Recipe(MEMORY, MEMORY_REVISION, {}, {})
    lake.write_table(recipe, table, facts=counts, data_version=version, is_merged=True)


def start_over(lake: Lake) -> int:
    """Put an empty memory in place of the one there is, or was; returns the number of its beginning.

    Splits that were published before are not taken up again: the number is part of what note_splits is made from.
    """
    with lake.lock(MEMORY):
        started = _started_of_splits(lake) or 0
        try:
            table = lake.find_table(MEMORY)
            started = max(started, int(table.footer.facts["started"]) if table is not None else 0)
        except (TableError, KeyError, TypeError, ValueError):
            pass  # damaged: the splits say where it was
        write_memory(lake, NoteMemory(started + 1, {}))
        return started + 1


def with_splits(
    memory: NoteMemory,
    notes: pa.Table,
    splits: Mapping[str, str],
    groups: Mapping[str, str],
    renamed: Mapping[str, str],
    now: datetime,
) -> NoteMemory:
    """The memory with a published table of splits added.

    Parameters
    ----------
    memory
        what was known before.
    notes
        columns note_id, signature, sketch, patients, note_keys.
    splits, groups
        by note id.
    renamed
        groups of the memory that are part of another group now.
    now
        when they were seen.
    """
    known = {
        note: replace(row, group=renamed[row.group]) if row.group in renamed else row
        for note, row in memory.notes.items()
    }
    for row in notes.select(["note_id", "signature", "sketch", "patients", "note_keys"]).to_pylist():
        note = row["note_id"]
        before = known.get(note)
        known[note] = Remembered(
            note_id=note,
            first_seen=before.first_seen if before else now,
            last_seen=max(now, before.last_seen) if before else now,
            group=groups[note],
            split=splits[note],
            signature=row["signature"],
            sketch=row["sketch"],
            patients=_union(row["patients"], before.patients if before else ()),
            note_keys=_union(row["note_keys"], before.note_keys if before else ()),
            trained_by=before.trained_by if before else (),
        )
    return NoteMemory(memory.started, known)


def _union(one: Iterable[str], other: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({*one, *other}))


def remember_trained(lake: Lake, trained: Mapping[str, Collection[str]], now: datetime) -> None:
    """Note which checkpoints trained on which notes; nothing where no note was ever split with a memory.

    Parameters
    ----------
    lake
        where the memory lies.
    trained
        version of a published checkpoint -> ids of the notes it was trained on.
    now
        when a note counts as first seen that is not remembered, though it was trained on.

    Raises
    ------
    NoteMemoryError
        see `find_memory`.
    """
    with lake.lock(MEMORY):
        memory = find_memory(lake)
        if memory is None:
            return
        known = dict(memory.notes)
        for version, notes in trained.items():
            for note in notes:
                before = known.get(note) or Remembered(note, now, now, group=note, split="train")
                if version not in before.trained_by:
                    known[note] = replace(before, trained_by=_union(before.trained_by, [version]))
        if known != memory.notes:
            write_memory(lake, NoteMemory(memory.started, known))
