"""What lies in two splits and must not: found in the texts and in what landed, not by the groups that were made."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from medembed_pipeline.lake import compute as pc
from medembed_pipeline.notes.cleaning import normalized_text
from medembed_pipeline.notes.exact_pairs import crossing_pairs
from medembed_pipeline.notes.merging import text_keys


def count_crossings(notes: pa.Table, splits: pa.Table, threshold: float) -> dict[str, int]:
    """Count what lies in two splits, or in none.

    Near-duplicates are found by their exact similarity (:mod:`medembed_pipeline.notes.exact_pairs`), not by the
    signatures that the groups were made with.

    Parameters
    ----------
    notes
        columns note_id, text.
    splits
        columns note_id, split, and group: what must lie in one split.
    threshold
        Jaccard similarity from which two texts are near-duplicates.
    """
    columns = splits.select(["note_id", "split", "group"]).to_pydict()
    split_of = dict(zip(columns["note_id"], columns["split"], strict=True))
    group_of = dict(zip(columns["note_id"], columns["group"], strict=True))
    ids: list[str] = notes.column("note_id").to_pylist()
    texts: list[str] = notes.column("text").to_pylist()
    own = [split_of.get(note_id) for note_id in ids]

    def spread(keys: Sequence[str | None]) -> int:
        table = pa.table({"key": keys, "split": own}).group_by("key").aggregate([("split", "count_distinct")])
        return int(pc.sum(pc.greater(table.column("split_count_distinct"), 1)).as_py() or 0)

    numbers = {split: number for number, split in enumerate(sorted({split or "" for split in own}))}
    left, _ = crossing_pairs(texts, [numbers[split or ""] for split in own], threshold=threshold)
    return {
        "notes_without_split": sum(split is None for split in own),
        "texts_in_two_splits": spread(text_keys(map(normalized_text, texts))),
        "groups_in_two_splits": spread([group_of.get(note_id, note_id) for note_id in ids]),
        "near_duplicates_in_two_splits": len(left),
    }


def count_patient_crossings(
    patients_of_rows: Iterable[tuple[str, str | None]],
    sources: Mapping[str, Iterable[str]],
    split_of: Mapping[str, str],
) -> dict[str, int]:
    """Count the patients that have notes in two splits.

    Parameters
    ----------
    patients_of_rows
        row id and patient of each landed row; None where it names none.
    sources
        note id -> ids of the rows that hold the note.
    split_of
        note id -> split.

    Returns
    -------
    dict[str, int]
        patients, and patients_in_two_splits.
    """
    splits_of: defaultdict[str, set[str]] = defaultdict(set)
    of_row: defaultdict[str, set[str]] = defaultdict(set)
    for row, patient in patients_of_rows:
        if patient is not None:
            of_row[row].add(patient)
    for note, rows in sources.items():
        for patient in {patient for row in rows for patient in of_row.get(row, ())}:
            splits_of[patient].add(split_of.get(note, ""))
    return {
        "patients": len(splits_of),
        "patients_in_two_splits": sum(len(splits) > 1 for splits in splits_of.values()),
    }
