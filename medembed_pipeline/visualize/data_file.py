"""The labelled file: how it gets into the landing folder, what makes it unusable, and the notes that are scored."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.notes.landing_files import file_format, is_ignored_name
from medembed_pipeline.notes.splits import ALL_NOTES, NOTE_SPLITS_SCHEMA
from medembed_pipeline.visualize import REVISION
from medembed_pipeline.visualize.errors import VisualizeError

SMALLEST = 3
"""Notes without which there is no map and nothing to retrieve."""


@dataclass(frozen=True)
class ScoredNotes:
    """What is scored of a file.

    Attributes
    ----------
    note_ids
        of the notes, sorted.
    rows
        rows that were read.
    rejected
        rows that could not be used.
    left_out
        notes beyond the most that were wanted.
    """

    note_ids: list[str]
    rows: int
    rejected: int
    left_out: int


def land(path: Path, lake: Lake) -> None:
    """Put the file into the landing folder of a local lake, by a link where that is possible.

    Raises
    ------
    VisualizeError
        there is no such file, or none that is read.
    """
    if not path.is_file():
        raise VisualizeError(f"--data: there is no file {path}.")
    if file_format(path.name) is None:
        raise VisualizeError(
            f"--data {path}: the name must end in .csv, .tsv, .jsonl, .ndjson (also .gz) or .parquet."
        )
    # The landing folder passes hidden files and READMEs over; a file that is named here is meant.
    name = f"data_{path.name.lstrip('.')}" if is_ignored_name(path.name) else path.name
    target = Path(lake.path("landing", name))
    target.parent.mkdir(parents=True)
    source = path.resolve()
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def refuse_unusable_rows(path: Path, lake: Lake) -> None:
    """Refuse a file of which nothing can be scored; call when `raw_transcriptions` is made.

    Raises
    ------
    VisualizeError
        it holds no usable row, or no label.
    """
    raw, rejected = lake.table("raw_transcriptions"), lake.table("rejected_rows")
    if not raw.rows:
        reasons = Counter(rejected.strings("reason"))
        found = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3)) or "it is empty"
        raise VisualizeError(
            f"--data {path} holds no row that can be used: {found}. Expected a column of text, named `text`, "
            "`note`, `transcription` or as landing.text_column in medembed.toml says."
        )
    if raw.read(["label"])["label"].null_count == raw.rows:
        raise VisualizeError(
            f"--data {path} holds no label, and without one no neighbour is right or wrong. Expected a column named "
            "`specialty`, `medical_specialty`, `label` or as landing.label_column in medembed.toml says."
        )


def choose_notes(path: Path, lake: Lake, most: int | None) -> ScoredNotes:
    """Keep at most so many notes, and hold none of them out; call when `cleaned_notes` is made.

    The table `note_splits` is given, as the checkpoint is: nobody knows what the model was trained on.

    Parameters
    ----------
    path
        the file, for messages.
    lake
        of which `cleaned_notes` is cut down to the sample, and in which `note_splits` is written.
    most
        notes to keep, see `sampled`; None: all.

    Raises
    ------
    VisualizeError
        too few of the notes have a specialty.
    """
    from medembed_pipeline.notes.assets import group
    from medembed_pipeline.notes.memory import NoteMemory

    cleaned = lake.table("cleaned_notes")
    notes = sampled(cleaned.read(), most)
    labelled = sum(bool(names) for names in notes["specialties"].to_pylist())
    if labelled < SMALLEST:
        raise VisualizeError(
            f"--data {path}: {labelled} of {len(notes)} different notes have a specialty; expected {SMALLEST} or "
            "more. Labels that name a kind of document (cleaning.document_types) do not count."
        )
    left_out = cleaned.rows - len(notes)
    if left_out:
        recipe = cleaned.footer.recipe
        recipe = replace(recipe, inputs={**recipe.inputs, "notes_at_most": str(most)})
        cleaned = lake.write_table(recipe, notes, schema=cleaned.schema, facts=cleaned.footer.facts)
    groups = group(cleaned, NoteMemory(started=1, notes={})).groups
    ids: list[str] = notes["note_id"].to_pylist()
    splits = pa.table(
        [ids, [ALL_NOTES] * len(ids), [groups[note] for note in ids]], schema=NOTE_SPLITS_SCHEMA
    )
    lake.write_table(Recipe("note_splits", REVISION, {}, {"cleaned_notes": cleaned.data_version}), splits)
    rows: int = lake.table("raw_transcriptions").footer.facts["rows_read"]
    return ScoredNotes(ids, rows, lake.table("rejected_rows").rows, left_out)


def sampled(notes: pa.Table, most: int | None) -> pa.Table:
    """At most so many notes, those with the smallest hash of their id, in the order of the table.

    A smaller sample is part of a larger one, and a note that is added takes the place of at most one other.
    """
    if most is None or len(notes) <= most:
        return notes
    ids = notes["note_id"].to_pylist()
    ranked = sorted(range(len(ids)), key=lambda row: hashlib.sha256(ids[row].encode()).digest())
    return notes.take(pa.array(sorted(ranked[:most]), pa.int64()))
