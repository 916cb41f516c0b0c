"""The tables that join pictures and notes: which column is what, and which landed picture a row means."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

import pyarrow as pa

from medembed_pipeline.images.settings import ImagesSettings
from medembed_pipeline.lake.fields import described
from medembed_pipeline.notes.columns import is_no_value, normalised_name
from medembed_pipeline.words import read_words

_WORDS = Path(__file__).parent / "data" / "columns.toml"
_DELIMITERS: Final = (",", ";", "\t", "|")
KINDS: Final = ("image", "note", "patient", "label", "findings", "reading", "view", "source", "age", "sex")

CASE_ROWS_SCHEMA = pa.schema(
    [
        described("source_file", pa.string(), "path of the table under landing_images/"),
        described("source_row", pa.int64(), "record in the table, counted from 1"),
        described(
            "image_file",
            pa.string(),
            "the landed picture that it means; null where it means none that is there",
            nullable=True,
        ),
        described("note", pa.string(), "the note", nullable=True),
        described("patient", pa.string(), "whose it is", nullable=True),
        described("label", pa.string(), "triage level or outcome", nullable=True),
        described("findings", pa.list_(pa.string()), "what is to be seen in the picture, sorted"),
        described("reading", pa.string(), "a reading of the picture in words", nullable=True),
        described("view", pa.string(), "AP, PA, ...", nullable=True),
        described("source", pa.string(), "where it is from; of a web address the host", nullable=True),
        described("age", pa.float64(), "in years", nullable=True),
        described("sex", pa.string(), "as the table has it", nullable=True),
        described("drawn", pa.bool_(), "whether the table says that the case was drawn"),
        described(
            "more",
            pa.list_(pa.struct([("column", pa.string()), ("value", pa.string())])),
            "cells of the columns that [images] more_columns names, those that are filled",
        ),
    ]
)


@dataclass
class ReadTable:
    """Rows of one table.

    Attributes
    ----------
    rows
        as CASE_ROWS_SCHEMA has them.
    rejected
        (row, reason, detail); row 0 is the file as a whole.
    used
        by kind, the column that was used.
    without_picture
        rows whose picture is not there or was rejected, and that have a note.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[tuple[int, str, str]] = field(default_factory=list)
    used: dict[str, str] = field(default_factory=dict)
    without_picture: int = 0


class PictureNames:
    """Which landed pictures a cell can mean: a path from the table's folder or from the top, or a bare name, each with
    the ending or without.

    Parameters
    ----------
    files
        paths under the landing folder.
    """

    def __init__(self, files: Iterable[str]) -> None:
        self._paths: dict[str, list[str]] = defaultdict(list)
        self._names: dict[str, list[str]] = defaultdict(list)
        for file in files:
            path = PurePosixPath(file)
            for form in (file, str(path.with_suffix(""))):
                self._paths[form].append(file)
            for form in (path.name, path.stem):
                self._names[form].append(file)

    def meant(self, cell: str, table: str) -> list[str]:
        """The pictures that a cell of a table means; none, one, or several where the name is ambiguous."""
        wanted = cell.strip().replace("\\", "/").lstrip("./")
        beside = str(PurePosixPath(table).parent / wanted)
        last = PurePosixPath(wanted).name
        for found in (
            self._paths.get(beside),
            self._paths.get(wanted),
            self._names.get(last) if last else None,
        ):
            if found:
                return sorted(set(found))
        return []


def read_case_table(data: bytes, name: str, settings: ImagesSettings, pictures: PictureNames) -> ReadTable:
    """The rows of a CSV or TSV table, UTF-8 or Windows-1252.

    Parameters
    ----------
    data
        the file's bytes.
    name
        its path under the landing folder.
    settings
        names of columns, where they are not found by the usual ones.
    pictures
        those that landed and can be used.
    """
    found = ReadTable()
    text = _decoded(data)
    if text is None:
        found.rejected.append((0, "unsupported_encoding", ""))
        return found
    records = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text, name), strict=False)
    try:
        header = next(records, [])
        columns = _columns(header, settings)
        if "image" not in columns and "note" not in columns:
            found.rejected.append((0, "no_column", f"{len(header)} columns"))
            return found
        found.used = {kind: header[place].strip() for kind, place in columns.items()}
        drawn = _place(header, [read_words(_WORDS)["drawn_column"]])
        wanted = {column: _place(header, [column]) for column in settings.more_columns}
        more = {column: place for column, place in wanted.items() if place is not None}
        for number, cells in enumerate(records, start=1):
            if not cells:
                continue
            if len(cells) != len(header):
                found.rejected.append((number, "wrong_column_count", f"{len(cells)} of {len(header)}"))
                continue
            _add(found, name, number, cells, columns, drawn, more, settings, pictures)
    except csv.Error:
        found.rejected.append((0, "corrupt_file", "a cell that never ends"))
    return found


def _add(
    found: ReadTable,
    name: str,
    number: int,
    cells: Sequence[str],
    columns: dict[str, int],
    drawn: int | None,
    more: dict[str, int],
    settings: ImagesSettings,
    pictures: PictureNames,
) -> None:
    def cell(kind: str) -> str | None:
        value = cells[columns[kind]].strip() if kind in columns else ""
        return None if is_no_value(value) else value

    wanted, note = cell("image"), cell("note")
    meant = pictures.meant(wanted, name) if wanted else []
    if len(meant) > 1:
        found.rejected.append((number, "ambiguous_picture", f"{len(meant)} pictures"))
        return
    if not meant and note is None:
        found.rejected.append((number, "no_picture_no_note", ""))
        return
    found.without_picture += not meant
    label = cell("label")
    # A column that is both is read as both: an outcome is mostly what is to be seen, too.
    findings = cell("findings") or label or ""
    listed = {one.strip() for one in findings.split(settings.findings_separator)}
    found.rows.append(
        {
            "source_file": name,
            "source_row": number,
            "image_file": meant[0] if meant else None,
            "note": note,
            "patient": cell("patient"),
            "label": label,
            "findings": sorted(listed - {""}),
            "reading": cell("reading"),
            "view": cell("view"),
            "source": _host(cell("source")),
            "age": _number(cell("age")),
            "sex": cell("sex"),
            "drawn": drawn is not None
            and cells[drawn].casefold().startswith(read_words(_WORDS)["drawn_cell"]),
            "more": [
                {"column": column, "value": cells[place].strip()}
                for column, place in more.items()
                if not is_no_value(cells[place].strip())
            ],
        }
    )


def _columns(header: Sequence[str], settings: ImagesSettings) -> dict[str, int]:
    words = read_words(_WORDS)
    columns = {}
    for kind in KINDS:
        given = getattr(settings, f"{kind}_column")
        place = _place(header, [given] if given else words[f"{kind}_column"])
        if place is not None:
            columns[kind] = place
    return columns


def _place(header: Sequence[str], accepted: Iterable[str]) -> int | None:
    names = [normalised_name(name) for name in header]
    return next((names.index(one) for one in map(normalised_name, accepted) if one in names), None)


def _decoded(data: bytes) -> str | None:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in data:
        return None
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def _delimiter(text: str, name: str) -> str:
    if name.lower().endswith(".tsv"):
        return "\t"
    first = text.partition("\n")[0]
    return max(_DELIMITERS, key=lambda one: (first.count(one), -_DELIMITERS.index(one)))


def _host(cell: str | None) -> str | None:
    if cell is None or "://" not in cell:
        return cell
    host = urlsplit(cell).hostname if "[" not in cell else None
    return host.removeprefix("www.") if host else cell


def _number(cell: str | None) -> float | None:
    try:
        value = float(cell or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
