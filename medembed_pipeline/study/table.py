"""The table of a study: a row per trial."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from medembed_pipeline.lake.fields import described
from medembed_pipeline.study.errors import StudyError
from medembed_pipeline.study.space import Parameter, Real, Space, Whole
from medembed_pipeline.study.trial import TrialRecord

_BEFORE = [
    described("number", pa.int64(), "number of the trial, from 0 on; the first one has the defaults"),
    described("state", pa.string(), "complete, pruned (ended early by the median of the others), or failed"),
    described(
        "score",
        pa.float64(),
        "mean of the folds' scores, higher is better; null unless complete",
        nullable=True,
    ),
    described("fold_scores", pa.list_(pa.float64()), "score of each fold; empty unless complete"),
    described("allowed", pa.bool_(), "whether it keeps everything that must be kept, as far as it went"),
    described("broken", pa.list_(pa.string()), "what it does not keep"),
    described("best", pa.bool_(), "whether it is the best of all trials that are complete and allowed"),
]
_AFTER = [
    described(
        "steps", pa.list_(pa.int64()), "points at which a score was reported on the way, such as epochs"
    ),
    described(
        "step_scores", pa.list_(pa.float64()), "the score at each of them, by which trials are ended early"
    ),
    described("looks", pa.int64(), "how many models this trial scored on the validation notes"),
    described("looks_so_far", pa.int64(), "how many it and all trials before it scored on them"),
    described("seconds", pa.float64(), "how long it took"),
    described("problem", pa.string(), "why it failed; empty otherwise"),
]
_RESERVED = {field.name for field in [*_BEFORE, *_AFTER]}
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def trials_schema(
    space: Space, about: Mapping[str, str] | None = None, figures: Mapping[str, str] | None = None
) -> pa.Schema:
    """The columns of a study's table; parameters and figures stand in the middle, under their own names.

    Parameters
    ----------
    space
        what is searched.
    about
        what each parameter is, by name.
    figures
        what each figure is that trials note, by name.

    Raises
    ------
    StudyError
        a parameter or figure has the name of another column, or is not named in small letters.
    """
    names = [*space.names, *(figures or {})]
    for name in names:
        if name in _RESERVED or not _NAME.fullmatch(name) or names.count(name) > 1:
            raise StudyError(
                f"parameter or figure {name!r}: expected small letters, digits and _, each once, and none of "
                f"{sorted(_RESERVED)}."
            )
    parameters = [
        described(one.name, _type(one), f"searched: {(about or {}).get(one.name, 'a parameter')}")
        for one in space
    ]
    noted = [
        described(name, pa.float64(), f"{what}; null unless noted", nullable=True)
        for name, what in (figures or {}).items()
    ]
    return pa.schema([*_BEFORE, *parameters, *noted, *_AFTER])


def trial_table(
    records: Sequence[TrialRecord], space: Space, figures: Mapping[str, str] | None = None
) -> pa.Table:
    """The trials as a table, by number; without `figures`, those that were noted are the columns."""
    if figures is None:
        figures = {name: "noted by the objective" for one in records for name in sorted(one.figures)}
    ordered = sorted(records, key=lambda record: record.number)
    best = best_trial(ordered)
    rows: list[dict[str, Any]] = []
    looks = 0
    for one in ordered:
        looks += one.looks
        rows.append(
            {
                "number": one.number,
                "state": one.state,
                "score": one.mean,
                "fold_scores": one.fold_scores,
                "allowed": not one.broken,
                "broken": one.broken,
                "best": best is not None and one.number == best.number,
                **{name: one.values[name] for name in space.names},
                **{name: one.figures.get(name) for name in figures},
                "steps": list(one.steps),
                "step_scores": list(one.steps.values()),
                "looks": one.looks,
                "looks_so_far": looks,
                "seconds": one.seconds,
                "problem": one.problem,
            }
        )
    return pa.Table.from_pylist(rows, schema=trials_schema(space, figures=figures))


def best_trial(records: Sequence[TrialRecord]) -> TrialRecord | None:
    """The complete trial with the highest mean of those that keep every limit, of equal ones the earliest."""
    candidates = [one for one in records if one.state == "complete" and not one.broken]
    return max(candidates, key=lambda one: (one.mean or 0.0, -one.number), default=None)


def _type(parameter: Parameter) -> pa.DataType:
    if isinstance(parameter, Real):
        return pa.float64()
    if isinstance(parameter, Whole):
        return pa.int64()
    kinds = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
    return kinds[type(parameter.options[0])]
