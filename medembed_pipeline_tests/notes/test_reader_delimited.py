"""CSV and TSV: against the csv module and pandas, byte for byte, and after broken quoting."""

from __future__ import annotations

import csv
import gzip
import io
import time
import tracemalloc
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from medembed_pipeline.notes.byte_lines import line_blocks
from medembed_pipeline.notes.reader import ReaderOptions, read_landing_file
from medembed_pipeline.notes.record_lines import split_well_formed
from medembed_pipeline_tests.notes.reading import TricklingStream, read_bytes

MTSAMPLES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "mtsamples.csv"

cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12) | st.text(
    st.sampled_from('",;\t\n\r aé'), max_size=8
)
pieces = st.lists(
    st.sampled_from([b'"', b'""', b",", b"\n", b"\r\n", b"\r", b"ab", b" ", "é".encode()]), max_size=40
)
wild_pieces = st.lists(
    st.sampled_from(
        [b'"', b'""', b",", b"\n", b"\r\n", b"\r", b"ab", b" ", b"x,y,z\n", b'"q",r,s\n', b"\0", b"\x81"]
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(
    table=st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=12),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig"]),
    at_most=st.sampled_from([1, 2, 7, 10**9]),
)
def test_any_table_reads_back_exactly(
    table: list[tuple[str, str, str]], delimiter: str, line_end: str, encoding: str, at_most: int
) -> None:
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerows([("label", "keywords", "text"), *table])
    reading = read_bytes(written.getvalue().encode(encoding), at_most=at_most)

    kept = {row["source_row"]: row for row in reading.kept}
    for number, (label, keywords, text) in enumerate(table, start=1):
        if not text.strip():
            assert (number, "no_text") in reading.reasons
            continue
        assert kept[number]["text"] == text
        assert kept[number]["label"] == (label if label.strip() else None)
        assert kept[number]["other"] == [("keywords", keywords)]
        assert kept[number]["encoding"] == ("utf-8" if encoding == "utf-8" else "utf-8-bom")
    assert reading.rows_read == len(table)


@settings(max_examples=300, deadline=None)
@given(pieces=wild_pieces, at_most=st.sampled_from([1, 3, 10**9]), maximum=st.sampled_from([24, 10**6]))
def test_bytes_of_rejected_rows_are_the_file(pieces: list[bytes], at_most: int, maximum: int) -> None:
    header, body = b"text,label,note\n", b"".join(pieces)
    # No text is long enough, so that every row is rejected, with its bytes.
    options = ReaderOptions(minimum_characters=10**6, maximum_row_bytes=maximum)
    reading = read_bytes(header + body, options=options, at_most=at_most)
    assert not reading.kept
    rejected = b"".join(row["row_bytes"] for row in reading.rejected if row["reason"] != "empty_file")
    # Blank lines are skipped; inside quotes they are not, so white space is left out of the comparison.
    assert b"".join(rejected.split()) == b"".join(body.split())


@settings(max_examples=300, deadline=None)
@given(pieces=pieces, at_most=st.sampled_from([1, 3, 10**9]))
def test_files_that_the_csv_module_accepts_read_alike(pieces: list[bytes], at_most: int) -> None:
    content = b"text,label\n" + b"".join(pieces)
    try:
        expected = list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))[1:]
    except csv.Error:
        return
    expected = [row for row in expected if len(row) > 1 or (row and row[0].strip())]
    if any(len(row) != 2 for row in expected):
        return
    reading = read_bytes(content, at_most=at_most)
    assert reading.texts == [text for text, _ in expected if text.strip()]


@settings(max_examples=500, deadline=None)
@example('"a",b"c",d')
@example('a"b,"c"')
@given(st.lists(st.sampled_from(['"', '""', '"a"', ",", "b", " "]), min_size=1, max_size=12).map("".join))
def test_fast_split_agrees_with_the_csv_module(record: str) -> None:
    fast = split_well_formed(record, ",")
    if fast is not None:
        assert fast == next(csv.reader([record], strict=True))


