"""The figures of the page: specifications with their data, by the table that they are of."""

from __future__ import annotations

import sys
from array import array
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

from medembed_pipeline.described import described_tables
from medembed_pipeline.evaluation.figures import comparison_figure
from medembed_pipeline.evidence.similarity.figures import course_values
from medembed_pipeline.maps.figures import displacement_figures
from medembed_pipeline.pictures.specification import Known, Note, Row
from medembed_pipeline.training.figures import course_figures, history_values, trade_off_figures


def figures_part(payload: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Every figure that can be drawn of what the page holds, by table and by its own name.

    Parameters
    ----------
    payload
        of `build_payload`.
    """
    made = payload["made"]
    specialties = payload["specialty_names"]
    notes = payload["notes"]
    # Tables of the page name notes by their position, or by their id.
    named = {}
    for at, (note_id, places) in enumerate(zip(notes["id"], notes["specialties"], strict=True)):
        named[str(at)] = named[note_id] = Note(note_id, [specialties[place] for place in places])
    manifest = (made.get("checkpoint") or {}).get("manifest") or {}
    facts = {**payload["facts"], "finetuned_checkpoint": manifest}
    known = Known(facts, made.get("settings", {}), named)
    found = {
        name: described.figures(rows, known)
        for name, described in described_tables().items()
        if described.figures is not None and (rows := rows_of(payload["tables"].get(name, {})))
    }
    evidence = rows_of(payload["tables"].get("similarity_evidence", {}))
    values = {**history_values(payload.get("history") or ()), **course_values(evidence)}
    found["finetuned_checkpoint"] = [
        *course_figures(values, best_epoch=manifest.get("best_epoch")),
        *trade_off_figures(payload.get("trade_off") or ()),
    ]
    displacement = payload["displacement"]
    found["note_displacement"] = displacement_figures(
        _numbers(displacement["distance"]), _numbers(displacement["overlap"]), floor=displacement["floor"]
    )
    models = [(one["name"], rows_of(one["metrics"])) for one in payload.get("comparison") or ()]
    found["comparison"] = comparison_figure(models)
    return {name: {figure.name: figure.to_json() for figure in made} for name, made in found.items()}


def rows_of(columns: Mapping[str, Sequence[Any]]) -> list[Row]:
    """A table of the payload, row by row."""
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _numbers(packed: str | None) -> list[float] | None:
    """Little-endian float32 in base64."""
    if packed is None:
        return None
    numbers = array("f", b64decode(packed))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()
