"""What is known of a case besides note and picture, as numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.notes.slices import NUMERIC_SHARE

MOST_VALUES: Final = 50
LEAST_CASES: Final = 2


@dataclass(frozen=True)
class MetadataColumn:
    """One column as train cases have it.

    Attributes
    ----------
    name
        of the column.
    values
        words of which each becomes a number, 1 or 0; empty for a column of numbers.
    center, spread
        mean and standard deviation of a column of numbers.
    """

    name: str
    values: tuple[str, ...] = ()
    center: float = 0.0
    spread: float = 1.0

    @classmethod
    def fit(cls, name: str, cells: Sequence[Any]) -> MetadataColumn:
        """Of the train cases' cells; a column in which nearly all that is filled are numbers is one of numbers."""
        filled = [cell for cell in cells if cell is not None]
        numbers = [number for number in map(_number, filled) if math.isfinite(number)]
        if numbers and len(numbers) >= NUMERIC_SHARE * len(filled):
            return cls(name, (), float(np.mean(numbers)), float(np.std(numbers)) or 1.0)
        counts = Counter(map(str, filled))
        common = [value for value, count in counts.most_common(MOST_VALUES) if count >= LEAST_CASES]
        return cls(name, tuple(sorted(common)))

    def numbers(self, cells: Sequence[Any]) -> FloatArray:
        """float64 [n, c]: a column per word, or the number, and last whether the cell says nothing usable."""
        found = np.zeros((len(cells), max(1, len(self.values)) + 1))
        place = {value: at for at, value in enumerate(self.values)}
        for row, cell in enumerate(cells):
            if self.values:
                at = place.get(str(cell)) if cell is not None else None
                found[row, -1 if at is None else at] = 1.0
                continue
            number = _number(cell)
            if math.isfinite(number):
                found[row, 0] = (number - self.center) / self.spread
            else:
                found[row, -1] = 1.0
        return found


def fit_metadata(
    columns: Mapping[str, Sequence[Any]], names: Sequence[str], train: Sequence[int]
) -> tuple[MetadataColumn, ...]:
    """The columns that the arm sees.

    Parameters
    ----------
    columns
        cells of all cases, by name.
    names
        which.
    train
        places of the train cases.
    """
    return tuple(MetadataColumn.fit(name, [columns[name][row] for row in train]) for name in names)


def metadata_rows(
    fitted: Sequence[MetadataColumn], columns: Mapping[str, Sequence[Any]], count: int
) -> FloatArray:
    """float64 [count, d], a row per case."""
    parts = [column.numbers(columns[column.name]) for column in fitted]
    return np.hstack(parts) if parts else np.zeros((count, 0))


def _number(cell: Any) -> float:
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        return math.nan
