"""Slices: what each note says in a column of the landing files, such as its site or the age it was written at.

A note stands in as many rows as landed with its text; where these disagree, it belongs to each value. Numbers are put
into bins of about as many rows each, named by their range.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake import compute as pc
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.notes.landing import RAW_DESCRIPTIONS

MAXIMUM_VALUES = 50
"""Different words that a slice may have; more would be figures of hardly any notes each."""

BINS = 4
NUMBERS_KEPT = 10
"""A column of whole numbers with at most so many different ones is not put into bins: they are grades, or years."""

NUMERIC_SHARE = 0.95
"""Share of filled cells that are numbers from which a column counts as one of numbers; others stay as they are."""

NONE = "(none)"
"""The value of an empty cell."""

_COLUMNS_SHOWN = 30
_FIRST_NUMBER = re.compile(r"(?:over )?(-?\d[\d.]*(?:e[+-]?\d+)?)")


class SliceError(MedembedError):
    """A slice that cannot be made."""


def slice_columns(columns: Iterable[str]) -> list[str]:
    """Those of the columns of `raw_transcriptions` that a slice may be: all that are not the project's own."""
    return [name for name in columns if name not in RAW_DESCRIPTIONS]


def refuse_unusable_slices(raw: LakeTable, names: Sequence[str]) -> None:
    """Refuse slices that cannot be made, before anything is made of the rows.

    Parameters
    ----------
    raw
        `raw_transcriptions`.
    names
        of the slices.

    Raises
    ------
    SliceError
        a slice is no column of the landing files, or one of words with too many of them.
    """
    if names:
        rows = _different_rows(_rows_of(raw, names))
        for name in names:
            value_of_each(rows[name], name)


def version_with_slices(version: str, names: Sequence[str]) -> str:
    """The code version of an asset that refuses slices: it is tried again by itself once they were mended."""
    return f"{version}.{digest(list(names))[:8]}" if names else version


def read_slices(raw: LakeTable, notes: LakeTable, names: Sequence[str]) -> dict[str, list[list[str]]]:
    """`slice_values` of `raw_transcriptions` and `cleaned_notes`; reads nothing where there are no slices."""
    return slice_values(_rows_of(raw, names), notes.read(["source_rows"]), names) if names else {}


def _rows_of(raw: LakeTable, names: Sequence[str]) -> pa.Table:
    refuse_unknown_slices(raw.schema.names, names)
    return raw.read(["row_id", *names])


def refuse_unknown_slices(columns: Iterable[str], names: Sequence[str]) -> None:
    """Refuse slices that are no columns.

    Parameters
    ----------
    columns
        all of `raw_transcriptions`.
    names
        of the slices.

    Raises
    ------
    SliceError
        naming those, and the columns there are.
    """
    offered = slice_columns(columns)
    lost = [name for name in names if name not in offered]
    if lost:
        more = f", and {len(offered) - _COLUMNS_SHOWN} more" if len(offered) > _COLUMNS_SHOWN else ""
        there = f"{', '.join(offered[:_COLUMNS_SHOWN])}{more}" if offered else "none but text and label"
        raise SliceError(
            f"[evaluation] slices: {', '.join(lost)} is no column of the landing files. The columns there are: {there}."
        )


def slice_values(raw: pa.Table, notes: pa.Table, names: Sequence[str]) -> dict[str, list[list[str]]]:
    """What each note says in each slice.

    An empty cell says nothing: a note is `(none)` in a slice when all its rows are empty there. How numbers are put
    into bins depends on the rows behind the notes alone: whole numbers become "18-39", others "over 0.5 to 1.2".

    Parameters
    ----------
    raw
        column row_id and the slices of `raw_transcriptions`.
    notes
        column source_rows of `cleaned_notes`.
    names
        of the slices.

    Returns
    -------
    dict[str, list[list[str]]]
        By slice, a list per note in the order of `notes`: its different values, sorted.

    Raises
    ------
    SliceError
        a slice is no column, one of words with too many of them, or a note of rows that are not in `raw`.
    """
    refuse_unknown_slices(raw.column_names, names)
    if not names:
        return {}
    sources: list[list[str]] = notes["source_rows"].to_pylist()
    behind = pa.array(sorted({row_id for own in sources for row_id in own}), pa.string())
    rows = _different_rows(raw.filter(pc.is_in(raw["row_id"], value_set=behind)))
    row_of = {row_id: row for row, row_id in enumerate(rows["row_id"].to_pylist())}
    lost = sum(row_id not in row_of for own in sources for row_id in own)
    if lost:
        raise SliceError(
            f"cleaned_notes holds {lost} rows that raw_transcriptions does not have (any more). Materialize "
            "cleaned_notes again."
        )
    rows_of = [[row_of[row_id] for row_id in own] for own in sources]
    found = {}
    for name in names:
        values = value_of_each(rows[name], name)
        found[name] = [sorted({values[row] for row in rows} - {""}) or [NONE] for rows in rows_of]
    return found


