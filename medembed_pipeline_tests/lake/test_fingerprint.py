"""The content hash depends on what a table holds, and on nothing else."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.lake.fingerprint import ContentHasher, content_sha256, digest

SCHEMA = pa.schema(
    [
        pa.field("text", pa.string()),
        pa.field("labels", pa.list_(pa.string())),
        pa.field("number", pa.float64()),
        pa.field("flag", pa.bool_()),
        pa.field("raw", pa.binary()),
        pa.field("vector", pa.list_(pa.float32(), 3)),
        pa.field("other", pa.map_(pa.string(), pa.string())),
    ]
)


def with_pairs(values: dict[str, Any]) -> dict[str, Any]:
    """Arrow takes a map as a list of pairs."""
    return {**values, "other": None if values["other"] is None else list(values["other"].items())}


row = st.fixed_dictionaries(
    {
        "text": st.none() | st.text(max_size=6),
        "labels": st.none() | st.lists(st.none() | st.text(max_size=3), max_size=3),
        "number": st.none() | st.floats(allow_nan=False),
        "flag": st.none() | st.booleans(),
        "raw": st.none() | st.binary(max_size=5),
        "vector": st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=3),
        "other": st.none()
        | st.dictionaries(st.text(max_size=3), st.none() | st.text(max_size=3), max_size=2),
    }
).map(with_pairs)


@given(st.lists(row, max_size=12), st.integers(1, 5), st.integers(0, 4))
@settings(max_examples=150, deadline=None)
def test_chunks_and_offsets_do_not_matter(rows: list[dict[str, object]], size: int, skip: int) -> None:
    whole = pa.Table.from_pylist(rows, schema=SCHEMA)
    padded = pa.concat_tables([whole.slice(0, min(skip, whole.num_rows)), whole]).slice(
        min(skip, whole.num_rows)
    )
    hasher = ContentHasher(SCHEMA)
    for start in range(0, padded.num_rows, size):
        hasher.update(padded.slice(start, size))
    assert hasher.hexdigest() == content_sha256(whole)


@given(st.lists(row, min_size=1, max_size=6), st.lists(row, min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
def test_other_content_other_hash(first: list[dict[str, object]], second: list[dict[str, object]]) -> None:
    tables = [pa.Table.from_pylist(rows, schema=SCHEMA) for rows in (first, second)]
    same = tables[0].to_pylist() == tables[1].to_pylist()
    hashes = [content_sha256(table) for table in tables]
    if not same:
        assert hashes[0] != hashes[1]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (["ab", "c"], ["a", "bc"]),
        ([None, ""], ["", None]),
        ([["a"], ["b"]], [["a", "b"], []]),
        ([1, None], [1, 0]),
        ([b"\x00"], [b""]),
    ],
)
def test_neighbouring_values_are_told_apart(left: list[object], right: list[object]) -> None:
    type_ = pa.array(left).type
    tables = [pa.table({"column": pa.array(values, type_)}) for values in (left, right)]
    assert content_sha256(tables[0]) != content_sha256(tables[1])


def test_names_and_types_count() -> None:
    numbers = np.arange(3)
    assert content_sha256(pa.table({"a": numbers})) != content_sha256(pa.table({"b": numbers}))
    assert content_sha256(pa.table({"a": numbers})) != content_sha256(
        pa.table({"a": numbers.astype(np.int32)})
    )


def test_digest_ignores_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1}) != digest({"a": 1, "b": [2, 1]})
