"""JSON Lines, Parquet, encodings, columns, row ids and the map of other columns."""

from __future__ import annotations

import io
import json
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.notes.columns import describe_names, map_columns
from medembed_pipeline.notes.reader import ReaderOptionError, ReaderOptions, read_landing_file
from medembed_pipeline.notes.row_chunks import KEPT_SCHEMA, flat_column_names, flatten_other_columns
from medembed_pipeline_tests.notes.reading import ALL_TEXTS, read_bytes

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=15)


def _parquet(columns: dict[str, Any], **options: Any) -> bytes:
    written = io.BytesIO()
    pq.write_table(pa.table(columns), written, **options)
    return written.getvalue()


@settings(max_examples=100, deadline=None)
@given(
    objects=st.lists(
        st.fixed_dictionaries(
            {"text": words | st.none(), "label": words | st.none() | st.lists(words, max_size=3)},
            optional={"keywords": words, "age": st.integers() | st.floats(allow_nan=False), "": words},
        ),
        min_size=1,
        max_size=10,
    ),
    escaped=st.booleans(),
    at_most=st.sampled_from([1, 5, 10**9]),
)
def test_any_json_lines_read_back(objects: list[dict[str, Any]], escaped: bool, at_most: int) -> None:
    # A raw NEL or line separator inside a string is no line end.
    lines = [json.dumps(record, ensure_ascii=escaped).encode() + b"\n" for record in objects]
    reading = read_bytes(b"".join(lines), "a.jsonl", at_most=at_most)
    kept = {row["source_row"]: row for row in reading.kept}
    for number, record in enumerate(objects, start=1):
        text, label = record["text"], record["label"]
        if not (text or "").strip():
            assert (number, "no_text") in reading.reasons
            continue
        labels = [part for part in (label if isinstance(label, list) else [label or ""]) if part.strip()]
        assert kept[number]["text"] == text
        assert kept[number]["label"] == ("\x1f".join(labels) or None)
        others = {key or "unnamed_0": value for key, value in record.items() if key not in ("text", "label")}
        found = {
            name if not name.startswith("unnamed") else "unnamed_0": cell
            for name, cell in kept[number]["other"]
        }
        assert found == {k: v if isinstance(v, str) else json.dumps(v) for k, v in others.items()}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "cut', "invalid_json"),
        (b"[1, 2]", "not_an_object"),
        (b"null", "not_an_object"),
        (b'{"text": 17}', "no_text"),
        (b'{"label": "x"}', "no_text"),
        (b'{"text": "half a pair \\ud800", "label": "x"}', "undecodable_bytes"),
        (b'{"text": "fine", "half \\ud800 key": ""}', "undecodable_bytes"),
        (b'{"text": "nul \\u0000 inside"}', "nul_byte"),
        (b'{"text": "nul \0 inside"}', "nul_byte"),
        (b"[" * 100_000, "invalid_json"),
        (b'{"text": "a", "n": ' + b"9" * 5000 + b"}", "invalid_json"),
    ],
)
def test_a_bad_line_costs_nothing_but_itself(line: bytes, reason: str) -> None:
    good = b'{"text": "good", "label": "x"}\n'
    reading = read_bytes(good + line + b"\n\n" + good, "a.ndjson")
    if line.endswith(b"9}") and not reading.rejected:
        pytest.skip("this Python has no limit on digits")
    assert reading.reasons == [(2, reason)]
    assert reading.rejected[0]["row_bytes"] == line + b"\n"
    assert [row["source_row"] for row in reading.kept] == [1, 3]


def test_json_lines_without_a_text_key_are_one_row() -> None:
    reading = read_bytes(b'{"a": 1, "b": 2}\n{"a": 2}\n', "a.jsonl")
    assert reading.reasons == [(0, "no_text_column")]
    assert "columns found: a, b" in reading.rejected[0]["detail"]


def test_the_same_row_has_the_same_id_in_every_format_and_place() -> None:
    text, label, keywords = "the same note", "Cardiology", "heart, chest"
    record = {"keywords": keywords, "text": text, "label": label, "empty": ""}
    readings = [
        read_bytes(
            f'transcription,specialty,keywords\nfiller,,\n"{text}",{label},"{keywords}"\n'.encode(), "x.csv"
        ),
        read_bytes(f"keywords\tnote\tlabel\n{keywords}\t{text}\t{label}\n".encode(), "y.tsv"),
        read_bytes(json.dumps(record).encode(), "z.jsonl"),
        read_bytes(_parquet({name: [cell] for name, cell in record.items()}), "z.parquet"),
    ]
    ids = {reading.kept[-1]["row_id"] for reading in readings}
    assert len(ids) == 1 and len(ids.pop()) == 32
    other = read_bytes(b"text,label,keywords\nthe same note,Cardiology,\n").kept[0]["row_id"]
    swapped = read_bytes(b"text,label,keywords\nthe same note,heart,Cardiology\n").kept[0]["row_id"]
    assert len({readings[0].kept[-1]["row_id"], other, swapped}) == 3


