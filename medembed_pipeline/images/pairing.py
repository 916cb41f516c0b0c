"""Cases: a picture, a note, or both, with patient, triage level or outcome, and what else is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from medembed_pipeline.images.case_rows import CASE_ROWS_SCHEMA
from medembed_pipeline.lake.fields import described
from medembed_pipeline.lake.fingerprint import digest

# Counts reach Dagster's database: where a column of texts was taken for labels, no text may.
_LABELS_SHOWN, _LABEL_SHOWN = 20, 40
_OF_THE_ROW = ("patient", "label", "findings", "reading", "view", "source", "age", "sex", "drawn", "more")

PAIRED_CASES_SCHEMA = pa.schema(
    [
        described(
            "case_id",
            pa.string(),
            "32 hex of sha256 over picture, note and patient: the same wherever it lands; unique; the sort key",
        ),
        described(
            "image_id",
            pa.string(),
            "the picture; joins raw_images; null for a note without one",
            nullable=True,
        ),
        described("note", pa.string(), "the note; null for a picture without one", nullable=True),
        *(CASE_ROWS_SCHEMA.field(name) for name in _OF_THE_ROW),
        described(
            "source_file",
            pa.string(),
            "the table it is from, or the picture where no table names it",
        ),
        described(
            "source_row",
            pa.int64(),
            "record in the table; 0 where no table names the picture",
        ),
    ]
)


def pair_cases(rows: pa.Table, images: pa.Table) -> tuple[pa.Table, dict[str, Any]]:
    """Join rows with pictures. What lacks its partner is kept with a missing one; what lands twice counts once.

    Parameters
    ----------
    rows
        columns of `case_rows`.
    images
        columns source_file, image_id and view of `raw_images`.

    Returns
    -------
    tuple[pa.Table, dict[str, Any]]
        A table with PAIRED_CASES_SCHEMA, sorted by case_id, and its counts.
    """
    pictures = {row["source_file"]: row for row in images.to_pylist()}
    cases: dict[str, dict[str, Any]] = {}
    named: set[str] = set()
    landed = 0
    for row in rows.to_pylist():
        landed += 1
        picture = pictures.get(row["image_file"]) if row["image_file"] else None
        if picture is not None:
            named.add(row["image_file"])
        _keep(cases, _case(row, picture))
    for name in sorted(set(pictures) - named):
        landed += 1
        _keep(cases, _alone(name, pictures[name]))
    ordered = [cases[case_id] for case_id in sorted(cases)]
    table = pa.Table.from_pylist(ordered, schema=PAIRED_CASES_SCHEMA)
    return table, {**case_facts(ordered), "repeats": landed - len(ordered)}


def _case(row: Mapping[str, Any], picture: Mapping[str, Any] | None) -> dict[str, Any]:
    image_id = picture["image_id"] if picture else None
    case = {name: row[name] for name in _OF_THE_ROW}
    if picture and not case["view"]:
        case["view"] = picture["view"] or None
    return {
        "case_id": digest([image_id, row["note"], row["patient"]])[:32],
        "image_id": image_id,
        "note": row["note"],
        **case,
        "source_file": row["source_file"],
        "source_row": row["source_row"],
    }


def _alone(name: str, picture: Mapping[str, Any]) -> dict[str, Any]:
    empty: dict[str, Any] = {**dict.fromkeys(_OF_THE_ROW), "findings": [], "drawn": False, "more": []}
    return {
        "case_id": digest([picture["image_id"], None, None])[:32],
        "image_id": picture["image_id"],
        "note": None,
        **empty,
        "view": picture["view"] or None,
        "source_file": name,
        "source_row": 0,
    }


def _keep(cases: dict[str, dict[str, Any]], case: dict[str, Any]) -> None:
    """The first by file and row stands for all that are the same case, so that the order of rows does not matter."""
    there = cases.get(case["case_id"])
    place = (case["source_file"], case["source_row"])
    if there is None or place < (there["source_file"], there["source_row"]):
        cases[case["case_id"]] = case


def case_facts(cases: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts of cases: complete ones, what is missing, patients, levels."""
    labels: dict[str, int] = {}
    for case in cases:
        if case["label"] is not None:
            labels[case["label"]] = labels.get(case["label"], 0) + 1
    return {
        "cases": len(cases),
        "complete": sum(case["image_id"] is not None and case["note"] is not None for case in cases),
        "without_note": sum(case["note"] is None for case in cases),
        "without_picture": sum(case["image_id"] is None for case in cases),
        "without_patient": sum(case["patient"] is None for case in cases),
        "without_label": sum(case["label"] is None for case in cases),
        "patients": len({case["patient"] for case in cases} - {None}),
        "drawn": sum(case["drawn"] for case in cases),
        "different_labels": len(labels),
        "labels": [
            {"label": name if len(name) <= _LABEL_SHOWN else "(a long label)", "cases": count}
            for name, count in sorted(labels.items(), key=lambda one: (-one[1], one))[:_LABELS_SHOWN]
        ],
    }
