"""The cases that take part: their levels, splits, groups, and what is known besides note and picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from medembed_pipeline.evaluation.jackknife import group_numbers
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray
from medembed_pipeline.triage.errors import TriageError
from medembed_pipeline.triage.settings import TriageSettings
from medembed_pipeline.words import read_words

TRAIN, VALIDATION, TEST = "train", "validation", "test"
OTHER: Final = "other"
_SCALES = Path(__file__).parent / "data" / "levels.toml"
_SHOWN_LENGTH: Final = 40
_OWN: Final = ("age", "sex", "view", "source")


@dataclass(frozen=True)
class Levels:
    """What is predicted.

    Attributes
    ----------
    names
        two or more; from the least to the most urgent where they have an order.
    ordered
        whether they have one. Of two levels of which the second is what is looked for, they have.
    """

    names: tuple[str, ...]
    ordered: bool


@dataclass(frozen=True)
class TriageCases:
    """Cases with a level that is learned, sorted by id; or none, and why.

    Attributes
    ----------
    case_ids
        n ids.
    notes, image_ids
        of each; None where it has none.
    level
        int64 [n], place among `levels.names`.
    split
        of each: train, validation or test.
    groups
        int64 [n], numbers from 0: patient and near-duplicates.
    columns
        by name what else is known of each; None where nothing is.
    levels
        what is predicted.
    facts
        counts: who takes part, who is left out.
    why_empty
        what is needed where nothing can be learned; then there are no cases.
    """

    case_ids: list[str]
    notes: list[str | None]
    image_ids: list[str | None]
    level: IntArray
    split: np.ndarray
    groups: IntArray
    columns: Mapping[str, list[Any]]
    levels: Levels
    facts: dict[str, Any]
    why_empty: str | None = None

    def __len__(self) -> int:
        return len(self.case_ids)

    @property
    def membership(self) -> FloatArray:
        """float64 [n, levels], 1.0 at the level of each."""
        return np.eye(len(self.levels.names))[self.level]

    def has(self, part: str) -> BoolArray:
        """Which cases have a note, or a picture; metadata all have. bool [n]."""
        if part == "metadata":
            return np.ones(len(self), dtype=np.bool_)
        values = self.notes if part == "note" else self.image_ids
        return np.array([value is not None for value in values], dtype=np.bool_)

    def rows(self, split: str, parts: Sequence[str] = ()) -> IntArray:
        """Places of the cases of a split that have all of some parts."""
        chosen = self.split == split
        for part in parts:
            chosen = chosen & self.has(part)
        return np.flatnonzero(chosen)

    def without(self, why: str) -> TriageCases:
        """None of them, and why."""
        empty = np.zeros(0, dtype=np.int64)
        return replace(
            self,
            case_ids=[],
            notes=[],
            image_ids=[],
            level=empty,
            split=np.zeros(0, dtype="<U10"),
            groups=empty,
            columns={name: [] for name in self.columns},
            why_empty=why,
        )


def triage_cases(cases: pa.Table, splits: pa.Table, settings: TriageSettings) -> TriageCases:
    """Those of `paired_cases` that take part.

    A case without a level, of a view that is not asked for, or of a level that too few train patients have, is left out
    and counted. With one level, or too few patients, nothing is left.

    Parameters
    ----------
    cases
        columns of `paired_cases`.
    splits
        columns of `case_splits`.
    settings
        of the room.

    Raises
    ------
    TriageError
        the settings name a column that no case has.
    """
    dealt = splits.to_pydict()
    split_of = dict(zip(dealt["case_id"], dealt["split"], strict=True))
    group_of = dict(zip(dealt["case_id"], dealt["group"], strict=True))
    every = sorted(cases.to_pylist(), key=lambda row: row["case_id"])
    _refuse_unknown_columns(every, settings)
    views = {view.casefold() for view in settings.views}
    seen = [row for row in every if not views or (row["view"] or "").casefold() in views]
    labelled = [row for row in seen if row["label"] is not None]
    patients: dict[str, set[str]] = {}
    for row in labelled:
        if split_of[row["case_id"]] == TRAIN:
            patients.setdefault(_name(row["label"], settings), set()).add(group_of[row["case_id"]])
    known = {name for name, groups in patients.items() if len(groups) >= settings.smallest_level_patients} & (
        set(settings.levels) if settings.levels and not settings.positive else set(patients)
    )
    levels = _levels(sorted(known), settings)
    place = {name: at for at, name in enumerate(levels.names)}
    kept = [row for row in labelled if _name(row["label"], settings) in place]
    dropped = Counter(name for row in labelled if (name := _name(row["label"], settings)) not in place)
    ids = [row["case_id"] for row in kept]
    found = TriageCases(
        ids,
        [row["note"] for row in kept],
        [row["image_id"] for row in kept],
        np.array([place[_name(row["label"], settings)] for row in kept], dtype=np.int64),
        np.array([split_of[case] for case in ids], dtype="<U10"),
        group_numbers([group_of[case] for case in ids]),
        {name: [_value(row, name) for row in kept] for name in _names(settings)},
        levels,
        {
            "cases": len(every),
            "taking_part": len(kept),
            "patients": len({group_of[case] for case in ids}),
            "without_note": sum(row["note"] is None for row in kept),
            "without_picture": sum(row["image_id"] is None for row in kept),
            "without_level": len(seen) - len(labelled),
            "of_other_views": len(every) - len(seen),
            "levels": [
                {
                    "level": shown_level(name),
                    "cases": sum(_name(row["label"], settings) == name for row in kept),
                }
                for name in levels.names
            ],
            "of_levels_left_out": sum(dropped.values()),
            "levels_left_out": len(dropped),
            "ordered": levels.ordered,
        },
    )
    why = _why_empty(found, settings)
    return found.without(why) if why else found


def _why_empty(cases: TriageCases, settings: TriageSettings) -> str | None:
    facts, names = cases.facts, cases.levels.names
    if not facts["cases"]:
        return "there are no pictures and no table in landing_images/"
    if not facts["taking_part"] and facts["without_level"]:
        return (
            f"{facts['without_level']} cases have no triage level or outcome, or none of the levels has "
            f"{settings.smallest_level_patients} train patients; name the column in [images] label_column"
        )
    if len(names) < 2:
        told = f"only {shown_level(names[0])}" if names else "none"
        return (
            f"of the levels {told} has {settings.smallest_level_patients} train patients or more; two levels are "
            "needed"
        )
    groups = len(set(cases.groups.tolist()))
    if groups < settings.minimum_patients:
        return f"{groups} patients; at least {settings.minimum_patients} are needed"
    for split in (TRAIN, VALIDATION, TEST):
        there = len(np.unique(cases.level[cases.rows(split)]))
        if there < 2:
            return f"the {split} split has cases of {there} level; patients of two levels are needed in every split"
    return None


def shown_level(name: str) -> str:
    """A level as counts show it: where a column of texts was taken for levels, no text reaches Dagster's database."""
    return name if len(name) <= _SHOWN_LENGTH else "(a long label)"


