"""What a room's settings are made of, and how a wrong value is refused."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from medembed_pipeline.errors import MedembedError

Value = TypeVar("Value")
Model = TypeVar("Model", bound=BaseModel)


class SettingsError(MedembedError):
    """A setting that cannot be used: the message names the file, the key, the value, and what is allowed."""


class Section(BaseModel):
    """One table of `medembed.toml`: unknown keys are refused, values are checked where they enter.

    A room declares its own in its `settings.py`: `class MySettings(Section, table="my_table")`, each field with a
    description, a range and a default. The settings file and the launchpad follow from it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    table: ClassVar[str] = ""
    """Name of the table; empty for a section that is no table of the file."""

    operational: ClassVar[frozenset[str]] = frozenset()
    """Fields that change how fast or where the work is done, not what comes out: in no version."""

    def __init_subclass__(cls, *, table: str = "", **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.table = table

    def result_values(self) -> dict[str, Any]:
        """The fields that reach the result, JSON-able."""
        return self.model_dump(mode="json", exclude=set(self.operational))


def only(values: list[Value], allowed: tuple[Value, ...]) -> list[Value]:
    """The values, for a validator: each one of `allowed`, none of them twice."""
    wrong = [value for value in values if value not in allowed]
    if wrong or len(set(values)) < len(values):
        raise ValueError(f"each of {list(allowed)} may stand here once")
    return values


def validate(model: type[Model], values: dict[str, Any], *, where: str) -> Model:
    """Build `model` from `values`, with an error that a person can act on.

    Raises
    ------
    SettingsError
        naming `where`, each key, its value, and what is allowed.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        lines = [_problem(item) for item in error.errors()]
        raise SettingsError(f"{where}: " + "; ".join(lines)) from None


def _problem(item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"]) or "(whole section)"
    if item["type"] == "extra_forbidden":
        return f"{key}: unknown key; the fields and their ranges stand in medembed.toml"
    message = str(item["msg"]).removeprefix("Value error, ")
    if isinstance(item["input"], dict):
        return f"{key}: {message}"
    return f"{key} = {item['input']!r}: {message}"
