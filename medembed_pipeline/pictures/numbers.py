"""Numbers and names as the figures say them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

MINUS = "\N{MINUS SIGN}"


def is_number(value: Any) -> TypeGuard[float]:
    """Whether it is a finite number."""
    return isinstance(value, (int, float)) and math.isfinite(value)


def number(value: Any, digits: int = 3) -> str:
    """0.7312 as "0.731", with a true minus sign; an en dash where it is no number."""
    if not is_number(value):
        return "\N{EN DASH}"
    text = f"{value:.{digits}f}"
    return text.replace("-", MINUS if float(text) else "")


def signed(value: Any, digits: int = 3) -> str:
    """With its sign, also where it is positive: "+0.031"."""
    text = number(value, digits)
    return f"+{text}" if is_number(value) and float(f"{value:.{digits}f}") > 0 else text


def percent(value: Any, digits: int = 0) -> str:
    """0.5 as "50%"."""
    return f"{number(100 * value, digits)}%" if is_number(value) else "\N{EN DASH}"


def with_interval(row: Mapping[str, Any], digits: int = 3, *, sign: bool = False) -> str:
    """A row's `value`, and its interval where it has one: "0.71 (0.68 to 0.74)"."""
    form = signed if sign else number
    said = form(row["value"], digits)
    if not has_interval(row):
        return said
    return f"{said} ({form(row['ci_low'], digits)} to {form(row['ci_high'], digits)})"


def has_interval(row: Mapping[str, Any]) -> bool:
    """Whether both ends are known."""
    return is_number(row.get("ci_low")) and is_number(row.get("ci_high"))


def words(name: str) -> str:
    """A column's name as words."""
    return name.replace("_", " ")


def capital(text: str) -> str:
    """With a capital letter at the start, the rest as it is."""
    return text[:1].upper() + text[1:]


def without_nan(value: Any) -> Any:
    """A JSON-able value in which NaN and infinite numbers are None, at any depth."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: without_nan(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(inner) for inner in value]
    return value
