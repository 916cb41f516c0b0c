"""The cases of triage on the page: what every arm says of each, where it lies, and what of it the settings allow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.report.arrays_part import packed
from medembed_pipeline.report.notes_part import NoteText, shown_texts
from medembed_pipeline.triage.case_map import BLANKS
from medembed_pipeline.triage.cases import shown_level

PREDICTIONS, CASES = "triage_predictions", "paired_cases"
CASE_TABLES = (PREDICTIONS, CASES)
MOST = 1_500
"""Cases in a page, each with a small picture; held-out ones first."""
CASE_COLUMNS = ("case_id", "image_id", "note", "source", "view", "age", "sex")

_RANK = {"test": 0, "validation": 1, "train": 2}


def shown_cases(answered: pa.Table, *, most: int = MOST) -> list[str]:
    """Ids of the cases that a page shows, held-out ones first, then validation cases; by id within a split.

    Parameters
    ----------
    answered
        columns case_id and split of `triage_predictions`.
    most
        how many at most.
    """
    split_of = dict(zip(*(answered.column(name).to_pylist() for name in ("case_id", "split")), strict=True))
    return sorted(split_of, key=lambda case: (_RANK.get(split_of[case], len(_RANK)), case))[:most]


def rows_of_cases(batches: Iterable[pa.RecordBatch], case_ids: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of some cases; of a large table no more is held than these."""
    wanted = set(case_ids)
    found = []
    for batch in batches:
        rows = [row for row, case in enumerate(batch.column("case_id").to_pylist()) if case in wanted]
        found += batch.take(pa.array(rows, pa.int64())).to_pylist()
    return found


def cases_part(
    answers: Sequence[Mapping[str, Any]],
    cases: Sequence[Mapping[str, Any]],
    case_ids: Sequence[str],
    facts: Mapping[str, Any],
    note_text: NoteText,
) -> dict[str, Any] | None:
    """The cases column by column, in the order of their ids here, and by arm what it says of those that it can see.

    Parameters
    ----------
    answers
        rows of `triage_predictions` of these cases.
    cases
        rows of `paired_cases` of them, with CASE_COLUMNS.
    case_ids
        of `shown_cases`.
    facts
        of `triage_predictions`.
    note_text
        of the notes: as they are, with identifier patterns masked, or not at all; then there are no pictures either.

    Returns
    -------
    dict[str, Any] | None
        JSON-able; arrays are base64 (little-endian). None where there is no case, or where two levels have the same
        shortened name, so that one could not be told from the other.
    """
    # Of a long label the facts have no more than that it is one.
    shown = {str(one["level"]): place for place, one in enumerate(facts.get("levels", ()))}
    if not answers or len(shown) != len(facts["levels"]):
        return None
    known = {row["case_id"]: row for row in cases}
    own = [known.get(case, {}) for case in case_ids]
    place_of = {case: place for place, case in enumerate(case_ids)}
    split, level = ["" for _ in case_ids], [-1 for _ in case_ids]
    by_arm: dict[str, list[Mapping[str, Any]]] = {}
    for row in answers:
        by_arm.setdefault(row["arm"], []).append(row)
        split[place_of[row["case_id"]]] = row["split"]
        level[place_of[row["case_id"]]] = shown[shown_level(row["level"])]
    noted = [place for place, row in enumerate(own) if row.get("note") is not None]
    texts = shown_texts([own[place]["note"] for place in noted], note_text)
    notes: list[str | None] | None = None
    if texts is not None:
        notes = [None] * len(case_ids)
        for place, text in zip(noted, texts, strict=True):
            notes[place] = text
    spread = {one["arm"]: one["share"] for one in facts.get("map_spread", ())}
    return {
        "total": facts["taking_part"],
        "levels": list(shown),
        "ordered": bool(facts.get("ordered")),
        "id": list(case_ids),
        "split": split,
        "level": level,
        **{name: [row.get(name) for row in own] for name in ("source", "view", "age", "sex")},
        "image": [row.get("image_id") if note_text != "none" else None for row in own],
        "has_note": [int(row.get("note") is not None) for row in own],
        "has_picture": [int(row.get("image_id") is not None) for row in own],
        "note": notes,
        "arms": {
            arm: {"spread": spread.get(arm), **_arm(rows, place_of, len(shown))}
            for arm, rows in by_arm.items()
        },
    }


def _arm(rows: Sequence[Mapping[str, Any]], place_of: Mapping[str, int], levels: int) -> dict[str, Any]:
    """What an arm says: `of` the places of its cases, `at` x and y, `said` the probabilities, `given` the likeliest
    level, and `blank` what is left of it without note, picture and both; None where it sees one part."""
    said = np.array([row["probabilities"] for row in rows], dtype=np.float64).reshape(len(rows), levels)
    fusion = all(row[name] is not None for row in rows for name in BLANKS)

    def columns(names: Sequence[str]) -> npt.NDArray[np.float64]:
        return np.array([[row[name] for name in names] for row in rows], dtype=np.float64)

    return {
        "of": packed(np.array([place_of[row["case_id"]] for row in rows]), "<i4"),
        "at": packed(columns(("x", "y")), "<f4"),
        "said": packed(said, "<f4"),
        "given": packed(said.argmax(axis=1), "u1"),
        "blank": packed(columns([*BLANKS]), "<f4") if fusion else None,
    }
