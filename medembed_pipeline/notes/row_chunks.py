"""Rows as they come out of the landing reader: Arrow batches of kept and of rejected rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

KEPT_SCHEMA: Final = pa.schema(
    [
        pa.field("source_file", pa.string(), nullable=False),
        pa.field("source_row", pa.int64(), nullable=False),
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("encoding", pa.string(), nullable=False),
        pa.field("other", pa.map_(pa.string(), pa.string()), nullable=False),
    ]
)
REJECTED_SCHEMA: Final = pa.schema(
    [
        pa.field("source_file", pa.string(), nullable=False),
        pa.field("source_row", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("row_bytes", pa.binary(), nullable=False),
    ]
)

LABEL_LIST_SEPARATOR: Final = "\x1f"
"""Joins the labels of one row where the file gave a list of them (JSON Lines, Parquet)."""

CHUNK_BYTES: Final = 16 * 1024**2
WHOLE_FILE_BYTES_KEPT: Final = 200


@dataclass(frozen=True)
class RowChunk:
    """Some rows of one file, in file order: `kept` (KEPT_SCHEMA), `rejected` (REJECTED_SCHEMA).

    `rows_read` counts the records taken from the file, and one more for each trouble of the file as a whole,
    apart from what became of them; over a file it equals kept + rejected. `other_names` are the names in
    `kept.other`, in order of appearance.
    """

    source_file: str
    kept: pa.RecordBatch
    rejected: pa.RecordBatch
    rows_read: int
    other_names: tuple[str, ...]


class OtherColumns:
    """The names of a row's other columns, with what the row id needs of them."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.sorted_for_id = [(f"{len(name)}:{name}", self.names.index(name)) for name in sorted(self.names)]


class ChunkBuilder:
    """Collects the rows of one file and turns them into chunks.

    Call `count_row` for each record read, which gives its number, then `keep` or `reject`; take `finish()`
    whenever `full`, and at the end.
    """

    def __init__(self, source_file: str, *, minimum_characters: int, chunk_rows: int) -> None:
        self.source_file = source_file
        self.encoding = ""
        self.row = 0
        self.full = False
        self._minimum_characters = minimum_characters
        self._chunk_rows = chunk_rows
        self._reset()

    def _reset(self) -> None:
        self.full = False
        self._rows_read = 0
        self._bytes = 0
        self._rows: list[int] = []
        self._ids: list[str] = []
        self._texts: list[str] = []
        self._labels: list[str | None] = []
        self._keys: list[str] = []
        self._values: list[str | None] = []
        self._offsets: list[int] = [0]
        self._other_names: dict[str, None] = {}
        self._layout: OtherColumns | None = None
        self._rejected: list[tuple[int, str, str, bytes]] = []

    def count_row(self) -> int:
        """Number the next record of the file, from 1."""
        self.row += 1
        self._rows_read += 1
        return self.row

    def keep(
        self,
        row: int,
        text: str,
        label: str | None,
        layout: OtherColumns,
        values: Sequence[str | None],
        size: int,
    ) -> tuple[str, str] | None:
        """Keep a row of `size` bytes; `values` are those of `layout.names`, in their order.

        Returns None, or, where the row will not do, the reason and detail with which the caller is to reject
        it.
        """
        if len(text) < self._minimum_characters or not text or text[0].isspace() or text[-1].isspace():
            length = len(text.strip())
            if not length:
                return "no_text", "the text cell is empty"
            if length < self._minimum_characters:
                return "too_short", f"{length} characters, fewer than {self._minimum_characters}"
        if label is not None and not label.strip():
            label = None
        try:
            row_id = content_id(text, label, layout, values)
        except UnicodeEncodeError:
            return "undecodable_bytes", "a cell holds what UTF-8 cannot hold"
        if layout is not self._layout:
            self._layout = layout
            self._other_names.update(dict.fromkeys(layout.names))
        self._rows.append(row)
        self._ids.append(row_id)
        self._texts.append(text)
        self._labels.append(label)
        self._keys.extend(layout.names)
        self._values.extend(values)
        self._offsets.append(len(self._keys))
        self._grow(size)
        return None

    def reject(self, row: int, reason: str, detail: str, row_bytes: bytes) -> None:
        """Put a row that was counted aside."""
        self._rejected.append((row, reason, detail, row_bytes))
        self._grow(len(row_bytes))

    def reject_file(self, reason: str, detail: str, row_bytes: bytes = b"") -> None:
        """Put the file aside (row 0), or, where rows were read, the rest of it (the next row's number)."""
        self._rows_read += 1
        row = self.row + 1 if self.row else 0
        self._rejected.append((row, reason, detail, row_bytes[:WHOLE_FILE_BYTES_KEPT]))

    def _grow(self, size: int) -> None:
        self._bytes += size
        if self._bytes >= CHUNK_BYTES or len(self._rows) + len(self._rejected) >= self._chunk_rows:
            self.full = True

    def finish(self) -> RowChunk:
        """Everything since the last call, as Arrow."""
        count = len(self._rows)
        other = pa.MapArray.from_arrays(
            pa.array(self._offsets, pa.int32()),
            pa.array(self._keys, pa.string()),
            pa.array(self._values, pa.string()),
        )
        kept = pa.RecordBatch.from_arrays(
            [
                _repeated(self.source_file, count),
                pa.array(self._rows, pa.int64()),
                pa.array(self._ids, pa.string()),
                pa.array(self._texts, pa.string()),
                pa.array(self._labels, pa.string()),
                _repeated(self.encoding, count),
                other,
            ],
            schema=KEPT_SCHEMA,
        )
        rejected = rejected_batch(self.source_file, self._rejected)
        chunk = RowChunk(self.source_file, kept, rejected, self._rows_read, tuple(self._other_names))
        self._reset()
        return chunk


