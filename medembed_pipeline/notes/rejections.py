"""The fixed list of reasons for which a landed row or file is not used.

Every entry of `rejected_rows.reason` is a key of `REJECTION_REASONS`. The table is a promise to users: add to
it, never rename.
"""

from __future__ import annotations

from typing import Final

REJECTION_REASONS: Final[dict[str, str]] = {
    # A row.
    "no_text": "the text cell is missing, empty, only white space, or not a string",
    "too_short": "the text has fewer characters than the minimum",
    "too_long": "the row has more bytes than the maximum",
    "broken_quoting": "a quote is never closed, or text follows a closing quote",
    "wrong_column_count": "the row has more or fewer cells than the header",
    "nul_byte": "the row holds a NUL character",
    "undecodable_bytes": "the row holds bytes that the encoding of its file does not define",
    "invalid_json": "the line is not JSON",
    "not_an_object": "the line is JSON, but not an object",
    # A file, or what was left of it.
    "empty_file": "the file holds no row",
    "no_text_column": "no column holds the text",
    "unsupported_file": "the name or the content is not of a format that is read",
    "unsupported_encoding": "the file is UTF-16, UTF-32 or full of NUL characters",
    "not_gzip": "the name ends in .gz, the content is not gzip",
    "not_parquet": "the name ends in .parquet, the content is not Parquet",
    "truncated_file": "the file ends before its compressed data does",
    "corrupt_file": "the compressed or encoded data is damaged from here on",
    "file_too_large": "the file is cut here: it holds more bytes than the maximum",
    "outside_landing_folder": "a symbolic link, or a name that leads out of the landing folder",
    "unreadable_file": "the file cannot be opened or read",
}