def _different_rows(raw: pa.Table) -> pa.Table:
    """A row that landed twice is one row: its cells are the same."""
    names = [name for name in raw.column_names if name != "row_id"]
    found = raw.group_by("row_id", use_threads=False).aggregate([(name, "first") for name in names])
    return found.select(["row_id", *(f"{name}_first" for name in names)]).rename_columns(["row_id", *names])


def ordered_values(values: Iterable[str]) -> list[str]:
    """Different values in the order to show them: numbers and bins from low to high, then words, `(none)` last."""

    def place(value: str) -> tuple[bool, float, str]:
        if value.startswith("up to "):
            return False, -math.inf, value
        number = _FIRST_NUMBER.match(value)
        return value == NONE, float(number[1]) if number else math.inf, value

    return sorted(set(values), key=place)


def value_of_each(column: pa.ChunkedArray, name: str) -> list[str]:
    """A column's cells as values of the slice, "" where a cell is empty."""
    cells = pc.utf8_trim_whitespace(pc.fill_null(pc.cast(column, pa.string()), ""))
    encoded = cells.combine_chunks().dictionary_encode()
    words: list[str] = encoded.dictionary.to_pylist()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    numbers = np.array([_number(word) for word in words], dtype=np.float64)
    filled = np.array([bool(word) for word in words], dtype=np.bool_)
    counts = np.bincount(codes, minlength=len(words))
    numeric = np.isfinite(numbers)
    if filled.any() and counts[numeric].sum() < NUMERIC_SHARE * counts[filled].sum():
        numeric[:] = False
    if numeric.any():
        names = _number_names(numbers[numeric], counts[numeric])
        for place, value in zip(np.flatnonzero(numeric), names, strict=True):
            words[place] = value
    left = int((filled & ~numeric).sum())
    if left > MAXIMUM_VALUES:
        raise SliceError(
            f"[evaluation] slices: the column {name} has {left} different values, and a slice of words may have up to "
            f"{MAXIMUM_VALUES}. Choose a column with fewer, or put its values into groups before they land."
        )
    return [words[code] for code in codes]


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan


def _number_names(numbers: np.ndarray, counts: np.ndarray) -> list[str]:
    """The value that each number belongs to: itself, or its bin.

    Parameters
    ----------
    numbers
        [m] different as words, not necessarily as numbers ("7" and "7.0").
    counts
        [m], how many cells hold each.
    """
    whole = bool((numbers == np.rint(numbers)).all())
    different = np.unique(numbers)
    if whole and len(different) <= NUMBERS_KEPT:
        return [f"{number:.0f}" for number in numbers]
    order = np.argsort(numbers)
    below = np.cumsum(counts[order])
    # Upper ends of the bins: the smallest numbers that so many cells do not exceed.
    wanted = [np.searchsorted(below, below[-1] * part / BINS) for part in range(1, BINS)]
    cuts = sorted({float(numbers[order[place]]) for place in wanted} - {float(different[-1])})
    edges = [-math.inf, *cuts, math.inf]
    names = []
    for low, high in itertools.pairwise(edges):
        if whole:
            first = different[different > low][0]
            last = min(high, different[-1])
            lowest = first if math.isinf(low) else low + 1
            between = " to " if different[0] < 0 else "-"
            names.append(f"{lowest:.0f}" if lowest == last else f"{lowest:.0f}{between}{last:.0f}")
        elif math.isinf(low):
            names.append(f"up to {high:.6g}" if cuts else f"{different[0]:.6g} to {different[-1]:.6g}")
        else:
            names.append(f"over {low:.6g}" if math.isinf(high) else f"over {low:.6g} to {high:.6g}")
    return [names[place] for place in np.searchsorted(cuts, numbers)]