def rejected_batch(source_file: str, rows: Iterable[tuple[int, str, str, bytes]]) -> pa.RecordBatch:
    """Rows of (source_row, reason, detail, row_bytes) as a batch of REJECTED_SCHEMA."""
    listed = list(rows)
    numbers, reasons, details, contents = zip(*listed, strict=True) if listed else ((), (), (), ())
    return pa.RecordBatch.from_arrays(
        [
            _repeated(source_file, len(listed)),
            pa.array(numbers, pa.int64()),
            pa.array(reasons, pa.string()),
            pa.array(details, pa.string()),
            pa.array(contents, pa.binary()),
        ],
        schema=REJECTED_SCHEMA,
    )


def content_id(text: str, label: str | None, layout: OtherColumns, values: Sequence[str | None]) -> str:
    """The first 32 hexadecimal digits of the SHA-256 of what a row says.

    Hashed are text, label and the other columns sorted by name, each after its length in characters, so that
    no two contents read alike. An empty or missing other cell counts as absent: CSV cannot tell the two
    apart, and the same row has the same id in every format. The names of the text and label columns, the file
    and the position do not count.

    Raises
    ------
    UnicodeEncodeError
        a string holds a lone surrogate.
    """
    pieces = [f"{len(text)}:{text}", "-" if label is None else f"{len(label)}:{label}"]
    for name, position in layout.sorted_for_id:
        value = values[position]
        if value:
            pieces.append(f"{name}{len(value)}:{value}")
    return hashlib.sha256("".join(pieces).encode()).hexdigest()[:32]


def flat_column_names(names: Iterable[str]) -> dict[str, str]:
    """The name of the real column for each other-column name, in sorted order of the names.

    A name of our own columns gets the prefix `other_`; should that be taken too, a number is added.
    """
    wanted = sorted(set(names))
    own = set(KEPT_SCHEMA.names)
    used = own | {name for name in wanted if name not in own}
    flat = {}
    for name in wanted:
        column, number = name, 1
        if name in own:
            column = f"other_{name}"
            while column in used:
                number += 1
                column = f"other_{name}_{number}"
            used.add(column)
        flat[name] = column
    return flat


def flatten_other_columns(batch: pa.RecordBatch, names: Iterable[str]) -> pa.RecordBatch:
    """`batch` (KEPT_SCHEMA) with its map `other` replaced by a string column for each of `names`.

    `names` are all the names of all files (the union of `RowChunk.other_names`), so that every batch comes
    out with the same schema: columns in the order of `flat_column_names`, null where a row has no such cell.
    Names that are not asked for are left out.
    """
    other = batch.column("other")
    offsets = np.asarray(other.offsets)
    # Of a sliced batch, offsets are the slice's own, keys and items those of the whole batch.
    first, last = int(offsets[0]), int(offsets[-1])
    flat = flat_column_names(names)
    # One code per distinct name, then each column gathers its cells by position.
    encoded = other.keys.slice(first, last - first).dictionary_encode()
    items = other.items.slice(first, last - first)
    codes = np.asarray(encoded.indices)
    parents = np.repeat(np.arange(batch.num_rows), np.diff(offsets))
    code_of = {name: code for code, name in enumerate(encoded.dictionary.to_pylist())}
    columns = [batch.column(name) for name in KEPT_SCHEMA.names if name != "other"]
    fields = [field for field in KEPT_SCHEMA if field.name != "other"]
    for name, column_name in flat.items():
        cells = np.flatnonzero(codes == code_of.get(name, -1))
        position = np.full(batch.num_rows, -1, dtype=np.int64)
        position[parents[cells]] = cells
        columns.append(items.take(pa.array(position, mask=position < 0)))
        fields.append(pa.field(column_name, pa.string()))
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def _repeated(value: str, count: int) -> pa.Array:
    return pa.array([value] * count, pa.string())