def test_different_contents_have_different_ids() -> None:
    contents = [
        {"text": "ab", "label": "c"},
        {"text": "a", "label": "bc"},
        {"text": "a", "label": "b", "x": "c"},
        {"text": "a", "label": "b", "y": "c"},
        {"text": "a", "label": "b", "x": "c", "y": "d"},
        {"text": "a", "label": "b", "x": "d", "y": "c"},
        {"text": "a", "label": "b", "x": "c1:y1:d"},
        {"text": "a"},
        {"text": "a", "label": "-"},
    ]
    reading = read_bytes("\n".join(map(json.dumps, contents)).encode(), "a.jsonl")
    assert len({row["row_id"] for row in reading.kept}) == len(contents)


@pytest.mark.parametrize(
    "texts",
    [
        pa.array(["one", None, " ", "two"]),
        pa.array(["one", None, " ", "two"], pa.large_string()),
        pa.array(["one", None, " ", "two"]).dictionary_encode(),
    ],
)
def test_parquet_types(texts: pa.Array) -> None:
    content = _parquet(
        {
            "text": texts,
            "labels": [["a", "b"], ["c"], None, []],
            "age": [1, 2, None, 4],
            "when": pa.array([0, 1, 2, 3], pa.timestamp("us", "UTC")),
            "nested": [{"k": 1}, None, None, {"k": 2}],
            "raw": [b"\xff", None, None, b""],
        },
        row_group_size=2,
    )
    reading = read_bytes(content, "a.parquet")
    assert [(row["source_row"], row["text"], row["label"]) for row in reading.kept] == [
        (1, "one", "a\x1fb"),
        (4, "two", None),
    ]
    assert reading.reasons == [(2, "no_text"), (3, "no_text")]
    other = dict(reading.kept[0]["other"])
    assert other["age"] == "1" and other["nested"] == '{"k": 1}' and other["raw"] == '"/w=="'
    assert json.loads(reading.rejected[0]["row_bytes"])["age"] == "2"


def test_parquet_with_bytes_that_are_no_text() -> None:
    offsets, content = pa.py_buffer(np.array([0, 4, 8], dtype=np.int32)), pa.py_buffer(b"finecaf\xe9")
    bad = pa.StringArray.from_buffers(2, offsets, content)
    reading = read_bytes(_parquet({"text": bad}), "a.parquet")
    assert reading.texts == ["fine"] and reading.reasons == [(2, "undecodable_bytes")]
    assert b"caf\xe9" in reading.rejected[0]["row_bytes"]


def test_a_parquet_bomb_of_one_long_note_is_cut() -> None:
    content = _parquet(
        {"text": pa.DictionaryArray.from_arrays(pa.array([0] * 5000), pa.array(["x" * 1_000_000]))}
    )
    assert len(content) < 200_000
    reading = read_bytes(content, "a.parquet", ReaderOptions(maximum_file_bytes=30_000_000))
    assert len(reading.kept) == 30 and reading.reasons == [(31, "file_too_large")]
    assert read_bytes(
        content, "a.parquet", ReaderOptions(maximum_row_bytes=9, maximum_file_bytes=10**7)
    ).reasons[0] == (
        1,
        "too_long",
    )


@pytest.mark.parametrize(
    ("content", "encoding", "texts", "reasons"),
    [
        (b"text\nplain\n", "utf-8", ["plain"], []),
        ("text\ncafé\n".encode(), "utf-8", ["café"], []),
        ("text\ncafé\n".encode("utf-8-sig"), "utf-8-bom", ["café"], []),
        (b"text\ncaf\xe9 \x93q\x94\n", "windows-1252", ["café “q”"], []),
        (b"text\ncaf\xe9\n\x81\n", "windows-1252", ["café"], [(2, "undecodable_bytes")]),
        ("text\ncafé\nüber\n".encode() + b"\xe9\n", "utf-8", ["café", "über"], [(3, "undecodable_bytes")]),
        (b"\xef\xbb\xbftext\n\xe9\nfine\n", "utf-8-bom", ["fine"], [(1, "undecodable_bytes")]),
    ],
)
@pytest.mark.parametrize("at_most", [1, 10**9])
def test_encodings(
    content: bytes, encoding: str, texts: list[str], reasons: list[tuple[int, str]], at_most: int
) -> None:
    reading = read_bytes(content, at_most=at_most)
    assert reading.texts == texts and reading.reasons == reasons
    assert {row["encoding"] for row in reading.kept} == {encoding}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_wide_encodings_are_one_row(encoding: str, name: str) -> None:
    assert read_bytes("text,label\nsomething,x\n".encode(encoding), name).reasons == [
        (0, "unsupported_encoding")
    ]