def _name(label: str, settings: TriageSettings) -> str:
    if not settings.positive:
        return label
    return _positive(settings) if label in settings.positive else OTHER


def _positive(settings: TriageSettings) -> str:
    return ", ".join(settings.positive)


def _levels(known: list[str], settings: TriageSettings) -> Levels:
    if settings.positive:
        return Levels(tuple(name for name in (OTHER, _positive(settings)) if name in known), True)
    if settings.levels:
        return Levels(tuple(name for name in settings.levels if name in known), True)
    folded = {name.casefold(): name for name in known}
    for scale in read_words(_SCALES)["scales"]:
        if len(folded) == len(known) and set(folded) <= set(scale):
            return Levels(tuple(folded[name] for name in scale if name in folded), True)
    return Levels(tuple(known), False)


def _names(settings: TriageSettings) -> list[str]:
    return list(dict.fromkeys([*_OWN, *settings.metadata, *settings.slices]))


def _value(row: Mapping[str, Any], name: str) -> Any:
    if name in _OWN:
        return row[name]
    return next((one["value"] for one in row["more"] if one["column"] == name), None)


def _refuse_unknown_columns(rows: Sequence[Mapping[str, Any]], settings: TriageSettings) -> None:
    if not rows:
        return
    more = {one["column"] for row in rows for one in row["more"]}
    for table, names in (("metadata", settings.metadata), ("slices", settings.slices)):
        lost = [name for name in names if name not in more | set(_OWN)]
        if lost:
            raise TriageError(
                f"[triage] {table}: no case has a column {', '.join(lost)}. There are "
                f"{', '.join([*_OWN, *sorted(more)])}; [images] more_columns keeps further columns of the landed "
                "tables with the cases."
            )
