"""Slices: a note has the values of its rows, numbers come in bins, and what is no slice is refused by name."""

from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medembed_pipeline.notes.slices import (
    BINS,
    NONE,
    SliceError,
    ordered_values,
    slice_values,
)


def raw_rows(**columns: Sequence[str | None]) -> pa.Table:
    count = len(next(iter(columns.values())))
    own = {
        "source_file": ["notes.csv"] * count,
        "row_id": [f"row-{row}" for row in range(count)],
        "text": ["a note"] * count,
        "label": ["Urology"] * count,
    }
    return pa.table({**own, **{name: pa.array(values, pa.string()) for name, values in columns.items()}})


def notes_of(*rows: list[int]) -> pa.Table:
    ids = [[f"row-{row}" for row in own] for own in rows]
    return pa.table({"source_rows": pa.array(ids, pa.list_(pa.string()))})


def one_each(raw: pa.Table) -> pa.Table:
    return notes_of(*([row] for row in range(len(raw))))


def test_a_note_belongs_to_every_value_of_its_rows_and_an_empty_cell_says_nothing() -> None:
    raw = raw_rows(site=["North", " South ", None, "", "North"])
    notes = notes_of([0, 1], [2, 3], [3, 4], [0, 4])
    assert slice_values(raw, notes, ["site"]) == {"site": [["North", "South"], [NONE], ["North"], ["North"]]}


def test_few_whole_numbers_are_kept_and_many_are_put_into_bins_that_say_their_range() -> None:
    ages = [str(age) for age in range(20, 100)]
    grades = ["1", "2.0", "3"] * 26 + ["1", "1"]
    found = slice_values(raw := raw_rows(age=ages, grade=grades), one_each(raw), ["age", "grade"])
    assert sorted({value for (value,) in found["age"]}) == ["20-39", "40-59", "60-79", "80-99"]
    assert {value for (value,) in found["grade"]} == {"1", "2", "3"}


def test_numbers_with_fractions_and_cells_that_are_none() -> None:
    sizes = [f"{size / 10}" for size in range(1, 41)] + ["unknown", None]
    raw = raw_rows(size=sizes)
    found = slice_values(raw, one_each(raw), ["size"])["size"]
    assert ordered_values(value for own in found for value in own) == [
        "up to 1",
        "over 1 to 2",
        "over 2 to 3",
        "over 3",
        "unknown",
        NONE,
    ]
    assert found[9] == ["up to 1"] and found[10] == ["over 1 to 2"]


@given(st.lists(st.integers(-40, 120), min_size=11, max_size=200).filter(lambda ages: len(set(ages)) > 10))
def test_every_number_lies_in_the_range_that_its_bin_says(ages: list[int]) -> None:
    raw = raw_rows(age=[str(age) for age in ages])
    found = slice_values(raw, one_each(raw), ["age"])["age"]
    assert 1 < len({value for (value,) in found}) <= BINS or len(set(found[0])) == 1
    for age, (value,) in zip(ages, found, strict=True):
        ends = value.split(" to ") if " to " in value else value.rsplit("-", 1)
        low, high = (int(ends[0]), int(ends[-1])) if len(ends) == 2 and ends[0] else (int(value), int(value))
        assert low <= age <= high
    # The bins do not depend on the order of the rows.
    backwards = raw_rows(age=[str(age) for age in reversed(ages)])
    assert slice_values(backwards, one_each(backwards), ["age"])["age"] == found[::-1]


def test_rows_that_landed_twice_count_once() -> None:
    raw = raw_rows(age=[str(age) for age in range(40)])
    twice = pa.concat_tables([raw, raw.slice(30), raw.slice(30)])
    assert slice_values(twice, one_each(raw), ["age"]) == slice_values(raw, one_each(raw), ["age"])


def test_rows_that_reach_no_note_change_no_bin() -> None:
    raw = raw_rows(age=[str(age) for age in range(80)])
    notes = notes_of(*([row] for row in range(40)))
    assert slice_values(raw, notes, ["age"]) == slice_values(raw.slice(0, 40), notes, ["age"])


def test_what_is_no_column_is_refused_with_the_columns_there_are() -> None:
    raw = raw_rows(site=["North"], sex=["f"])
    with pytest.raises(SliceError, match=r"slices: age, label is no column.*: site, sex\."):
        slice_values(raw, notes_of([0]), ["age", "site", "label"])


def test_more_than_fifty_words_are_refused_without_being_quoted() -> None:
    raw = raw_rows(name=[f"Person {number}" for number in range(51)])
    with pytest.raises(SliceError, match="column name has 51 different values") as caught:
        slice_values(raw, one_each(raw), ["name"])
    assert "Person" not in str(caught.value)
    fewer = raw.slice(0, 50)
    assert len(slice_values(fewer, one_each(fewer), ["name"])["name"]) == 50


def test_notes_of_rows_that_are_gone_are_not_taken_for_empty() -> None:
    with pytest.raises(SliceError, match="holds 1 rows that raw_transcriptions does not have"):
        slice_values(raw_rows(site=["North"]), notes_of([0, 7]), ["site"])
