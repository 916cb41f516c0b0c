"""A table as the page takes it: rows, with what is known of where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from medembed_pipeline.report.errors import ReportError


@dataclass(frozen=True)
class ShownTable:
    """One table of the lake, or one made without a lake.

    Attributes
    ----------
    rows
        the table; large ones may be cut to the rows and columns that the page shows.
    facts
        the counts kept beside it.
    settings
        the parameters that reached it, by the name of their section's class.
    inputs
        data version of what it was made from.
    data_version
        of the table.
    """

    rows: pa.Table
    facts: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    data_version: str = ""


class NoteIndex:
    """Positions of notes in the page, by their ids.

    Parameters
    ----------
    note_ids
        n different ids, in the order of the page.
    """

    def __init__(self, note_ids: pa.Array | pa.ChunkedArray) -> None:
        self._ids = note_ids.combine_chunks() if isinstance(note_ids, pa.ChunkedArray) else note_ids
        self._position = {name: row for row, name in enumerate(self._ids.to_pylist())}

    def __len__(self) -> int:
        return len(self._position)

    def __contains__(self, note_id: object) -> bool:
        return note_id in self._position

    def of(self, note_id: str, table: str) -> int:
        """The position of one note.

        Raises
        ------
        ReportError
            `table` names a note that is not among the cleaned notes.
        """
        position = self._position.get(note_id)
        if position is None:
            raise _unknown(table, note_id)
        return position

    def of_column(self, column: pa.ChunkedArray | pa.Array, table: str) -> Any:
        """The positions of a column of ids, int64 [n].

        Raises
        ------
        ReportError
            as in `of`.
        """
        from medembed_pipeline.lake import compute as pc

        found = pc.fill_null(pc.index_in(column, value_set=self._ids), -1)
        positions = found.to_numpy(zero_copy_only=False) if isinstance(found, pa.Array) else found.to_numpy()
        if len(positions) and positions.min() < 0:
            raise _unknown(table, column[int(positions.argmin())].as_py())
        return positions.astype("int64")


def _unknown(table: str, note_id: str) -> ReportError:
    return ReportError(
        f"{table}: the note {note_id} is not among cleaned_notes, so the two were not made from the same notes. "
        f"Materialize {table.partition(' ')[0]} again, then report."
    )
