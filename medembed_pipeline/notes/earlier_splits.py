"""What a lake knew of its notes' splits before it had a memory of notes, or when a run was killed before writing it."""

from __future__ import annotations

from datetime import datetime

from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import TableError
from medembed_pipeline.notes.memory import STARTED, NoteMemory, Remembered, find_memory, write_memory
from medembed_pipeline.notes.settings import SplitSettings

LEDGER = ("store", "split_ledger")
LEDGER_SETTINGS = ("train", "validation", "test", "seed")


def open_memory(lake: Lake, settings: SplitSettings, now: datetime) -> NoteMemory:
    """The memory, with what is published and was not yet in it; a new one where the lake never had one.

    Call while holding its lock: what it had not yet is written.

    Lakes made before there was a memory keep their splits: the ledgers in their store, one for each of the settings
    ever used, are taken over, that of the settings in force before the others, and the published splits before any.

    Raises
    ------
    NoteMemoryError
        it was written and is gone, or damaged.
    """
    memory = find_memory(lake)
    if memory is None:
        started, known = 1, {}
        for note, split in _ledger(lake, settings).items():
            known[note] = Remembered(note, now, now, group=note, split=split)
        published = _published(lake, None)
        known.update({note: Remembered(note, now, now, *own) for note, own in published.items()})
        memory = NoteMemory(started, known)
        write_memory(lake, memory)
        return memory
    missing = {
        note: Remembered(note, now, now, *own)
        for note, own in _published(lake, str(memory.started)).items()
        if note not in memory.notes
    }
    if missing:
        memory = NoteMemory(memory.started, {**memory.notes, **missing})
        write_memory(lake, memory)
    return memory


def _ledger(lake: Lake, settings: SplitSettings) -> dict[str, str]:
    values = settings.model_dump(mode="json", include=set(LEDGER_SETTINGS))
    current = f"{digest(values)[:16]}.json"
    splits: dict[str, str] = {}
    names = [name for name in lake.names(*LEDGER) if name.endswith(".json")]
    for name in sorted(names, key=lambda name: name == current):
        splits.update(lake.read_json(*LEDGER, name) or {})
    return splits


def _published(lake: Lake, started: str | None) -> dict[str, tuple[str, str]]:
    """Group and split of every note of the published splits, if they were made with the memory begun so."""
    try:
        table = lake.find_table("note_splits")
    except TableError:
        return {}
    if table is None or table.footer.recipe.inputs.get(STARTED) != started:
        return {}
    columns = table.read().to_pydict()
    groups = columns.get("group", columns["note_id"])
    return {
        note: (group, split)
        for note, group, split in zip(columns["note_id"], groups, columns["split"], strict=True)
    }
