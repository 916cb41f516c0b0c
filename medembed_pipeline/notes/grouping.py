"""The groups that notes are split and sampled by: near-duplicates, patients, and notes known again from the memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from medembed_pipeline.notes.duplicates import near_pairs
from medembed_pipeline.notes.memory import NoteMemory, Remembered
from medembed_pipeline.notes.sketches import Sketch, containing_pairs


@dataclass(frozen=True)
class Grouping:
    """The groups of the notes there are, and of those that are remembered.

    Attributes
    ----------
    groups
        by note id.
    remembered_splits
        by group the splits that are remembered of its notes whose text is gone.
    renamed
        groups of the memory that are part of a group of another name now.
    known_again
        new notes that joined the group of a remembered note, by their text or by the hospital's id.
    """

    groups: dict[str, str]
    remembered_splits: dict[str, set[str]]
    renamed: dict[str, str]
    known_again: int


class _Union:
    """Disjoint sets of names."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def find(self, name: str) -> str:
        root = name
        while (above := self._parent.get(root, root)) != root:
            root = above
        while (above := self._parent.get(name, name)) != root:
            self._parent[name], name = root, above
        return root

    def join(self, one: str, other: str) -> None:
        one, other = self.find(one), self.find(other)
        if one != other:
            self._parent[max(one, other)] = min(one, other)


def group_notes(
    notes: pa.Table, memory: NoteMemory, *, threshold: float, shown_ids: Mapping[str, str] | None = None
) -> Grouping:
    """Put notes together that must not lie in two splits.

    Together are near-duplicates; notes of one patient; notes with one id of the hospital; and notes that are one
    note to the memory: a note that is new is compared with every remembered note whose text is gone, and with every
    note there is, by its signature (the similarity of near-duplicates) and by its sketch (one holds most of the
    other: an addendum, a cut, a redaction).

    A group is named after the smallest name that the memory has for any of its notes, else after its smallest note
    id, so that it keeps its name when notes come and go.

    Parameters
    ----------
    notes
        columns note_id, duplicate_group, patients, note_keys, signature, sketch.
    memory
        what is known of earlier notes.
    threshold
        Jaccard similarity of near-duplicates.
    shown_ids
        by note id the id that earlier versions gave it: that of its masked text.
    """
    rows = notes.select(["note_id", "duplicate_group", "patients", "note_keys"]).to_pylist()
    union = _Union()
    # Joined at first without the patients: whose note it is does not make two texts one note.
    for row in rows:
        union.join(_note(row["note_id"]), f"duplicates {row['duplicate_group']}")
        for key in row["note_keys"]:
            union.join(_note(row["note_id"]), f"key {key}")
    for known in memory.notes.values():
        for key in known.note_keys:
            union.join(_note(known.note_id), f"key {key}")
    for note, shown in (shown_ids or {}).items():
        if shown in memory.notes:
            union.join(_note(note), _note(shown))
    _join_edited(union, notes, memory, threshold)
    earlier = {union.find(_note(note)) for note in memory.notes}
    known_again = sum(
        row["note_id"] not in memory.notes and union.find(_note(row["note_id"])) in earlier for row in rows
    )
    for row in rows:
        for patient in row["patients"]:
            union.join(_note(row["note_id"]), f"patient {patient}")
    for known in memory.notes.values():
        union.join(_note(known.note_id), f"group {known.group}")
        for patient in known.patients:
            union.join(_note(known.note_id), f"patient {patient}")
    return _named(union, [row["note_id"] for row in rows], memory, known_again)


def _note(note_id: str) -> str:
    return f"note {note_id}"


def _join_edited(union: _Union, notes: pa.Table, memory: NoteMemory, threshold: float) -> None:
    """Join new notes with what they were before: of near-duplicates among the notes there are, one stands for all."""
    columns = notes.select(["note_id", "duplicate_group", "signature", "sketch"]).to_pydict()
    ids, is_new, groups, signed, sketched = [], [], [], [], []
    representatives: set[tuple[str, bool]] = set()
    for note, group, signature, sketch in zip(*columns.values(), strict=True):
        unknown = note not in memory.notes
        if (group, unknown) in representatives:
            continue
        representatives.add((group, unknown))
        ids.append(note)
        is_new.append(unknown)
        groups.append(f"duplicates {group}")
        signed.append(signature)
        sketched.append(sketch)
    there = set(columns["note_id"])
    gone = [known for known in memory.notes.values() if known.note_id not in there and known.signature]
    if not any(is_new):
        return
    for known in gone:
        ids.append(known.note_id)
        is_new.append(False)
        groups.append(f"group {known.group}")
        signed.append(known.signature)
        sketched.append(known.sketch)
    new = np.array(is_new, dtype=np.bool_)
    sketches = [Sketch.unpacked(cell) for cell in sketched]
    for left, right in zip(*(side.tolist() for side in containing_pairs(sketches, groups, new)), strict=True):
        union.join(_note(ids[left]), _note(ids[right]))
    if gone:
        table = np.frombuffer(b"".join(signed), dtype="<u4").reshape(len(ids), -1).astype(np.uint32)
        for left, right in zip(
            *(side.tolist() for side in near_pairs(table, threshold=threshold)), strict=True
        ):
            union.join(_note(ids[left]), _note(ids[right]))


def _named(union: _Union, note_ids: Sequence[str], memory: NoteMemory, known_again: int) -> Grouping:
    names: dict[str, str] = {}
    roots: dict[str, str] = {}
    gone: list[Remembered] = []
    there = set(note_ids)
    for known in memory.notes.values():
        root = union.find(_note(known.note_id))
        roots[known.group] = root
        names[root] = min(known.group, names.get(root, known.group))
        if known.note_id not in there:
            gone.append(known)
    remembered = set(names)
    for note in note_ids:
        root = union.find(_note(note))
        if root not in remembered:
            names[root] = min(note, names.get(root, note))
    splits: defaultdict[str, set[str]] = defaultdict(set)
    for known in gone:
        splits[names[roots[known.group]]].add(known.split)
    groups = {note: names[union.find(_note(note))] for note in note_ids}
    used = set(groups.values())
    return Grouping(
        groups=groups,
        remembered_splits={group: known for group, known in splits.items() if group in used},
        renamed={group: names[root] for group, root in roots.items() if names[root] != group},
        known_again=known_again,
    )