@settings(max_examples=200, deadline=None)
@given(
    data=st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"bcd"]), max_size=40).map(b"".join),
    at_most=st.integers(1, 5),
)
def test_lines_are_the_same_wherever_blocks_end(data: bytes, at_most: int) -> None:
    blocks = list(line_blocks(TricklingStream(data, at_most), maximum_line_bytes=100))
    assert [line for block in blocks for line in block.lines] == data.splitlines(keepends=True)


ROWS = [f'{number},"note number {number}, long enough to keep",Cardiology\n' for number in range(1, 9)]


def _with(position: int, line: str) -> bytes:
    return "".join(["id,text,label\n", *ROWS[:position], line, *ROWS[position:]]).encode()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('9,"never closed,Cardiology\n', "broken_quoting"),
        ('9,never closed,"Cardiology\n', "broken_quoting"),
        ('9,"closed" and more,Cardiology\n', "broken_quoting"),
        ("9,too,many,cells\n", "wrong_column_count"),
        ("9 too few\n", "wrong_column_count"),
        ('9,"too many","cells, quoted",x\n', "wrong_column_count"),
        ('9,"a cell over\ntwo lines",too,many\n', "wrong_column_count"),
        ("9,with a \0 nul in a text that is long enough,x\n", "nul_byte"),
        ("9,   ,x\n", "no_text"),
        ("9,short,x\n", "too_short"),
    ],
)
@pytest.mark.parametrize("position", [0, 4, 8])
def test_a_bad_row_costs_nothing_but_itself(line: str, reason: str, position: int) -> None:
    reading = read_bytes(_with(position, line), options=ReaderOptions())
    assert reading.reasons == [(position + 1, reason)]
    assert reading.rejected[0]["row_bytes"] == line.encode()
    assert len(reading.kept) == 8


def test_unclosed_quote_before_rows_without_quotes() -> None:
    body = b'"never closed,x\n' + b"a good text,y\n" * 5000
    reading = read_bytes(b"text,label\n" + body)
    assert reading.reasons == [(1, "broken_quoting")]
    assert len(reading.kept) == 5000
    limited = read_bytes(
        b"text,label\n" + body, options=ReaderOptions(minimum_characters=0, maximum_row_bytes=500)
    )
    assert limited.reasons == [(1, "broken_quoting")]


def test_two_unclosed_quotes_do_not_take_the_rest_of_the_file() -> None:
    body = b'"never closed,x\nnor this",",y\n' + b"a good text,y\n" * 5000
    reading = read_bytes(b"text,label\n" + body)
    assert len(reading.kept) == 5000
    assert {reason for _, reason in reading.reasons} == {"broken_quoting"}


def test_a_long_cell_that_is_cut_is_one_row() -> None:
    reading = read_bytes(b'text,label\nfine,x\n"SUBJECTIVE:\nfirst line\nsecond line\n')
    assert reading.reasons == [(2, "broken_quoting")]
    assert reading.rejected[0]["row_bytes"].startswith(b'"SUBJECTIVE') and reading.texts == ["fine"]


def test_quotes_inside_unquoted_cells_are_text() -> None:
    assert read_bytes(b'text,label\na 5" needle,x\n').texts == ['a 5" needle']


def test_files_made_to_reread_take_linear_time() -> None:
    # Each line opens a quote, and closes and opens one when read inside a quote.
    body = b'a",,"b\n' * 150_000
    started = time.process_time()
    reading = read_bytes(b"text,label,more\n" + body, options=ReaderOptions(maximum_row_bytes=2**20))
    assert time.process_time() - started < 30
    assert not reading.kept and len(reading.rejected) > 1


def test_rows_over_the_maximum() -> None:
    options = ReaderOptions(minimum_characters=0, maximum_row_bytes=100)
    body = b"good one,x\n" + b"a" * 101 + b",x\ngood two,y\n" + b'"' + b"b\n" * 100 + b'",x\ngood three,x\n'
    for at_most in (1, 50, 10**9):
        reading = read_bytes(b"text,label\n" + body, options=options, at_most=at_most)
        assert reading.texts[:2] == ["good one", "good two"] and reading.texts[-1] == "good three"
        assert reading.reasons[:2] == [(2, "too_long"), (4, "too_long")]
        assert "103" in reading.rejected[0]["detail"] or "104" in reading.rejected[0]["detail"]


