"""The rows of an experiment: read from a file, drawn by specialty, divided into training and held-out rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from medembed_pipeline.evaluation.vectors import BoolArray, IntArray
from medembed_pipeline.evidence.leakage.preset import DataPreset, SplitPreset
from medembed_pipeline.evidence.leakage.simulation import LeakageError
from medembed_pipeline.notes.cleaning import clean_text, note_id
from medembed_pipeline.notes.duplicates import duplicate_groups, signatures
from medembed_pipeline.notes.labels import label_key
from medembed_pipeline.notes.reader import ReaderOptions, read_landing_file


@dataclass(frozen=True)
class ExperimentRows:
    """Rows of one text and one label each; a text may stand in several of them.

    Attributes
    ----------
    ids
        different ids, sorted.
    texts
        as cleaned.
    labels
        specialty of each row.
    """

    ids: list[str]
    texts: list[str]
    labels: list[str]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def text_numbers(self) -> IntArray:
        """int64 [n]: equal where the normalised texts are equal."""
        names = [note_id(text) for text in self.texts]
        return np.unique(names, return_inverse=True)[1].reshape(-1).astype(np.int64)


def read_rows(path: Path, data: DataPreset, *, seed: int) -> tuple[ExperimentRows, dict[str, int]]:
    """Read a file of any landing format, and draw the rows of the preset.

    Parameters
    ----------
    path
        CSV, TSV, JSON Lines or Parquet, also .gz.
    data
        which rows.
    seed
        of the draw.

    Returns
    -------
    tuple[ExperimentRows, dict[str, int]]
        The rows in the order of the file, and how many rows of each specialty there were to draw from.

    Raises
    ------
    LeakageError
        the file is missing or cannot be used, or a specialty has fewer than four rows.
    """
    if not path.is_file():
        raise LeakageError(f"data: there is no file {path}. Give a file of labelled rows.")
    options = ReaderOptions(
        text_column=data.text_column, label_column=data.label_column, minimum_characters=1
    )

    def opener() -> BinaryIO:
        return path.open("rb")

    wanted = {label_key(name): name for name in data.specialties}
    of_specialty: dict[str, list[tuple[int, str]]] = {name: [] for name in data.specialties}
    details: list[str] = []
    for chunk in read_landing_file(opener, path.name, options):
        kept = chunk.kept.select(["source_row", "text", "label"]).to_pydict()
        for number, text, label in zip(kept["source_row"], kept["text"], kept["label"], strict=True):
            name = wanted.get(label_key(label or ""))
            cleaned = clean_text(text) if name is not None else ""
            if name is not None and cleaned:
                of_specialty[name].append((number, cleaned))
        details += [
            detail
            for row, detail in zip(
                chunk.rejected.column("source_row").to_pylist(),
                chunk.rejected.column("detail").to_pylist(),
                strict=True,
            )
            if row == 0
        ]
    if details:
        raise LeakageError(f"{path}: {details[0]}.")
    found = {name: len(rows) for name, rows in of_specialty.items()}
    few = [f"{name} ({count})" for name, count in found.items() if count < 4]
    if few:
        raise LeakageError(
            f"{path}: too few rows of {', '.join(few)}; expected at least 4 of each specialty in the column "
            f"{data.label_column!r}. Check data.specialties and data.label_column of the preset."
        )
    generator = np.random.default_rng((seed, 0))
    drawn: list[tuple[int, str, str]] = []
    for name, rows in of_specialty.items():
        count = min(len(rows), data.rows_per_specialty)
        places = np.sort(generator.choice(len(rows), size=count, replace=False)).tolist()
        drawn += [(rows[place][0], rows[place][1], name) for place in places]
    drawn.sort()
    return ExperimentRows(
        ids=[f"{number:012d}" for number, _, _ in drawn],
        texts=[text for _, text, _ in drawn],
        labels=[label for _, _, label in drawn],
    ), found


def held_out_rows(rows: ExperimentRows, split: SplitPreset, *, seed: int) -> tuple[BoolArray, list[str]]:
    """Draw which rows are held out.

    Returns
    -------
    tuple[BoolArray, list[str]]
        bool [n], and per row the unit that the split deals out as a whole.
    """
    units = split_units(rows, split.by)
    names, unit_of = np.unique(units, return_inverse=True)
    place = np.random.default_rng((seed, 1)).permutation(len(names))[unit_of.reshape(-1)]
    held_out = place < round(split.held_out_share * len(names))
    return np.asarray(held_out, dtype=np.bool_), units


def split_units(rows: ExperimentRows, by: str) -> list[str]:
    """Per row what a split keeps together: the row itself, its text, or its near-duplicate group."""
    if by == "row":
        return list(rows.ids)
    if by == "text":
        return [str(number) for number in rows.text_numbers.tolist()]
    return duplicate_groups(rows.ids, signatures(rows.texts))


def in_training_text(rows: ExperimentRows, held_out: Sequence[bool] | BoolArray) -> BoolArray:
    """bool [n]: rows whose very text stands in a row that is trained on."""
    numbers, held = rows.text_numbers, np.asarray(held_out, dtype=np.bool_)
    return np.asarray(np.isin(numbers, numbers[~held]))
