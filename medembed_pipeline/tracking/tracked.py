"""What a tracker is told: numbers by name, and the settings they came of."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.fingerprint import digest

LONGEST = 250
"""Letters of a setting at most: MLflow refuses 500, and a setting that long is none."""

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_\-. /]+")

Points = Sequence[tuple[int, float]]


@dataclass(frozen=True)
class TrackedRun:
    """One training, study, trial or verdict.

    Attributes
    ----------
    kind
        which of them.
    name
        shown.
    version
        of the result: a run of the same kind and version is told once.
    settings
        numbers, flags, and words of the settings.
    numbers
        by name; those that are no finite number are left out.
    series
        step and value, by name.
    children
        trials of a study.

    Raises
    ------
    MedembedError
        something else than a number or a short setting is among them.
    """

    kind: str
    name: str
    version: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    numbers: Mapping[str, Any] = field(default_factory=dict)
    series: Mapping[str, Points] = field(default_factory=dict)
    children: Sequence[TrackedRun] = ()

    def __post_init__(self) -> None:
        for name, value in self.settings.items():
            if not isinstance(value, (bool, int, float, str)) or len(str(value)) > LONGEST:
                raise MedembedError(
                    f"tracking: the setting {name} of {self.kind} {self.name} is no number, flag or short word; it is "
                    "not told to a tracker."
                )
        for name, value in self.numbers.items():
            if value is not None and not isinstance(value, (bool, int, float)):
                raise MedembedError(
                    f"tracking: {name} of {self.kind} {self.name} is no number; it is not told to a tracker."
                )

    @property
    def key(self) -> str:
        """32 hex by which it is known."""
        return digest([self.kind, self.version])[:32]

    def finite_numbers(self) -> dict[str, float]:
        """The numbers, by names that every tracker takes."""
        return {
            plain_name(name): float(value)
            for name, value in self.numbers.items()
            if value is not None and math.isfinite(value)
        }

    def finite_series(self) -> dict[str, list[tuple[int, float]]]:
        """The series, likewise."""
        return {
            plain_name(name): [(int(step), float(value)) for step, value in points if math.isfinite(value)]
            for name, points in self.series.items()
        }


def plain_name(name: str) -> str:
    """A name of letters, digits, and what MLflow allows besides: `precision@5` is `precision_5`."""
    return _NOT_IN_NAMES.sub("_", name)


def plain_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a tracker takes them: lists joined, what is no setting or too long left out."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, (list, tuple)):
            value = ", ".join(map(str, value))
        if isinstance(value, (bool, int, float, str)) and len(str(value)) <= LONGEST:
            found[plain_name(name)] = value
    return found