def test_line_ends_and_blank_lines() -> None:
    for end in (b"\n", b"\r\n", b"\r"):
        content = end.join([b"", b"text,label", b"", b"one,x", b"  ", b"two,y", b""])
        for at_most in (1, 10**9):
            reading = read_bytes(content, at_most=at_most)
            assert [(row["source_row"], row["text"]) for row in reading.kept] == [(1, "one"), (2, "two")]


@pytest.mark.parametrize("name", ["a.tsv", "A.TSV", "a.csv"])
def test_tabs(name: str) -> None:
    reading = read_bytes(b"text\tlabel\none, two\tx\n\t\n", name)
    assert reading.texts == ["one, two"] and reading.reasons == [(2, "no_text")]


def test_gzip_and_members() -> None:
    plain = _with(0, "")
    packed = gzip.compress(plain[:100]) + gzip.compress(plain[100:]) + b"\0" * 64
    for at_most in (1, 10**9):
        assert read_bytes(packed, "a.csv.gz", at_most=at_most).texts == read_bytes(plain).texts


def test_cut_gzip_keeps_the_rows_before() -> None:
    plain = b"text,label\n" + b"".join(b"note number %d is here,x\n" % number for number in range(20_000))
    packed = gzip.compress(plain)
    reading = read_bytes(packed[: len(packed) // 2], "a.csv.gz")
    count = len(reading.kept)
    assert 1000 < count < 19_000
    assert reading.reasons == [(count + 1, "truncated_file")]
    assert reading.texts == read_bytes(plain).texts[:count]


def test_file_over_the_maximum_is_cut() -> None:
    content = b"text,label\n" + b"0123456789,x\n" * 100
    options = ReaderOptions(minimum_characters=0, maximum_file_bytes=11 + 13 * 40 + 5)
    reading = read_bytes(content, options=options)
    assert len(reading.kept) == 40 and reading.reasons == [(41, "file_too_large")]
    whole = ReaderOptions(minimum_characters=0, maximum_file_bytes=len(content))
    assert len(read_bytes(content, options=whole).kept) == 100


@pytest.mark.skipif(not MTSAMPLES.exists(), reason="the shared MTSamples file is not here")
def test_real_notes_read_as_pandas_reads_them() -> None:
    expected = pd.read_csv(MTSAMPLES, dtype=str, keep_default_na=False)
    chunks = list(read_landing_file(lambda: MTSAMPLES.open("rb"), "mtsamples.csv", ReaderOptions()))
    kept = pa.Table.from_batches([chunk.kept for chunk in chunks])
    assert sum(chunk.rejected.num_rows for chunk in chunks) == 0
    assert kept.num_rows == 4024
    assert kept["text"].to_pylist() == expected["transcription"].tolist()
    assert kept["label"].to_pylist() == expected["medical_specialty"].tolist()
    first = dict(kept["other"][0].as_py())
    assert first["keywords"] == expected["keywords"][0] and first["unnamed_0"] == "0"


class _EndlessRows(io.RawIOBase):
    """A CSV of `size` bytes that is nowhere in memory."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._row = (
            b'"'
            + b"The patient denies chest pain and fever, and feels well." * 50
            + b"\n"
            + b'",Cardiology\n'
        )
        self._pending = b"text,label\n"

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = min(size or 0, self._left)
        while len(self._pending) < wanted:
            self._pending += self._row * 100
        given, self._pending = self._pending[:wanted], self._pending[wanted:]
        self._left -= len(given)
        return given


def test_memory_does_not_grow_with_the_file() -> None:
    size = 40 * 1024**2
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    peak_arrow = kept = 0
    for chunk in read_landing_file(lambda: _EndlessRows(size), "endless.csv", ReaderOptions()):  # type: ignore[arg-type, return-value]
        kept += chunk.kept.num_rows
        peak_arrow = max(peak_arrow, pa.total_allocated_bytes() - before)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert kept > 14_000
    assert peak < 50e6 and peak_arrow < 50e6, (peak, peak_arrow)
