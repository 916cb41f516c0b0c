"""`medembed splits`: what the memory of notes holds, and starting it over."""

from __future__ import annotations

from collections import Counter

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.pointers import PointerError
from medembed_pipeline.notes.memory import MEMORY, NoteMemory, NoteMemoryError, find_memory, start_over
from medembed_pipeline.training.checkpoints import POINTER
from medembed_pipeline.verdict.released import released_version


def memory_lines(memory: NoteMemory) -> list[str]:
    """What is remembered, in a few lines."""
    known = memory.notes.values()
    splits = Counter(row.split for row in known)
    held = ", ".join(f"{count} {split}" for split, count in sorted(splits.items()))
    groups = len({row.group for row in known})
    trained = sum(bool(row.trained_by) for row in known)
    return [
        f"{len(known)} notes in {groups} groups are remembered: {held or 'none'}",
        f"{trained} of them were trained on by a checkpoint",
    ]


def cost_lines(lake: Lake) -> list[str]:
    """What starting over loses."""
    try:
        memory = find_memory(lake)
    except NoteMemoryError:
        return [
            "The memory of notes is gone or damaged: what it knew is lost already.",
            "Checkpoints that there are can no longer be judged on notes whose text was edited or cut since they were "
            "trained: whether they were trained on is not known. Train anew after it.",
        ]
    if memory is None:
        return ["There is no memory of notes yet: nothing is lost."]
    held_out = sum(row.split == "test" for row in memory.notes.values())
    lines = [
        *memory_lines(memory),
        f"All of it is forgotten: every note is dealt anew, and of the {held_out} notes that were held out some will "
        "be trained on.",
    ]
    for what, version in (("current", _current(lake)), ("released", _released(lake))):
        seen = sum(version in row.trained_by for row in memory.notes.values()) if version else 0
        if version and seen:
            lines.append(
                f"The {what} checkpoint {version} was trained on {seen} of them. It can no longer be judged on these "
                "notes once they are edited or cut, and is not comparable with one trained after it."
            )
    return lines


def begin_again(lake: Lake) -> str:
    """Start the memory over; returns what to do next."""
    start_over(lake)
    return (
        "The memory of notes is empty. Run `medembed run`, or materialize note_splits and what follows from it: the "
        "notes are dealt anew by the [splits] in force."
    )


def print_splits(lake: Lake, *, anew: bool, confirmed: bool) -> int:
    """Print what is remembered, or what starting over costs, and start over when told so; returns the exit status."""
    if not anew:
        memory = find_memory(lake)
        lines = ["No note was split yet."] if memory is None else memory_lines(memory)
        print("\n".join([*lines, f"memory       {lake.table_path(MEMORY)}"]))
        return 0
    print("\n".join(cost_lines(lake)))
    if not confirmed:
        print("Nothing was changed; `medembed splits --start-over --yes` does it.")
        return 1
    print(begin_again(lake))
    return 0


def _current(lake: Lake) -> str | None:
    try:
        pointer = lake.read_json(POINTER)
    except ValueError:
        return None
    return str(pointer["version"]) if isinstance(pointer, dict) and "version" in pointer else None


def _released(lake: Lake) -> str | None:
    try:
        return released_version(lake)
    except PointerError:
        return None
