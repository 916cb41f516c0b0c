"""Which columns of the landed files say whose a note is, when it was written, and what the hospital calls it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import pyarrow as pa

from medembed_pipeline.notes.columns import accepted_names, is_no_value, normalised_name
from medembed_pipeline.notes.row_chunks import KEPT_SCHEMA

PATIENT, DATE, NOTE = "patient_column", "date_column", "note_column"
IDENTITY_COLUMNS: Final = (PATIENT, DATE, NOTE)

_WHOLE_NUMBER = re.compile(r"(\d+)\.0")
_DAY_FIRST = re.compile(r"\s*(\d{1,2})([./\-])(\d{1,2})\2\d{2,4}\b")
_HAS_YEAR = re.compile(r"\d{4}|\d{1,2}([./\-])\d{1,2}\1\d{2}\b")


@dataclass
class IdentityColumns:
    """What was read from the columns, per row of the landed table.

    Attributes
    ----------
    patients
        the patient, None where the row names none.
    note_keys
        the hospital's id of the note, None where there is none.
    dates
        the day of the note, None where none can be read.
    used
        by setting the names of the columns that were used, in the order of the files.
    missing
        settings that name a column which no file has.
    empty_patients
        rows without a patient, of files that have a patient column or where another file has one.
    unreadable_dates
        rows with a date that cannot be read.
    """

    patients: list[str | None]
    note_keys: list[str | None]
    dates: list[date | None]
    used: dict[str, list[str]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    empty_patients: int = 0
    unreadable_dates: int = 0


def columns_to_read(names: Sequence[str], wanted: Mapping[str, str]) -> dict[str, list[str]]:
    """By setting the columns of `raw_transcriptions` that can be meant, the preferred one first.

    Names are compared trimmed, without regard to case, a space or hyphen counting as an underscore, as those of the
    text column are. A column of the files that has the name of one of ours begins with `other_` there.

    Parameters
    ----------
    names
        of the columns of `raw_transcriptions`.
    wanted
        by setting the column's name in the files; "" finds it by its accepted names.
    """
    own = set(KEPT_SCHEMA.names)
    normalised = {name: normalised_name(name) for name in names if name not in own}
    found = {}
    for setting in IDENTITY_COLUMNS:
        given = wanted.get(setting, "")
        targets = [given, f"other_{given}"] if given else accepted_names(setting)
        found[setting] = [
            name for target in targets for name, same in normalised.items() if same == normalised_name(target)
        ]
    return found


def read_identity_columns(rows: pa.Table, wanted: Mapping[str, str]) -> IdentityColumns:
    """Find the patient, the date and the hospital's note id of every landed row.

    Of each file the first of the columns that are meant (see `columns_to_read`) and that has a value there is used.

    Parameters
    ----------
    rows
        column source_file, and those of `columns_to_read`.
    wanted
        see `columns_to_read`.
    """
    meant = columns_to_read(rows.column_names, wanted)
    used: dict[str, list[str]] = {}
    values: dict[str, list[str | None]] = {}
    files = rows.column("source_file").combine_chunks().dictionary_encode()
    files = files.combine_chunks() if isinstance(files, pa.ChunkedArray) else files
    file_of: list[int] = files.indices.to_pylist()
    for setting, names in meant.items():
        values[setting], used[setting] = _of_each_file(rows, names, file_of)
    dates, unreadable = read_dates(values[DATE], file_of)
    patients = [_identifier(value) for value in values[PATIENT]]
    return IdentityColumns(
        patients=patients,
        note_keys=[_identifier(value) for value in values[NOTE]],
        dates=dates,
        used={setting: names for setting, names in used.items() if names},
        missing=[setting for setting, name in wanted.items() if name and not meant[setting]],
        empty_patients=sum(patient is None for patient in patients) if used[PATIENT] else 0,
        unreadable_dates=unreadable,
    )


def _of_each_file(
    rows: pa.Table, names: Sequence[str], file_of: Sequence[int]
) -> tuple[list[str | None], list[str]]:
    """The value per row, from the first column that has values in the row's file; and the columns used."""
    result: list[str | None] = [None] * rows.num_rows
    served: set[int] = set()
    used = []
    for name in names:
        cells: list[str | None] = rows.column(name).to_pylist()
        filled = {
            file
            for file, cell in zip(file_of, cells, strict=True)
            if cell is not None and cell.strip() and file not in served
        }
        if not filled:
            continue
        used.append(name)
        served |= filled
        for row, (file, cell) in enumerate(zip(file_of, cells, strict=True)):
            if file in filled:
                result[row] = cell
    return result, used


def _identifier(cell: str | None) -> str | None:
    """A cell as an id: trimmed, 12.0 read as 12 (what spreadsheets make of a column with gaps); None for no value."""
    value = (cell or "").strip()
    if is_no_value(value):
        return None
    whole = _WHOLE_NUMBER.fullmatch(value)
    return whole.group(1) if whole else value


def read_dates(cells: Sequence[str | None], file_of: Sequence[int]) -> tuple[list[date | None], int]:
    """The day of each cell, None where there is none; and how many cells with a value cannot be read.

    ISO 8601 and the usual written forms. Whether 03/04/2020 is in March or in April is decided for each file: the day
    comes first where any date of the file can only be read so, and where dots are between the numbers.
    """
    import pandas as pd

    values = [(cell or "").strip() for cell in cells]
    values = ["" if is_no_value(value) else value for value in values]
    day_first = set()
    for file, value in zip(file_of, values, strict=True):
        numbers = _DAY_FIRST.match(value)
        if numbers and (int(numbers.group(1)) > 12 or numbers.group(2) == "."):
            day_first.add(file)
    wanted = {
        (value, file in day_first)
        for file, value in zip(file_of, values, strict=True)
        if _HAS_YEAR.search(value)
    }
    read: dict[tuple[str, bool], date] = {}
    for first in (False, True):
        texts = sorted(value for value, own in wanted if own == first)
        for text, parsed in zip(texts, _parsed(pd, texts, day_first=first), strict=True):
            if parsed is not None:
                read[text, first] = parsed
    dates = [read.get((value, file in day_first)) for file, value in zip(file_of, values, strict=True)]
    return dates, sum(bool(value) and day is None for value, day in zip(values, dates, strict=True))


def _parsed(pd: Any, texts: Sequence[str], *, day_first: bool) -> list[date | None]:
    if not texts:
        return []
    series = pd.Series(list(texts), dtype=object)
    stamps = pd.to_datetime(series, format="ISO8601", errors="coerce", utc=True)
    # The day as it is written, not as it is in Greenwich.
    days = [
        _iso_day(text[:10]) if stamp is not pd.NaT else None
        for text, stamp in zip(texts, stamps, strict=True)
    ]
    left = [row for row, day in enumerate(days) if day is None]
    if left:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of mixed forms, which are expected here
            others = pd.to_datetime(
                series.iloc[left], format="mixed", dayfirst=day_first, errors="coerce", utc=True
            )
        for row, stamp in zip(left, others, strict=True):
            days[row] = None if stamp is pd.NaT else stamp.date()
    return days


def _iso_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def raw_columns(schema: pa.Schema, wanted: Mapping[str, str]) -> list[str]:
    """The columns of `raw_transcriptions` that `read_identity_columns` needs."""
    meant = columns_to_read(schema.names, wanted)
    return ["source_file", *sorted({name for names in meant.values() for name in names})]
