"""The table that joins pictures and notes, and the cases that come of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from medembed_pipeline.images.case_rows import CASE_ROWS_SCHEMA, PictureNames, ReadTable, read_case_table
from medembed_pipeline.images.pairing import PAIRED_CASES_SCHEMA, pair_cases
from medembed_pipeline.images.settings import ImagesSettings

FILES = ["a/one.png", "a/two.jpg", "b/one.png", "three.dcm"]


def table(rows: Sequence[dict[str, str]], delimiter: str = ",") -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def read(data: bytes, name: str = "a/cases.csv", **settings: Any) -> ReadTable:
    return read_case_table(data, name, ImagesSettings(**settings), PictureNames(FILES))


def paired(
    rows: Sequence[dict[str, Any]], files: Sequence[str] = FILES
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    images = pa.table(
        {"source_file": list(files), "image_id": [f"id-{name}" for name in files], "view": [""] * len(files)}
    )
    cases, facts = pair_cases(pa.Table.from_pylist(list(rows), schema=CASE_ROWS_SCHEMA), images)
    assert cases.schema.equals(PAIRED_CASES_SCHEMA)
    return cases.to_pylist(), facts


@pytest.mark.parametrize(
    ("cell", "file"),
    [
        ("one.png", "a/one.png"),
        ("b/one.png", "b/one.png"),
        ("two", "a/two.jpg"),
        ("a\\two.jpg", "a/two.jpg"),
        ("./three.dcm", "three.dcm"),
    ],
)
def test_a_picture_is_meant_by_path_or_name_with_its_ending_or_without(cell: str, file: str) -> None:
    (row,) = read(table([{"image": cell, "note": "cough"}])).rows
    assert row["image_file"] == file


def test_columns_are_found_by_the_usual_names_or_set() -> None:
    rows = [
        {
            "Filename": "two.jpg",
            "Clinical Notes": "cough",
            "PatientID": "7",
            "View": "PA",
            "URL": "https://www.films.org/1?x=2",
            "finding": "COVID-19",
            "Age": "61",
            "Sex": "F",
        }
    ]
    found = read(table(rows))
    assert (
        found.used["note"] == "Clinical Notes" and found.used["label"] == found.used["findings"] == "finding"
    )
    assert found.rows == [
        {
            "source_file": "a/cases.csv",
            "source_row": 1,
            "image_file": "a/two.jpg",
            "note": "cough",
            "patient": "7",
            "label": "COVID-19",
            "findings": ["COVID-19"],
            "reading": None,
            "view": "PA",
            "source": "films.org",
            "age": 61.0,
            "sex": "F",
            "drawn": False,
            "more": [],
        }
    ]
    named = read(
        table([{"scan": "two.jpg", "words": "cough", "grade": "2", "seen": "b;a; a"}], ";"),
        image_column="scan",
        note_column="words",
        label_column="grade",
        findings_column="seen",
        findings_separator=";",
    )
    (row,) = named.rows
    assert (row["image_file"], row["note"], row["label"]) == ("a/two.jpg", "cough", "2")
    assert row["findings"] == ["a", "b"]


def test_what_is_no_row_is_rejected_with_its_number_and_without_its_text() -> None:
    data = b"image,note\ntwo.jpg,cough\nMiller,,\n\nnowhere.png,\none,Miller\n"
    found = read(data, "cases.csv")
    assert [row["source_row"] for row in found.rows] == [1]
    assert [(row, reason) for row, reason, _ in found.rejected] == [
        (2, "wrong_column_count"),
        (4, "no_picture_no_note"),
        (5, "ambiguous_picture"),
    ]
    assert "Miller" not in str(found.rejected)
    assert read(b"image,note\nnowhere.png,cough\n").without_picture == 1
    assert read(b"name,weight\nx,1\n").rejected[0][1] == "no_column"
    assert read("image,note\n".encode("utf-16")).rejected[0][1] == "unsupported_encoding"
    assert read("image,note\ntwo.jpg,fi\u00e8vre\n".encode("cp1252")).rows[0]["note"] == "fi\u00e8vre"


def test_what_lacks_its_partner_is_kept_and_counted() -> None:
    rows = read(
        table(
            [
                {"image": "two.jpg", "note": "cough", "patient": "7"},
                {"image": "gone.png", "note": "fever", "patient": "8"},
            ]
        )
    ).rows
    cases, facts = paired(rows)
    assert (
        facts["cases"] == 5
        and facts["complete"] == 1
        and facts["without_note"] == 3
        and facts["without_picture"] == 1
    )
    assert {case["note"] for case in cases} == {None, "cough", "fever"}
    assert [case["case_id"] for case in cases] == sorted(case["case_id"] for case in cases)


def test_the_same_case_counts_once_and_the_order_of_rows_does_not_matter() -> None:
    rows = read(
        table(
            [{"image": "two.jpg", "note": "cough", "patient": "7", "label": "a"}] * 2
            + [{"image": "one.png", "note": "x", "patient": "9", "label": "b"}]
        )
    ).rows
    forward, facts = paired(rows)
    assert (forward, facts) == paired(rows[::-1]) and facts["repeats"] == 1
    renamed = [{**row, "source_file": "other.csv"} for row in rows]
    assert {case["case_id"] for case in paired(renamed)[0]} == {case["case_id"] for case in forward}


def test_texts_in_a_column_of_labels_do_not_reach_the_facts() -> None:
    rows = read(
        table(
            [
                {"image": f"x{place}", "note": f"n{place}", "label": f"Miller {place} " * 9}
                for place in range(30)
            ]
        )
    ).rows
    _, facts = paired(rows)
    assert len(facts["labels"]) == 20 and "Miller" not in str(facts) and facts["different_labels"] == 30
