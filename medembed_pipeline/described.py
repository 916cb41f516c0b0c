"""What each table is: rooms say it as they declare their stages; docs/tables.md and the page ask. Knows no Dagster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from medembed_pipeline.pictures.specification import Figure, Known
from medembed_pipeline.rooms import modules_of_rooms

Figures = Callable[[Sequence[Mapping[str, Any]], Known], Sequence[Figure]]
"""Makes the figures of a table out of its rows, of which there is at least one."""


@dataclass(frozen=True)
class OnPage:
    """How the page takes a table: as it is, but for note ids, which become positions.

    Attributes
    ----------
    ids
        columns that hold a note id, or a list of them.
    mixed
        columns that hold a note id in the rows of some figures (column `figure`), and a name in the others.
    mixed_figures
        those figures.
    """

    ids: tuple[str, ...] = ()
    mixed: tuple[str, ...] = ()
    mixed_figures: tuple[str, ...] = ()


@dataclass(frozen=True)
class DescribedTable:
    """A table of the lake.

    Attributes
    ----------
    one_row
        what one row is.
    schema
        its columns, each with a description.
    page
        how the page takes it; None where it shows it in another way, or not at all.
    figures
        drawn for the UI as the table is published, and on the page; None where it has none.
    more
        Markdown that docs/tables.md has below the columns.
    """

    one_row: str
    schema: pa.Schema
    page: OnPage | None = None
    figures: Figures | None = None
    more: str = ""


_tables: dict[str, tuple[str, DescribedTable]] = {}


def described_tables() -> dict[str, DescribedTable]:
    """Every table that a room has declared, by name, in the order of the rooms and of their declarations."""
    places = {module.__name__: place for place, module in enumerate(modules_of_rooms("assets"))}
    declared = sorted(_tables.items(), key=lambda item: places.get(item[1][0], len(places)))
    return {name: table for name, (_, table) in declared}


def describe_table(name: str, table: DescribedTable, *, module: str) -> None:
    """Say what a table is that no `@stage` makes.

    Parameters
    ----------
    name
        of the table.
    table
        what it is.
    module
        `__name__` of the room's `assets.py` that makes it.
    """
    _tables[name] = (module, table)
