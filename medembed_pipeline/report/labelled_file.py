"""A labelled file as notes, by the same reading, cleaning and grouping as the landing folder's."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from medembed_pipeline.notes.landing_files import file_format
from medembed_pipeline.notes.merging import merge_notes, prepare_texts
from medembed_pipeline.notes.reader import ReaderOptions, read_landing_file
from medembed_pipeline.notes.row_chunks import KEPT_SCHEMA
from medembed_pipeline.notes.settings import CleaningSettings, LandingSettings
from medembed_pipeline.report.errors import ReportError
from medembed_pipeline.report.notes_part import Place, source_places

SMALLEST = 3
"""Notes without which there is no map and nothing to retrieve."""


@dataclass(frozen=True)
class LabelledNotes:
    """The notes of a file.

    Attributes:
        notes: with the columns of `cleaned_notes`, sorted by note_id.
        places: where each row lies, by row id.
        rows: rows that were read.
        rejected: rows that could not be used.
        left_out: notes beyond the most that were wanted.
    """

    notes: pa.Table
    places: dict[str, list[Place]]
    rows: int
    rejected: int
    left_out: int


def read_labelled_notes(
    path: Path, landing: LandingSettings, cleaning: CleaningSettings, *, most: int | None = None
) -> LabelledNotes:
    """Read, clean and merge the rows of one file.

    Args:
        path: CSV, TSV, JSON Lines (also gzipped) or Parquet.
        landing: names of the columns, limits.
        cleaning: label names, document types, the threshold of near-duplicates.
        most: notes to keep; those whose hash is smallest, so that the choice depends neither on the order nor on
            the other notes. None: all.

    Raises:
        ReportError: the file cannot be read, holds no usable row, no label, or too few notes.
    """
    if not path.is_file():
        raise ReportError(f"--data: there is no file {path}.")
    if file_format(path.name) is None:
        raise ReportError(
            f"--data {path}: the name must end in .csv, .tsv, .jsonl, .ndjson (also .gz) or .parquet."
        )
    options = ReaderOptions(
        text_column=landing.text_column,
        label_column=landing.label_column,
        minimum_characters=landing.minimum_characters,
        maximum_row_bytes=landing.maximum_row_megabytes * 1024**2,
        maximum_file_bytes=int(landing.maximum_file_gigabytes * 1024**3),
    )
    kept, reasons = [], Counter[str]()
    read = 0
    for chunk in read_landing_file(lambda: cast(BinaryIO, path.open("rb")), path.name, options):
        kept.append(chunk.kept)
        reasons.update(chunk.rejected.column("reason").to_pylist())
        read += chunk.rows_read
    rows = pa.Table.from_batches(kept, KEPT_SCHEMA)
    if not len(rows):
        found = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3)) or "it is empty"
        raise ReportError(
            f"--data {path} holds no row that can be used: {found}. Expected a column of text, named `text`, "
            "`note`, `transcription` or as landing.text_column in medembed.toml says."
        )
    if rows["label"].null_count == len(rows):
        raise ReportError(
            f"--data {path} holds no label, and without one no neighbour is right or wrong. Expected a column named "
            "`specialty`, `medical_specialty`, `label` or as landing.label_column in medembed.toml says."
        )
    merged = merge_notes(
        rows.select(["row_id", "label"]),
        prepare_texts(rows["text"].to_pylist(), redact=cleaning.redact),
        aliases=cleaning.label_names,
        document_types=cleaning.document_types,
        label_separator=cleaning.label_separator,
        near_duplicate_threshold=cleaning.near_duplicate_threshold,
    ).notes
    notes = sampled(merged, most)
    labelled = sum(bool(names) for names in notes["specialties"].to_pylist())
    if labelled < SMALLEST:
        raise ReportError(
            f"--data {path}: {labelled} of {len(notes)} different notes have a specialty; expected {SMALLEST} or "
            "more. Labels that name a kind of document (cleaning.document_types) do not count."
        )
    places = source_places(rows.select(["row_id", "source_file", "source_row"]).to_batches())
    return LabelledNotes(notes, places, read, sum(reasons.values()), len(merged) - len(notes))


def sampled(notes: pa.Table, most: int | None) -> pa.Table:
    """At most so many notes, those with the smallest hash of their id, in the order of the table.

    A smaller sample is part of a larger one, and a note that is added takes the place of at most one other.
    """
    if most is None or len(notes) <= most:
        return notes
    ids = notes["note_id"].to_pylist()
    ranked = sorted(range(len(ids)), key=lambda row: hashlib.sha256(ids[row].encode()).digest())
    return notes.take(pa.array(sorted(ranked[:most]), pa.int64()))
