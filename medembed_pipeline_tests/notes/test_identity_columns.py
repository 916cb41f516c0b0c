"""Patients, dates and the hospital's ids: found, read as they are written, and kept within one split."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from medembed_pipeline.notes.columns import accepted_names
from medembed_pipeline.notes.identity_columns import (
    DATE,
    IDENTITY_COLUMNS,
    NOTE,
    PATIENT,
    columns_to_read,
    read_dates,
    read_identity_columns,
)
from medembed_pipeline.notes.settings import SplitSettings
from medembed_pipeline.section import SettingsError, validate
from medembed_pipeline_tests.notes.small_graph import SPLITS, SmallGraph, texts


def rows(**columns: list[Any]) -> pa.Table:
    count = len(next(iter(columns.values())))
    return pa.table({"source_file": ["a.csv"] * count, "text": ["x"] * count, **columns})


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("subject_id", PATIENT),
        ("MRN", PATIENT),
        ("Patient ID", PATIENT),
        ("person-id", PATIENT),
        ("CHARTTIME", DATE),
        ("Note Date", DATE),
        ("note_id", NOTE),
        ("Document ID", NOTE),
    ],
)
def test_usual_names_are_found(name: str, setting: str) -> None:
    found = read_identity_columns(rows(**{name: ["2020-01-02"]}), {})
    assert found.used == {setting: [name]} and found.missing == []


def test_settings_name_a_column_and_one_that_no_file_has_is_said() -> None:
    table = rows(case=["7", "8"], other_label=["x", "y"], patient_id=["1", "2"])
    found = read_identity_columns(table, {PATIENT: "Case", NOTE: "label", DATE: "when"})
    assert (found.patients, found.note_keys) == (["7", "8"], ["x", "y"])
    assert found.missing == [DATE] and found.dates == [None, None]
    # Our own columns are none of the files'.
    assert columns_to_read(table.column_names, {NOTE: "text"})[NOTE] == []


def test_each_file_has_its_own_column() -> None:
    table = pa.table(
        {
            "source_file": ["a", "a", "b", "b"],
            "patient_id": ["1", "", None, None],
            "person_id": ["9", "9", "1", "3.0"],
        }
    )
    found = read_identity_columns(table, {})
    assert found.patients == ["1", None, "1", "3"] and found.empty_patients == 1
    assert found.used == {PATIENT: ["patient_id", "person_id"]}


def test_what_says_nothing_is_no_patient() -> None:
    cells = ["", " ", None, "NaN", "unknown", "N/A", "0", " 12.0 ", "ab"]
    found = read_identity_columns(rows(patient_id=cells), {})
    assert found.patients == [None] * 6 + ["0", "12", "ab"] and found.empty_patients == 6


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2020-03-04", date(2020, 3, 4)),
        ("2020-03-04 23:59:59", date(2020, 3, 4)),
        ("2020-03-04T23:59:59-05:00", date(2020, 3, 4)),
        ("20200304", date(2020, 3, 4)),
        ("3/4/2020", date(2020, 3, 4)),
        ("4.3.2020", date(2020, 3, 4)),
        ("4 March 2020", date(2020, 3, 4)),
        ("Mar 4, 2020 10:30 AM", date(2020, 3, 4)),
        ("2020-02-30", None),
        ("yesterday", None),
        ("12", None),
        ("10:30", None),
        ("99/99/2020", None),
    ],
)
def test_dates_are_read_as_they_are_written(cell: str, expected: date | None) -> None:
    assert read_dates([cell], [0]) == ([expected], int(expected is None))


def test_the_order_of_day_and_month_is_that_of_the_file() -> None:
    cells = ["3/4/2020", "25/4/2020", "3/4/2020", "4/25/2020", None, ""]
    days, unreadable = read_dates(cells, [0, 0, 1, 1, 1, 1])
    assert days[:2] == [date(2020, 4, 3), date(2020, 4, 25)]
    assert days[2:] == [date(2020, 3, 4), date(2020, 4, 25), None, None] and unreadable == 0


@pytest.mark.parametrize("wrong", ["2024", "31.1.2024", "2024-02-30", "soon"])
def test_a_date_from_which_to_test_is_checked(wrong: str) -> None:
    with pytest.raises(SettingsError, match="test_from"):
        validate(SplitSettings, {"test_from": wrong}, where="medembed.toml")
    assert all(name == name.casefold() for setting in IDENTITY_COLUMNS for name in accepted_names(setting))


def patient_rows(count: int, patients: int, seed: int = 1) -> list[dict[str, Any]]:
    return [
        {"text": text, "patient_id": f"P{number % patients}"}
        for number, text in enumerate(texts(count, seed=seed))
    ]


def test_patients_stay_in_one_split_across_files_and_runs(tmp_path: Path) -> None:
    graph = SmallGraph(tmp_path / "lake")
    first = patient_rows(24, 12)
    graph.land(first)
    result = graph.run()
    assert graph.checks["no_patient_crosses_splits"].passed and graph.checks["notes_are_told_apart"].passed
    assert graph.facts("cleaned_notes")["identity_columns"] == [{"what": "patient", "column": "patient_id"}]
    before = graph.split_of_text()
    # The notes of half the patients are gone when others of theirs land, under another name of the column.
    graph.land(first[:6])
    other = [{"text": row["text"], "mrn": row["patient_id"]} for row in patient_rows(12, 12, seed=2)]
    graph.land(other, "other.csv")
    graph.run()
    splits = graph.split_of_text()
    of_patient = {row["patient_id"]: before[row["text"]] for row in first}
    assert all(splits[row["text"]] == of_patient[row["mrn"]] for row in other)
    assert len(set(graph.split_of_text("group").values())) == 12
    notes = graph.lake.table("cleaned_notes").read(["text", "patients"]).to_pydict()
    patients = dict(zip(notes["text"], notes["patients"], strict=True))
    assert all(patients[row["text"]] == [row["mrn"]] for row in other)
    # Neither patients nor texts reach what Dagster keeps.
    kept = "".join(str(event) for event in result.all_events)
    assert "P11" not in kept and first[0]["text"][:30] not in kept


def test_a_patient_that_crosses_is_found_from_what_landed(tmp_path: Path) -> None:
    from medembed_pipeline.notes import checks

    graph = SmallGraph(tmp_path / "lake")
    graph.land(patient_rows(20, 10))
    graph.run()
    table = graph.lake.table("note_splits")
    splits = table.read()
    moved = ["test" if split != "test" else "train" for split in splits["split"].to_pylist()]
    changed = splits.set_column(1, "split", pa.array([moved[0], *splits["split"].to_pylist()[1:]]))
    graph.lake.write_table(table.footer.recipe, changed.cast(table.schema), facts=table.footer.facts)
    import dagster as dg

    from medembed_pipeline.lake.publishing import LakeResource

    result = dg.materialize(
        [checks.no_patient_crosses_splits],
        resources={"lake": LakeResource(url=graph.lake.url)},
        selection=dg.AssetSelection.checks(checks.no_patient_crosses_splits),
        raise_on_error=False,
    )
    (one,) = result.get_asset_check_evaluations()
    assert not one.passed and one.metadata["patients_in_two_splits"].value == 1


def test_empty_patient_cells_stand_alone_and_are_a_warning(tmp_path: Path) -> None:
    graph = SmallGraph(tmp_path / "lake")
    landed = patient_rows(40, 10)
    for row in landed[:2]:
        row["patient_id"] = ""
    graph.land(landed)
    graph.run()
    assert graph.checks["notes_are_told_apart"].passed
    assert graph.facts("cleaned_notes")["rows_without_patient"] == 2
    for row in landed[:4]:
        row["patient_id"] = ""
    graph.land(landed)
    graph.run()
    warning = graph.checks["notes_are_told_apart"]
    assert not warning.passed and not warning.blocking and "4 rows (10.0%)" in str(warning.description)
    groups = graph.split_of_text("group")
    assert len({groups[row["text"]] for row in landed[2:4]}) == 2


def test_the_same_id_is_the_same_note_whatever_its_text(tmp_path: Path) -> None:
    graph = SmallGraph(tmp_path / "lake")
    graph.land([{"text": text, "note_id": f"N{number}"} for number, text in enumerate(texts(20))])
    graph.run()
    before = list(map(graph.split_of_text().get, texts(20)))
    other = texts(20, seed=2)
    graph.land([{"text": text, "note_id": f"N{number}"} for number, text in enumerate(other)])
    graph.run()
    assert list(map(graph.split_of_text().get, other)) == before
    assert graph.facts()["known_again_after_an_edit"] == 20


def test_a_column_that_settings_name_reaches_the_notes_and_a_missing_one_is_said(tmp_path: Path) -> None:
    graph = SmallGraph(tmp_path / "lake")
    graph.land([{"text": text, "case": f"C{number % 5}"} for number, text in enumerate(texts(20))])
    graph.run()
    assert len(set(graph.split_of_text("group").values())) == 20
    graph.run(landing={"patient_column": "Case"})
    assert len(set(graph.split_of_text("group").values())) == 5
    graph.run(landing={"patient_column": "nobody"})
    assert not graph.checks["notes_are_told_apart"].passed
    assert "names as patient_column" in str(graph.checks["notes_are_told_apart"].description)


def test_one_value_for_all_notes_is_a_warning(tmp_path: Path) -> None:
    graph = SmallGraph(tmp_path / "lake")
    graph.land(
        [{"text": text, "patient_id": "P1" if n < 22 else f"P{n}"} for n, text in enumerate(texts(30))]
    )
    graph.run()
    assert not graph.checks["groups_are_small"].passed and graph.facts()["largest_group"] == 22


def dated(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """Notes of 2019 to 2022, ten a year."""
    return [
        {
            "text": text,
            "note_date": f"{2019 + number // 10}-05-{number % 28 + 1:02}",
            "patient_id": f"P{number}",
        }
        for number, text in enumerate(texts(count, seed=seed))
    ]


def test_the_newest_notes_are_the_test(tmp_path: Path) -> None:
    graph = SmallGraph(tmp_path / "lake")
    landed = dated(40)
    landed[0]["note_date"] = "not known"
    landed[1]["note_date"] = ""
    # One patient on both sides, and one undated note of a patient of the newest time.
    landed[39]["patient_id"] = landed[5]["patient_id"]
    landed[38]["patient_id"] = landed[1]["patient_id"]
    graph.land(landed)
    out_of_time = {**SPLITS, "test_from": "2022-01-01"}
    graph.run(note_splits=out_of_time)
    splits = [graph.split_of_text()[row["text"]] for row in landed]
    assert splits[30:38] == ["test"] * 8
    assert "test" not in splits[:30] + splits[38:]
    # The rest in their proportion, 6 to 1.
    assert abs(splits.count("validation") - 32 / 7) < 1
    facts = graph.facts()
    assert (facts["notes_left_out_of_the_test"], facts["patients_on_both_sides"]) == (2, 2)
    assert facts["notes_without_date"] == 2
    assert graph.facts("cleaned_notes")["rows_with_unreadable_date"] == 1
    assert "1 rows have a date that cannot be read" in str(graph.checks["notes_are_told_apart"].description)
    assert graph.lake.table("raw_transcriptions").rows == 40


def test_what_is_remembered_holds_when_the_test_is_moved_in_time(tmp_path: Path) -> None:
    graph = SmallGraph(tmp_path / "lake")
    landed = dated(40)
    graph.land(landed)
    graph.run()
    before = [graph.split_of_text()[row["text"]] for row in landed]
    graph.run(note_splits={**SPLITS, "test_from": "2021-01-01"})
    after = [graph.split_of_text()[row["text"]] for row in landed]
    for number, (was, now) in enumerate(zip(before, after, strict=True)):
        if was == "train":
            assert now == "train"  # it was trained on: never in a test
        else:
            assert now == ("test" if was == "test" and number >= 20 else "validation")
    new = dated(40, seed=2)[30:]
    for number, row in enumerate(new):
        row["patient_id"] = f"Q{number}"
    graph.land(new, "new.csv")
    graph.run(note_splits={**SPLITS, "test_from": "2021-01-01"})
    assert all(graph.split_of_text()[row["text"]] == "test" for row in new)


def test_a_test_without_notes_is_refused(tmp_path: Path) -> None:
    graph = SmallGraph(tmp_path / "lake")
    graph.land(texts(10))
    found = graph.failure(graph.run(fails=True, note_splits={**SPLITS, "test_from": "2022-01-01"}))
    assert "No note is left for the test" in found and "date_column" in found