def test_columns_by_name_and_by_setting() -> None:
    assert map_columns(["", "description", " Medical Specialty ", "TRANSCRIPTION"]).text == 3
    found = map_columns(["", "description", "medical_specialty", "x", "x", "unnamed_0"])
    assert (found.text, found.label) == (1, 2)
    assert found.other_names == ("unnamed_0", "x", "x_2", "unnamed_0_2")
    options = ReaderOptions(text_column="Findings", label_column="organ", minimum_characters=0)
    reading = read_bytes(b"text,findings,organ\na,b,c\n", options=options)
    assert (reading.texts, reading.kept[0]["label"], reading.kept[0]["other"]) == (
        ["b"],
        "c",
        [("text", "a")],
    )
    assert read_bytes(b"text,label\na,b\n", options=options).reasons == [(0, "no_text_column")]
    assert read_bytes(b"findings\nb\n", options=options).kept[0]["label"] is None


def test_a_first_note_in_place_of_a_header_is_not_shown() -> None:
    assert "Smith" not in describe_names(["1", "Mr. Smith came in today with chest pain, and was seen"])
    detail = read_bytes(b"1,Mr Smith is a 40 year old man,Cardiology\n").rejected[0]["detail"]
    assert "Smith" not in detail and "3 columns" in detail


def test_other_columns_become_real_columns() -> None:
    content = (
        b'{"text": "a", "k": "1", "row_id": "mine"}\n{"text": "b"}\n{"text": "c", "z": null, "k": "3"}\n'
    )
    (chunk,) = read_landing_file(lambda: io.BytesIO(content), "a.jsonl", ALL_TEXTS)
    assert set(chunk.other_names) == {"k", "row_id", "z"}
    flat = flatten_other_columns(chunk.kept, [*chunk.other_names, "absent"])
    assert flat.schema.names == [*KEPT_SCHEMA.names[:-1], "absent", "k", "other_row_id", "z"]
    assert flat.column("k").to_pylist() == ["1", None, "3"]
    assert flat.column("other_row_id").to_pylist() == ["mine", None, None]
    assert flat.column("absent").null_count == flat.column("z").null_count == 3
    assert flat.slice(1).equals(flatten_other_columns(chunk.kept.slice(1), [*chunk.other_names, "absent"]))
    assert flatten_other_columns(chunk.kept.slice(0, 0), ["k"]).num_rows == 0
    assert flat_column_names(["text", "other_text"]) == {"other_text": "other_text", "text": "other_text_2"}


def test_chunks_are_small_and_in_order() -> None:
    content = b"text\n" + b"".join(b"note %d\n" % number for number in range(25))
    options = ReaderOptions(minimum_characters=0, chunk_rows=10)
    chunks = list(read_landing_file(lambda: io.BytesIO(content), "a.csv", options))
    assert [chunk.kept.num_rows for chunk in chunks] == [10, 10, 5]
    assert [row for chunk in chunks for row in chunk.kept.column("source_row").to_pylist()] == list(
        range(1, 26)
    )


def test_a_file_that_cannot_be_opened_or_read_is_one_row() -> None:
    def refuse() -> BinaryIO:
        raise PermissionError("no")

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise OSError("disk trouble")
            return super().read(16)

    for name in ("a.csv", "a.parquet", "a.jsonl.gz"):
        (chunk,) = read_landing_file(refuse, name, ALL_TEXTS)
        assert chunk.rejected.column("reason").to_pylist() == ["unreadable_file"]
    (chunk,) = read_landing_file(lambda: Failing(b"text\none\ntwo\nthree"), "a.csv", ALL_TEXTS)
    assert chunk.kept.column("text").to_pylist() == ["one", "two"]
    assert chunk.rejected.column("source_row").to_pylist() == [3]


@pytest.mark.parametrize(
    "name", ["minimum_characters", "maximum_row_bytes", "maximum_file_bytes", "chunk_rows"]
)
def test_options_out_of_range(name: str) -> None:
    options: dict[str, Any] = {name: -1}
    with pytest.raises(ReaderOptionError, match=name):
        ReaderOptions(**options)
