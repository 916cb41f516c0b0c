"""What is searched: a list of parameters, each with its values. Loads no Optuna."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medembed_pipeline.study.errors import StudyError

Value = float | int | str | bool
"""Of a parameter."""

Values = Mapping[str, Value]
"""A value for each parameter, by name."""


@dataclass(frozen=True)
class Real:
    """A number between two ends, both included.

    Attributes
    ----------
    name
        of the parameter.
    low, high
        its ends.
    log
        whether equal ratios count as equal steps; then `low` is above 0.

    Raises
    ------
    StudyError
        the ends are not finite and in order, or a logarithm has no beginning.
    """

    name: str
    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        _check_ends(self)

    def holds(self, value: Any) -> bool:
        """Whether it is one of the values."""
        return (
            isinstance(value, (int, float)) and not isinstance(value, bool) and self.low <= value <= self.high
        )


@dataclass(frozen=True)
class Whole:
    """A whole number between two ends, both included; see `Real`."""

    name: str
    low: int
    high: int
    log: bool = False

    def __post_init__(self) -> None:
        _check_ends(self)
        if int(self.low) != self.low or int(self.high) != self.high:
            raise StudyError(
                f"{self.name}: whole numbers are between whole numbers, not {self.low} and {self.high}."
            )

    def holds(self, value: Any) -> bool:
        """Whether it is one of the values."""
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True)
class Choice:
    """One of several values without an order.

    Attributes
    ----------
    name
        of the parameter.
    options
        its values, all of one type.

    Raises
    ------
    StudyError
        fewer than two, one twice, or values of several types.
    """

    name: str
    options: tuple[Value, ...]

    def __post_init__(self) -> None:
        if len(set(self.options)) < max(2, len(self.options)) or len(set(map(type, self.options))) > 1:
            raise StudyError(
                f"{self.name}: expected two or more values of one type, each once, not {list(self.options)}."
            )

    def holds(self, value: Any) -> bool:
        """Whether it is one of the values."""
        return type(value) is type(self.options[0]) and value in self.options


Parameter = Real | Whole | Choice


class Space(Sequence[Parameter]):
    """The parameters of a study, each named once.

    Raises
    ------
    StudyError
        there is none, or two have one name.
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self._parameters = tuple(parameters)
        names = self.names
        if not names or len(set(names)) < len(names):
            raise StudyError(f"a study needs one parameter or more, each named once, not {names}.")

    @property
    def names(self) -> list[str]:
        """Of the parameters, in their order."""
        return [parameter.name for parameter in self._parameters]

    def __getitem__(self, place: Any) -> Any:
        return self._parameters[place]

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._parameters)

    def held(self, values: Values) -> dict[str, Value]:
        """Those of the values that lie in the space, by name."""
        found = {}
        for parameter in self._parameters:
            value = values.get(parameter.name)
            if isinstance(parameter, Real) and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)
            if parameter.holds(value):
                found[parameter.name] = value
        return found  # type: ignore[return-value]

    def described(self) -> list[dict[str, Any]]:
        """A record per parameter, JSON-able: `name`, `kind`, `low`, `high`, `log`, `options`."""
        return [_described(parameter) for parameter in self._parameters]


def _described(parameter: Parameter) -> dict[str, Any]:
    if isinstance(parameter, Choice):
        return {
            "name": parameter.name,
            "kind": "choice",
            "low": None,
            "high": None,
            "log": False,
            "options": ", ".join(map(str, parameter.options)),
        }
    kind = "whole" if isinstance(parameter, Whole) else "real"
    return {
        "name": parameter.name,
        "kind": kind,
        "low": parameter.low,
        "high": parameter.high,
        "log": parameter.log,
        "options": "",
    }


def _check_ends(parameter: Real | Whole) -> None:
    low, high = parameter.low, parameter.high
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise StudyError(f"{parameter.name}: expected two finite ends in order, not {low} and {high}.")
    if parameter.log and low <= 0:
        raise StudyError(f"{parameter.name}: on a logarithmic scale the lower end is above 0, not {low}.")
