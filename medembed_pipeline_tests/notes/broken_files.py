"""Bad landing files of every kind a reader must survive, from a seed.

Used by the reader's tests and by the fault harness. All notes in the files hold NOTE_MARKER, so that a search
tells whether note text leaked; what lies outside the landing folder holds OUTSIDE_MARKER.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

NOTE_MARKER: Final = "quinquagesima"
OUTSIDE_MARKER: Final = "septuagesima"
ANY_REASON: Final = frozenset({"*"})

_WORDS = (
    "patient",
    "denies",
    "chest",
    "pain",
    "history",
    "of",
    "hypertension",
    "stable",
    "fever",
    NOTE_MARKER,
)
_LABELS = ("Cardiology", "Neurology", "Radiology", "Orthopedic")
_NAME_STYLES = (
    "notes {n}",
    "dotted..name..{n}",
    "line\nbreak {n}",
    "<script>alert({n})</script>",
    "<img src=x onerror=alert({n})>",
    "umlaut-é-{n}",
    "quote'\"{n}",
    "percent%2e%2e%2f{n}",
    "-rf {n}",
    "UPPER{n}",
    "sub folder/deeper..{n}/notes",
    "plain{n}",
)


@dataclass(frozen=True)
class BrokenFile:
    """One bad file, `name` relative to the landing folder.

    At least one of `reasons` must be reported for it (ANY_REASON: whichever). It has `content`, or else is a
    link (`link_to`) or a `special` file.
    """

    name: str
    kind: str
    reasons: frozenset[str]
    content: bytes = b""
    link_to: str = ""
    special: str = ""


@dataclass(frozen=True)
class _Made:
    suffix: str
    content: bytes
    reasons: frozenset[str]


def broken_files(
    count: int, *, seed: int, over_row_bytes: int = 17 * 1024**2, over_file_bytes: int = 0
) -> list[BrokenFile]:
    """`count` bad files, each kind in turn, names in turn; the same for the same arguments.

    Parameters
    ----------
    over_row_bytes
        the size of a row that is too long for the reader's settings.
    over_file_bytes
        the size of content that is too large for them; 0 leaves the kind out.
    """
    random = Random(seed)
    kinds = dict(_KINDS)
    kinds["huge_row"] = lambda random: _huge_row(random, over_row_bytes)
    kinds["zip_bomb_line"] = lambda random: _zip_bomb_line(over_row_bytes)
    if over_file_bytes:
        kinds["zip_bomb_rows"] = lambda random: _zip_bomb_rows(random, over_file_bytes)
    names = [*kinds, *_SPECIAL]
    files = []
    for number in range(count):
        kind = names[number % len(names)]
        stem = _NAME_STYLES[(number + number // len(names)) % len(_NAME_STYLES)].format(n=number)
        if kind in _SPECIAL:
            suffix, reason, link_to, special = _SPECIAL[kind]
            files.append(BrokenFile(stem + suffix, kind, frozenset({reason}), b"", link_to, special))
            continue
        made = kinds[kind](random)
        suffix = made.suffix.upper() if number % 7 == 0 else made.suffix
        files.append(BrokenFile(stem + suffix, kind, made.reasons, made.content))
    return files


def write_broken_files(folder: Path, files: list[BrokenFile]) -> None:
    """Write `files` into the landing `folder`, and beside it the `outside` folder that links lead to."""
    outside = folder.parent / "outside"
    outside.mkdir(parents=True, exist_ok=True)
    (outside / "secret.csv").write_text(f"text,label\n{OUTSIDE_MARKER} {'secret ' * 8},Cardiology\n")
    for file in files:
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if file.link_to:
            path.symlink_to(file.link_to.format(outside=outside))
        elif file.special == "folder":
            path.mkdir()
        elif file.special == "pipe":
            os.mkfifo(path)
        else:
            path.write_bytes(file.content)


def note(random: Random, words: int = 12) -> str:
    """A note of some words, NOTE_MARKER among them."""
    return " ".join([NOTE_MARKER, *random.choices(_WORDS, k=words)])


def rows(random: Random, count: int = 12) -> list[list[str]]:
    """Rows of number, text, label."""
    return [[str(row), note(random), random.choice(_LABELS)] for row in range(count)]


def csv_bytes(table: list[list[str]], *, encoding: str = "utf-8", header: bool = True) -> bytes:
    """A good CSV file with every cell quoted."""
    written = io.StringIO()
    writer = csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\n")
    if header:
        writer.writerow(["number", "transcription", "medical_specialty"])
    writer.writerows(table)
    return written.getvalue().encode(encoding)


def parquet_bytes(table: list[list[str]], text_name: str = "transcription") -> bytes:
    """A good Parquet file of the same rows."""
    columns = list(zip(*table, strict=True))
    names = ["number", text_name, "medical_specialty"]
    written = io.BytesIO()
    pq.write_table(
        pa.table({name: pa.array(cells) for name, cells in zip(names, columns, strict=True)}), written
    )
    return written.getvalue()


def json_lines_bytes(table: list[list[str]]) -> bytes:
    """A good JSON Lines file of the same rows."""
    return b"".join(
        json.dumps({"number": number, "transcription": text, "medical_specialty": label}).encode() + b"\n"
        for number, text, label in table
    )


def _made(suffix: str, content: bytes, *reasons: str) -> _Made:
    return _Made(suffix, content, frozenset(reasons) or ANY_REASON)


def _with_line(random: Random, line: bytes) -> bytes:
    """A good file with one more line among its rows."""
    lines = csv_bytes(rows(random)).splitlines(keepends=True)
    lines.insert(random.randrange(1, len(lines)), line)
    return b"".join(lines)


def _cut(random: Random, content: bytes) -> bytes:
    return content[: random.randrange(len(content) // 3, len(content) - 12)]


def _damaged(random: Random, content: bytes, first: int) -> bytes:
    damaged = bytearray(content)
    for position in random.sample(range(first, len(content) - 8), 3):
        damaged[position] ^= 1 + random.randrange(255)
    return bytes(damaged)


def _shuffled_bytes(random: Random) -> _Made:
    content = bytearray(csv_bytes(rows(random)))
    random.shuffle(content)
    return _made(".csv", bytes(content))


def _shuffled_lines(random: Random) -> _Made:
    lines = csv_bytes(rows(random)).splitlines(keepends=True)
    lines.append(lines.pop(0))
    return _made(".csv", b"".join(lines), "no_text_column")


def _huge_row(random: Random, size: int) -> _Made:
    return _made(".csv", _with_line(random, b'1,"' + b"a" * size + b'",Cardiology\n'), "too_long")


def _zip_bomb_line(size: int) -> _Made:
    content = b"number,transcription,medical_specialty\n" + b"a" * (4 * size)
    return _made(".csv.gz", gzip.compress(content, mtime=0), "too_long")


def _zip_bomb_rows(random: Random, size: int) -> _Made:
    block = csv_bytes(rows(random, 200), header=False)
    content = csv_bytes([]) + block * (size // len(block) + 2)
    return _made(".csv.gz", gzip.compress(content, mtime=0), "file_too_large")


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


_KINDS: Final[dict[str, Callable[[Random], _Made]]] = {
    "empty": lambda random: _made(random.choice((".csv", ".tsv", ".jsonl")), b"", "empty_file"),
    "empty_parquet": lambda random: _made(".parquet", b"", "not_parquet"),
    "blank_lines": lambda random: _made(".csv", b"\n \n\r\n" * 5, "empty_file"),
    "header_only": lambda random: _made(".csv", csv_bytes([]), "empty_file"),
    "cut_gzip": lambda random: _made(
        ".csv.gz", _cut(random, _gzip(csv_bytes(rows(random, 300)))), "truncated_file"
    ),
    "damaged_gzip": lambda random: _made(
        ".csv.gz", _damaged(random, _gzip(csv_bytes(rows(random, 300))), 20), "corrupt_file", "truncated_file"
    ),
    "garbage_after_gzip": lambda random: _made(
        ".csv.gz", _gzip(csv_bytes(rows(random))) + b"garbage", "corrupt_file"
    ),
    "not_gzip": lambda random: _made(".csv.gz", csv_bytes(rows(random)), "not_gzip"),
    "cut_csv": lambda random: _made(
        ".csv", csv_bytes(rows(random)) + b'"99","cut in the mid', "broken_quoting"
    ),
    "unclosed_quote": lambda random: _made(
        ".csv", _with_line(random, b'77,"never closed,Cardiology\n'), "broken_quoting"
    ),
    "text_after_quote": lambda random: _made(
        ".csv", _with_line(random, b'"77","closed" here,"Cardiology"\n'), "broken_quoting"
    ),
    "only_quotes": lambda random: _made(".csv", csv_bytes(rows(random)) + b'"' * 9999, "broken_quoting"),
    "too_many_cells": lambda random: _made(
        ".csv", _with_line(random, b'"77","a","b","c"\n'), "wrong_column_count"
    ),
    "too_few_cells": lambda random: _made(".csv", _with_line(random, b"77\n"), "wrong_column_count"),
    "nul_bytes": lambda random: _made(
        ".csv", _with_line(random, b'"77","nul \0 in a long enough text","x"\n'), "nul_byte"
    ),
    "shuffled_bytes": _shuffled_bytes,
    "shuffled_lines": _shuffled_lines,
    "random_bytes": lambda random: _made(
        random.choice((".csv", ".jsonl", ".parquet")), random.randbytes(3000)
    ),
    "utf_16": lambda random: _made(
        ".csv", csv_bytes(rows(random), encoding="utf-16"), "unsupported_encoding"
    ),
    "utf_16_without_mark": lambda random: _made(
        ".csv", csv_bytes(rows(random), encoding="utf-16-le"), "unsupported_encoding"
    ),
    "utf_32": lambda random: _made(
        ".jsonl", csv_bytes(rows(random), encoding="utf-32"), "unsupported_encoding"
    ),
    "undefined_windows_1252": lambda random: _made(
        ".csv",
        _with_line(random, b'"77","caf\xe9 \x81\x8d long enough to be kept","x"\n'),
        "undecodable_bytes",
    ),
    "invalid_utf_8_after_mark": lambda random: _made(
        ".csv",
        b"\xef\xbb\xbf" + _with_line(random, b'"77","caf\xe9 long enough to be kept","x"\n'),
        "undecodable_bytes",
    ),
    "no_text_column": lambda random: _made(
        ".csv", csv_bytes(rows(random)).replace(b"transcription", b"unknown_thing", 1), "no_text_column"
    ),
    "no_header": lambda random: _made(".csv", csv_bytes(rows(random), header=False), "no_text_column"),
    "short_and_empty_texts": lambda random: _made(
        ".csv", csv_bytes([["1", "", "x"], ["2", "  \n ", "x"], ["3", "short", "x"]]), "no_text", "too_short"
    ),
    "zip_bomb_of_nul": lambda random: _made(".csv.gz", _gzip(b"\0" * 1_000_000), "unsupported_encoding"),
    "parquet_as_csv": lambda random: _made(".csv", parquet_bytes(rows(random)), "unsupported_file"),
    "gzip_as_csv": lambda random: _made(".csv", _gzip(csv_bytes(rows(random))), "unsupported_file"),
    "zip_as_csv": lambda random: _made(".csv", b"PK\x03\x04" + random.randbytes(500), "unsupported_file"),
    "csv_as_parquet": lambda random: _made(".parquet", csv_bytes(rows(random)), "not_parquet"),
    "csv_as_json_lines": lambda random: _made(
        ".jsonl", csv_bytes(rows(random)), "invalid_json", "not_an_object"
    ),
    "json_lines_as_csv": lambda random: _made(".csv", json_lines_bytes(rows(random))),
    "unknown_extension": lambda random: _made(
        random.choice((".docx", ".xlsx", ".pdf", ".csv.zip", ".json", ".parquet.gz", "")),
        csv_bytes(rows(random)),
        "unsupported_file",
    ),
    "cut_parquet": lambda random: _made(".parquet", _cut(random, parquet_bytes(rows(random))), "not_parquet"),
    "damaged_parquet": lambda random: _made(
        ".parquet", b"PAR1" + b"\xff" * 150 + parquet_bytes(rows(random, 100))[154:]
    ),
    "parquet_without_text": lambda random: _made(
        ".parquet", parquet_bytes(rows(random), "unknown_thing"), "no_text_column"
    ),
    "cut_json": lambda random: _made(
        ".jsonl", json_lines_bytes(rows(random)) + b'{"transcription": "cut in', "invalid_json"
    ),
    "json_of_other_things": lambda random: _made(
        ".ndjson", json_lines_bytes(rows(random)) + b'[1]\n"a"\nnull\n3\n', "not_an_object"
    ),
    "json_nested_deep": lambda random: _made(
        ".jsonl", json_lines_bytes(rows(random)) + b"[" * 100_000 + b"\n", "invalid_json"
    ),
    "json_without_text": lambda random: _made(
        ".jsonl",
        json_lines_bytes(rows(random)) + b'{"transcription": 5}\n{"transcription": null}\n',
        "no_text",
    ),
}

_SPECIAL: Final = {
    "link_to_outside_file": (".csv", "outside_landing_folder", "{outside}/secret.csv", ""),
    "link_to_outside_folder": ("", "outside_landing_folder", "{outside}", ""),
    "dangling_link": (".csv", "outside_landing_folder", "no/such/file.csv", ""),
    "link_to_itself": (".csv", "outside_landing_folder", ".", ""),
    "folder_named_csv": (".csv", "unreadable_file", "", "folder"),
    "pipe": (".csv", "unsupported_file", "", "pipe"),
}
