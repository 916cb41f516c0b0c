"""What rows of a group have together, against a Python set for each group."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.notes.values_of_groups import earliest, ranked, sorted_values

GROUPS = 5
VALUES = st.one_of(
    st.none(), st.sampled_from(["", "a", "B", "b", "\u00e9", "\uffee", "\U0001f600"]), st.text(max_size=3)
)
DAYS = st.one_of(st.none(), st.dates(date(1900, 1, 1), date(2100, 1, 1)))
ROWS = st.lists(st.tuples(st.integers(0, GROUPS - 1), VALUES, DAYS), max_size=30)


@settings(max_examples=200, deadline=None)
@given(ROWS, st.booleans())
def test_groups_have_what_their_rows_have(
    rows: list[tuple[int, str | None, date | None]], in_chunks: bool
) -> None:
    groups = np.array([group for group, _, _ in rows], dtype=np.int64)
    values = pa.array([value for _, value, _ in rows], pa.string())
    days = pa.array([day for _, _, day in rows], pa.date32())
    expected: defaultdict[int, set[str]] = defaultdict(set)
    first: dict[int, date] = {}
    for group, value, day in rows:
        if value is not None:
            expected[group].add(value)
        if day is not None:
            first[group] = min(day, first.get(group, day))
    half = len(rows) // 2
    strings = pa.chunked_array([values[:half], values[half:]]) if in_chunks else values
    own = sorted_values(groups, GROUPS, strings)
    assert own.type == pa.list_(pa.string())
    assert own.to_pylist() == [sorted(expected[group]) for group in range(GROUPS)]
    assert earliest(groups, GROUPS, days).to_pylist() == [first.get(group) for group in range(GROUPS)]


def test_places_are_those_among_the_different_values() -> None:
    different, places = ranked(pa.array(["b", None, "a", "b"]))
    assert (different.to_pylist(), places.tolist()) == (["a", "b"], [1, -1, 0, 1])
    different, places = ranked(pa.array([], pa.string()))
    assert (different.to_pylist(), places.tolist()) == ([], [])
