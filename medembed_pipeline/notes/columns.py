"""Which column of a landed file holds the text, which the label, and what the others are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medembed_pipeline.words import read_words

_WORDS = Path(__file__).parent / "data" / "columns.toml"
_NAMES_SHOWN = 20
_PLAUSIBLE_NAME = re.compile(r"[^\W\d][\w.\-]{0,31}( [\w.\-]{1,16}){0,2}")


class NoTextColumnError(Exception):
    """No column of a file holds the text; the message is fit for `rejected_rows.detail`."""


@dataclass(frozen=True)
class ColumnMap:
    """Positions of the columns of one file.

    `text` and `label` are positions (label None where the file has none); `other` the remaining positions in
    file order, and `other_names` their names: trimmed, `unnamed_<position>` where empty, `_2`, `_3`, ...
    where repeated.
    """

    text: int
    label: int | None
    other: tuple[int, ...]
    other_names: tuple[str, ...]
    width: int


def accepted_names(setting: str) -> tuple[str, ...]:
    """Names that a column is found by where the setting ("text_column", ...) is empty, the preferred one first."""
    names: tuple[str, ...] = read_words(_WORDS)[setting]
    return names


def is_no_value(cell: str) -> bool:
    """Whether a trimmed cell is empty, or says that there is nothing in it."""
    return cell.casefold() in read_words(_WORDS)["no_value"]


def map_columns(names: Sequence[str], *, text_column: str = "", label_column: str = "") -> ColumnMap:
    """Find the text and label columns among `names`.

    Names are compared trimmed, without regard to case, a space or hyphen counting as an underscore. A name
    given in `text_column` or `label_column` replaces the accepted names; a `label_column` that is not there
    gives no label. Of columns with the same name the first is used, the others are `other` columns.

    Raises
    ------
    NoTextColumnError
        no column holds the text.
    """
    normalised = [normalised_name(name) for name in names]
    wanted_text = (text_column,) if text_column else accepted_names("text_column")
    wanted_label = (label_column,) if label_column else accepted_names("label_column")
    text = _find(names, normalised, wanted_text, taken=None)
    if text is None:
        wanted = f"the mapped column {text_column!r}" if text_column else "a text column"
        raise NoTextColumnError(f"{wanted} is missing; {describe_names(names)}")
    label = _find(names, normalised, wanted_label, taken=text)
    other = tuple(position for position in range(len(names)) if position not in (text, label))
    return ColumnMap(text, label, other, unique_names(names, other), len(names))


def describe_names(names: Sequence[str]) -> str:
    """The column names for a message, or only their number.

    The first line of a file without a header is a note: names that do not look like names are not shown.
    """
    shown = [name.strip() for name in names]
    if not all(_PLAUSIBLE_NAME.fullmatch(name) for name in shown if name):
        return f"{len(names)} columns found, whose names do not look like a header"
    listed = ", ".join(name or "(no name)" for name in shown[:_NAMES_SHOWN])
    more = f" and {len(shown) - _NAMES_SHOWN} more" if len(shown) > _NAMES_SHOWN else ""
    return f"columns found: {listed}{more}" if shown else "no columns found"


def normalised_name(name: str) -> str:
    """A column's name for comparing: trimmed, without regard to case, a space or hyphen as an underscore."""
    return re.sub(r"[\s\-]+", "_", name.strip().casefold())


def _find(
    names: Sequence[str], normalised: Sequence[str], accepted: Sequence[str], *, taken: int | None
) -> int | None:
    for wanted in accepted:
        for candidates, target in ((names, wanted), (normalised, normalised_name(wanted))):
            for position, name in enumerate(candidates):
                if name == target and position != taken:
                    return position
    return None


def unique_names(names: Sequence[str], positions: Sequence[int]) -> tuple[str, ...]:
    """The names at `positions`, trimmed, none empty and no two alike (see ColumnMap)."""
    wanted = [names[position].strip() or f"unnamed_{position}" for position in positions]
    used: set[str] = set()
    unique = []
    for name in wanted:
        candidate, number = name, 1
        while candidate in used or (number > 1 and candidate in wanted):
            number += 1
            candidate = f"{name}_{number}"
        used.add(candidate)
        unique.append(candidate)
    return tuple(unique)
