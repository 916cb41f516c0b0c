"""What a figure is before anybody draws it: its words, its data, and a Vega-Lite specification of its marks.

A figure is written once. `drawing.picture` makes PNG and SVG of it for the UI and the docs; the page embeds it and
draws it with the same library. Colours are named as in the page's style sheet (`--tuned`), which has them for light and
for dark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Row = Mapping[str, Any]
Spec = dict[str, Any]

FONT = "--font"
CONFIG: Spec = {
    "aria": False,
    "background": "--surface",
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "domain": False,
        "ticks": False,
        "gridColor": "--grid",
        "labelColor": "--muted",
        "labelFontSize": 11.5,
        "labelPadding": 6,
        "titleColor": "--muted",
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    },
    "legend": {
        "labelColor": "--muted",
        "labelFontSize": 12.5,
        "labelLimit": 400,
        "orient": "top",
        "symbolSize": 80,
        "title": None,
    },
    "text": {"color": "--text", "fontSize": 13},
    "rule": {"strokeWidth": 2},
}
"""The look of all figures, on paper and on the page."""


@dataclass(frozen=True)
class Drawing:
    """Marks and their data.

    Attributes
    ----------
    data
        rows by the name under which the specification asks for them.
    wide
        Vega-Lite, without data, width and look.
    narrow
        the same for less than 600 pixels, where it differs.
    """

    data: Mapping[str, Sequence[Row]]
    wide: Spec
    narrow: Spec | None = None


@dataclass(frozen=True)
class Choice:
    """What a reader may choose: only rows that have the chosen value in `field`, or no such field, are drawn.

    Attributes
    ----------
    label
        what is chosen.
    field
        of the data.
    options
        value and name of each.
    chosen
        the value that is drawn first, and in the picture.
    state
        under which name the page keeps it in its address; empty where it does not.
    """

    label: str
    field: str
    options: tuple[tuple[str, str], ...]
    chosen: str
    state: str = ""


@dataclass(frozen=True)
class Figure:
    """One figure, in words and marks.

    Attributes
    ----------
    name
        a lower-case word or several joined by `_`: the picture's file, and how a section of the page asks for it.
    title
        what it shows.
    reading
        how to read it, and what would be good.
    label
        for who does not see it.
    drawing
        what is drawn.
    choices
        of the reader.
    in_ui
        whether it may be kept in Dagster's database; not where it names values of landing columns.
    """

    name: str
    title: str
    reading: str
    label: str
    drawing: Drawing
    choices: tuple[Choice, ...] = ()
    in_ui: bool = True

    def to_json(self) -> dict[str, Any]:
        """As the page embeds it."""
        return {
            "title": self.title,
            "reading": self.reading,
            "label": self.label,
            "choices": [vars(choice) for choice in self.choices],
            "data": dict(self.drawing.data),
            "wide": self.drawing.wide,
            "narrow": self.drawing.narrow,
        }

    def chosen_data(self) -> dict[str, list[Row]]:
        """The rows that are drawn before anybody has chosen."""
        return {
            name: [
                row
                for row in rows
                if all(row.get(one.field, one.chosen) == one.chosen for one in self.choices)
            ]
            for name, rows in self.drawing.data.items()
        }


class Note(NamedTuple):
    """What a figure may say of a note: never its text."""

    note_id: str
    specialties: Sequence[str]

    @property
    def label(self) -> str:
        """Its specialties."""
        return ", ".join(self.specialties) or "no specialty"

    @property
    def words(self) -> str:
        """Its specialties, and the beginning of its id."""
        return f"{self.label}, {self.note_id[:8]}"


@dataclass(frozen=True)
class Known:
    """What is known besides a table's rows, by whom a figure is drawn.

    Attributes
    ----------
    facts
        counts and short values by asset and name.
    settings
        by section and field.
    notes
        by what a table names them by: their id, or their position in the page.
    """

    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notes: Mapping[str, Note] = field(default_factory=dict)

    def fact(self, asset: str, name: str) -> Any:
        """None where it is not known."""
        return self.facts.get(asset, {}).get(name)

    def setting(self, section: str, name: str, otherwise: Any = None) -> Any:
        """`otherwise` where it is not known."""
        found = self.settings.get(section, {}).get(name)
        return otherwise if found is None else found
