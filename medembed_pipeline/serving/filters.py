"""Filters: which notes have a label, lie in a split, or say something in a column of the landing files.

A note stands in as many rows as landed with its text; where these disagree, it belongs to each value.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.lake import compute as pc
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.notes.identity_columns import NOTE, PATIENT, columns_to_read
from medembed_pipeline.notes.landing import named_columns
from medembed_pipeline.notes.slices import MAXIMUM_VALUES, NUMERIC_SHARE, slice_columns
from medembed_pipeline.serving.errors import RequestError

BoolArray = npt.NDArray[np.bool_]
LABELS, SPLIT = "labels", "split"


@dataclass(frozen=True)
class ValueColumn:
    """What each note says in one column.

    Attributes
    ----------
    values
        m different ones, sorted.
    rows
        int32 [p], a note per pair, ascending.
    codes
        int32 [p], what it says: positions in `values`.
    numbers
        float64 [m], the values as numbers (NaN where one is none), for a column of numbers; else None.
    """

    values: tuple[str, ...]
    rows: npt.NDArray[np.int32]
    codes: npt.NDArray[np.int32]
    numbers: npt.NDArray[np.float64] | None = None

    @classmethod
    def of_lists(cls, values: Sequence[Iterable[str]]) -> ValueColumn:
        """Of a list of values per note; empty values say nothing."""
        pairs = sorted({(row, value) for row, own in enumerate(values) for value in own if value})
        names = sorted({value for _, value in pairs})
        code_of = {name: code for code, name in enumerate(names)}
        rows = np.array([row for row, _ in pairs], dtype=np.int32)
        codes = np.array([code_of[value] for _, value in pairs], dtype=np.int32)
        return cls(tuple(names), rows, codes, _numbers(names, codes))

    @property
    def is_choice(self) -> bool:
        """Whether its values are few enough to be offered."""
        return len(self.values) <= MAXIMUM_VALUES

    @property
    def range(self) -> tuple[float, float] | None:
        """Least and greatest number; None where it is no column of numbers."""
        if self.numbers is None or not np.isfinite(self.numbers).any():
            return None
        return float(np.nanmin(self.numbers)), float(np.nanmax(self.numbers))

    def counts(self) -> dict[str, int]:
        """How many notes say each value."""
        counted = np.bincount(self.codes, minlength=len(self.values))
        return dict(zip(self.values, counted.tolist(), strict=True))

    def any_of(self, notes: int, wanted: Iterable[str]) -> BoolArray:
        """bool [notes]: those that say one of the wanted values."""
        known = set(wanted)
        return self._mask(notes, np.array([value in known for value in self.values], dtype=np.bool_))

    def between(self, notes: int, low: float | None, high: float | None) -> BoolArray:
        """bool [notes]: those that say a number from `low` to `high`, both included.

        Raises
        ------
        RequestError
            it is no column of numbers.
        """
        if self.numbers is None:
            raise RequestError("filters: a range is asked of a column that holds no numbers.")
        with np.errstate(invalid="ignore"):
            inside = np.isfinite(self.numbers)
            inside &= self.numbers >= (-math.inf if low is None else low)
            inside &= self.numbers <= (math.inf if high is None else high)
        return self._mask(notes, inside)

    def of_rows(self, rows: Iterable[int]) -> list[list[str]]:
        """What each of some notes says."""
        found = []
        for row in rows:
            first, last = np.searchsorted(self.rows, (row, row + 1))
            found.append([self.values[code] for code in self.codes[first:last]])
        return found

    def _mask(self, notes: int, wanted: BoolArray) -> BoolArray:
        mask = np.zeros(notes, dtype=np.bool_)
        if len(wanted):
            mask[self.rows[wanted[self.codes]]] = True
        return mask


def _numbers(values: Sequence[str], codes: npt.NDArray[np.int32]) -> npt.NDArray[np.float64] | None:
    numbers = np.array([_number(value) for value in values], dtype=np.float64)
    share = np.isfinite(numbers)[codes].mean() if len(codes) else 0.0
    return numbers if share >= NUMERIC_SHARE else None


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan


def landing_columns(raw: LakeTable, source_rows: Sequence[Sequence[str]]) -> dict[str, ValueColumn]:
    """The filters that the landing files give.

    Columns that say whose a note is, or what the hospital calls it, are left out: a filter's value stands in addresses.

    Parameters
    ----------
    raw
        `raw_transcriptions`.
    source_rows
        per note, the ids of its rows.
    """
    identity = columns_to_read(raw.schema.names, named_columns(raw.footer.recipe))
    private = {name for setting in (PATIENT, NOTE) for name in identity[setting]}
    names = [name for name in slice_columns(raw.schema.names) if name not in private]
    if not names:
        return {}
    table = raw.read(["row_id", *names])
    place = {row_id: row for row, row_id in enumerate(table.column("row_id").to_pylist())}
    rows = [[place[row_id] for row_id in own if row_id in place] for own in source_rows]
    found = {}
    for name in names:
        cells = pc.utf8_trim_whitespace(
            pc.fill_null(pc.cast(table.column(name), pa.string()), "")
        ).to_pylist()
        column = ValueColumn.of_lists([[cells[row] for row in own] for own in rows])
        if column.values:
            found[name] = column
    return found


@dataclass(frozen=True)
class Between:
    """A range of numbers, both ends included; None for an open one."""

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Filters:
    """What a note must be to be found: all of it, one value of each.

    Attributes
    ----------
    labels
        any of these; empty for no matter which.
    splits
        any of these.
    columns
        by name, any of these values, or a range.
    """

    labels: Sequence[str] = ()
    splits: Sequence[str] = ()
    columns: Mapping[str, Sequence[str] | Between] | None = None

    def __bool__(self) -> bool:
        return bool(self.labels or self.splits or self.columns)


def allowed_notes(
    filters: Filters, notes: int, labels: ValueColumn, splits: ValueColumn, columns: Mapping[str, ValueColumn]
) -> BoolArray | None:
    """bool [notes] of those that pass; None where nothing is filtered.

    Raises
    ------
    RequestError
        a column that there is not, or a range of one that holds no numbers.
    """
    masks = []
    if filters.labels:
        masks.append(labels.any_of(notes, filters.labels))
    if filters.splits:
        masks.append(splits.any_of(notes, filters.splits))
    for name, wanted in (filters.columns or {}).items():
        if name not in columns:
            raise RequestError("filters: a column is named that there is not; GET /model lists them.")
        if isinstance(wanted, Between):
            masks.append(columns[name].between(notes, wanted.low, wanted.high))
        else:
            masks.append(columns[name].any_of(notes, wanted))
    return np.logical_and.reduce(masks) if masks else None
