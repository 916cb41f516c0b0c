"""All data of the page as one JSON-able object: a pure function of tables.

The format is a contract with the page's own code in `page/`, which decodes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medembed_pipeline.pictures.numbers import without_nan
from medembed_pipeline.report.arrays_part import displacement_part, maps_part, neighbors_part, scored_note_ids
from medembed_pipeline.report.errors import ReportError
from medembed_pipeline.report.notes_part import Place, notes_part, slices_part
from medembed_pipeline.report.shown_table import NoteIndex, ShownTable
from medembed_pipeline.report.tables_part import tables_part

FORMAT = 1
TITLE = "Clinical notes before and after fine-tuning"
HELD_OUT = "held-out test notes"
ALL_NOTES = "all notes (which of them the model was trained on is not known)"

NOTE_TABLES = frozenset({"raw_transcriptions", "cleaned_notes", "note_splits"})
"""Their facts tell of the last run (what was new in it), not of the notes, so they stay out of the page."""


def build_payload(
    tables: Mapping[str, ShownTable],
    *,
    models: Mapping[str, str],
    scored: str,
    made: Mapping[str, Any],
    sources: Mapping[str, Sequence[Place]] | None = None,
    slices: Mapping[str, Sequence[Sequence[str]]] | None = None,
    history: Sequence[Mapping[str, Any]] = (),
    trade_off: Sequence[Mapping[str, Any]] = (),
    comparison: Sequence[Mapping[str, Any]] | None = None,
    cases: Mapping[str, Any] | None = None,
    pictures: Mapping[str, str] | None = None,
    title: str = TITLE,
) -> dict[str, Any]:
    """Turn the tables into the data of the page. No text of a note is in it, but those that `cases` brings.

    Parameters
    ----------
    tables
        by name, with the columns of docs/tables.md. Only `cleaned_notes` must be there; what is left out is left out
        of the page.
    models
        names to show of `baseline` and `tuned`.
    scored
        which notes the figures are of, in words.
    made
        of `provenance_part`.
    sources
        row id -> places that hold it (`source_places`).
    slices
        by slice, the values of each note (`notes.slices.slice_values`).
    history
        a row per epoch of the training.
    trade_off
        a row per share of the average with the base model.
    comparison
        further models, each `name` and `metrics` (columns of `embedding_metrics`).
    cases
        of `cases_part`; None for none.
    pictures
        small ones by image id (`small_pictures`); None for none.
    title
        of the page.

    Returns
    -------
    dict[str, Any]
        The payload: JSON-able, NaN is None, arrays are base64 (little-endian), note ids elsewhere than in `notes.id`
        are positions.

    Raises
    ------
    ReportError
        there are no notes, or tables that were made from other notes.
    """
    notes = tables.get("cleaned_notes")
    if notes is None or not len(notes.rows):
        raise ReportError("cleaned_notes holds no note, so there is nothing to show. Let notes land first.")
    index = NoteIndex(notes.rows["note_id"])
    if len(index) != len(notes.rows):
        raise ReportError(
            f"cleaned_notes: {len(notes.rows)} rows for {len(index)} note ids; one each expected."
        )
    splits, neighbors = tables.get("note_splits"), tables.get("neighbors")
    part = notes_part(
        notes.rows,
        splits=None if splits is None else _splits(splits),
        scored=scored_note_ids(neighbors.rows) if neighbors is not None else (),
        sources=sources or {},
    )
    placed = [(name, tables[name]) for name in ("projections", "aligned_projections") if name in tables]
    payload = {
        "format": FORMAT,
        "title": title,
        "models": dict(models),
        "scored": scored,
        "made": dict(made),
        **part,
        "slices": slices_part(slices or {}, notes=len(index)),
        "maps": maps_part(placed, index),
        "displacement": displacement_part(tables.get("note_displacement"), index),
        "neighbors": neighbors_part(neighbors, index),
        "tables": tables_part(tables, index),
        "facts": {
            name: dict(tables[name].facts)
            for name in sorted(tables)
            if name not in NOTE_TABLES and tables[name].facts
        },
        "history": list(history),
        "trade_off": list(trade_off),
        "comparison": list(comparison) if comparison is not None else None,
        **({"cases": dict(cases)} if cases else {}),
        **({"pictures": dict(pictures)} if pictures else {}),
    }
    clean: dict[str, Any] = without_nan(payload)
    return clean


def _splits(table: ShownTable) -> dict[str, str]:
    columns = table.rows.select(["note_id", "split"]).to_pydict()
    return dict(zip(columns["note_id"], columns["split"], strict=True))
