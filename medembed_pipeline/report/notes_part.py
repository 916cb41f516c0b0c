"""The notes of the page: columns without their text, and the text in the form that the settings allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa

from medembed_pipeline.notes.slices import NONE, ordered_values
from medembed_pipeline.report.errors import ReportError

NoteText = Literal["full", "masked", "none"]
Place = tuple[str, int]
"""A file under the landing folder, and a row of it."""

ONE_SPLIT = "all notes"
SPLITS = ("train", "validation", "test")
SOURCES_SHOWN = 8


def notes_part(
    notes: pa.Table,
    *,
    splits: Mapping[str, str] | None,
    scored: Collection[str],
    sources: Mapping[str, Sequence[Place]],
) -> dict[str, Any]:
    """The notes column by column, in the order of the table, with the names behind the numbers.

    Parameters
    ----------
    notes
        columns note_id, specialties, document_types, source_rows, duplicate_group, words.
    splits
        note_id -> split; None where the notes were not split.
    scored
        ids of the notes that the metrics were taken on.
    sources
        row id -> places that hold the row.

    Returns
    -------
    dict[str, Any]
        `notes`, `specialty_names`, `document_type_names` and `split_names` of the payload; names of labels by falling
        number of notes, then by name.

    Raises
    ------
    ReportError
        a note without a split.
    """
    columns = notes.select(
        ["note_id", "specialties", "document_types", "source_rows", "duplicate_group", "words"]
    ).to_pydict()
    ids: list[str] = columns["note_id"]
    if splits is not None:
        lost = [note_id for note_id in ids if note_id not in splits]
        if lost:
            raise ReportError(
                f"note_splits: {len(lost)} of {len(ids)} notes have no split (first: {lost[0]}). Materialize "
                "note_splits again, then report."
            )
    split_of = [splits[note_id] if splits is not None else ONE_SPLIT for note_id in ids]
    split_names = [name for name in SPLITS if name in set(split_of)]
    split_names += sorted(set(split_of) - set(split_names))
    specialty_names = _by_frequency(columns["specialties"])
    type_names = _by_frequency(columns["document_types"])
    groups: dict[str, int] = {}
    return {
        "notes": {
            "id": ids,
            "specialties": _numbered(columns["specialties"], specialty_names),
            "document_types": _numbered(columns["document_types"], type_names),
            "split": [split_names.index(name) for name in split_of],
            "group": [groups.setdefault(name, len(groups)) for name in columns["duplicate_group"]],
            "scored": [int(note_id in scored) for note_id in ids],
            "source": [_source(rows, sources) for rows in columns["source_rows"]],
            "words": columns["words"],
        },
        "specialty_names": specialty_names,
        "document_type_names": type_names,
        "split_names": split_names,
    }


def slices_part(slices: Mapping[str, Sequence[Sequence[str]]], *, notes: int) -> list[dict[str, Any]]:
    """The slices, in their order: `name`, `values` from low to high, and `of`, the numbers of those of each note.

    Parameters
    ----------
    slices
        by slice, the values of each note.
    notes
        how many notes the page has.

    Raises
    ------
    ReportError
        values of another number of notes.
    """
    parts = []
    for name, values_of in slices.items():
        if len(values_of) != notes:
            raise ReportError(
                f"slice {name}: values of {len(values_of)} notes for {notes}; expected one list each."
            )
        own = [[value for value in values if value != NONE] for values in values_of]
        values = ordered_values(value for some in own for value in some)
        parts.append({"name": name, "values": values, "of": _numbered(own, values)})
    return parts


def source_places(raw: Iterable[pa.RecordBatch]) -> dict[str, list[Place]]:
    """Where each row id landed, in the order of files and rows.

    Parameters
    ----------
    raw
        batches with the columns row_id, source_file and source_row.
    """
    places: dict[str, set[Place]] = {}
    for batch in raw:
        ids, files, rows = (
            batch.column(name).to_pylist() for name in ("row_id", "source_file", "source_row")
        )
        for row_id, file, row in zip(ids, files, rows, strict=True):
            places.setdefault(row_id, set()).add((file, row))
    return {row_id: sorted(found) for row_id, found in sorted(places.items())}


def shown_texts(texts: Sequence[str], note_text: NoteText) -> list[str] | None:
    """The texts as the page may hold them: as they are, with identifier patterns masked, or None.

    Names are not found, hence not masked (`notes.identifiers`).
    """
    if note_text == "none":
        return None
    if note_text == "full":
        return list(texts)
    from medembed_pipeline.notes.identifiers import mask_identifiers

    return [mask_identifiers(text) for text in texts]


def _by_frequency(labels: Iterable[Sequence[str]]) -> list[str]:
    counts = Counter(name for names in labels for name in names)
    return [name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def _numbered(labels: Iterable[Sequence[str]], names: Sequence[str]) -> list[list[int]]:
    number = {name: position for position, name in enumerate(names)}
    return [sorted(number[name] for name in own) for own in labels]


def _source(row_ids: Sequence[str], sources: Mapping[str, Sequence[Place]]) -> str:
    found = sorted({place for row_id in row_ids for place in sources.get(row_id, ())})
    more = len(found) - SOURCES_SHOWN
    shown = ", ".join(f"{file}:{row}" for file, row in found[:SOURCES_SHOWN])
    return shown + (f" and {more:,} more" if more > 0 else "")
