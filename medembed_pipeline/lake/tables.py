"""Tables of the lake: plain Parquet files that carry, in their footer, what they were made from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.fingerprint import ContentHasher, digest, type_name

if TYPE_CHECKING:
    import fsspec

FOOTER_KEY = b"medembed"
ROW_GROUP_ROWS = 16_384


class TableError(MedembedError):
    """A table of the lake is missing, or is not what its footer says."""


@dataclass(frozen=True)
class Recipe:
    """What a result is made from: two equal recipes give the same result.

    Attributes
    ----------
    asset
        name of the asset.
    code
        revision of the room's code.
    settings
        the parameters that reach the result, JSON-able.
    inputs
        data version of every table or checkpoint read.
    """

    asset: str
    code: str
    settings: dict[str, Any]
    inputs: dict[str, str]

    @property
    def digest(self) -> str:
        """64 hex over all of it."""
        return digest([self.asset, self.code, self.settings, self.inputs])


@dataclass(frozen=True)
class Footer:
    """What a table says of itself.

    Attributes
    ----------
    data_version
        the version Dagster compares; by default the content hash.
    content_sha256
        hash of all values, to verify the file by.
    recipe
        what it was made from.
    facts
        counts worth showing (numbers and short names, never text of notes).
    rows
        how many were written; -1 where that was not noted.
    columns
        their names and types as written; empty where that was not noted.
    """

    data_version: str
    content_sha256: str
    recipe: Recipe
    facts: dict[str, Any] = field(default_factory=dict)
    rows: int = -1
    columns: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """The footer's bytes."""
        return json.dumps(
            {
                "data_version": self.data_version,
                "content_sha256": self.content_sha256,
                "recipe": vars(self.recipe),
                "facts": self.facts,
                "rows": self.rows,
                "columns": self.columns,
            },
            sort_keys=True,
        ).encode()

    @classmethod
    def from_metadata(cls, metadata: dict[bytes, bytes] | None, path: str) -> Footer:
        """Read the footer back.

        Raises
        ------
        TableError
            the file was not written by this project.
        """
        raw = (metadata or {}).get(FOOTER_KEY)
        if raw is None:
            raise TableError(
                f"{path} was not written by medembed_pipeline. Remove it and materialize the asset."
            )
        values = json.loads(raw)
        return cls(
            values["data_version"],
            values["content_sha256"],
            Recipe(**values["recipe"]),
            values["facts"],
            values.get("rows", -1),
            values.get("columns", {}),
        )


def open_for_arrow(filesystem: fsspec.AbstractFileSystem, path: str) -> Any:
    """A file to be read by Arrow: on a local disk by Arrow itself, elsewhere through fsspec.

    Threads of Arrow that call Python wait for its lock, and abort the process when they are still about it while the
    interpreter ends.

    Raises
    ------
    FileNotFoundError
        there is none.
    """
    from fsspec.implementations.local import LocalFileSystem

    return pa.OSFile(path) if isinstance(filesystem, LocalFileSystem) else filesystem.open(path, "rb")


class LakeTable:
    """A published table, opened once: a later replacement of the file does not disturb its reader."""

    def __init__(self, name: str, path: str, file: Any) -> None:
        self.name = name
        self.path = path
        self._parquet = pq.ParquetFile(file)
        self.schema: pa.Schema = self._parquet.schema_arrow.remove_metadata()
        self.rows: int = self._parquet.metadata.num_rows
        self.footer = Footer.from_metadata(self._parquet.metadata.metadata, path)

    @property
    def data_version(self) -> str:
        """The version recorded in the footer."""
        return self.footer.data_version

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The whole table, or some of its columns, in memory."""
        table = self._parquet.read(columns=list(columns) if columns is not None else None)
        return table.replace_schema_metadata(None)

    def batches(self, columns: Sequence[str] | None = None, rows: int = 2_000) -> Iterator[pa.RecordBatch]:
        """The table in pieces of at most `rows` rows, for what does not fit in memory."""
        names = list(columns) if columns is not None else None
        yield from self._parquet.iter_batches(batch_size=rows, columns=names)

    def strings(self, column: str) -> list[str]:
        """A column of strings as Python strings."""
        values: list[str] = self.read([column]).column(0).to_pylist()
        return values


class TableWriter:
    """Writes one staged Parquet file in batches, hashing what passes through."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._hasher = ContentHasher(schema)
        self._parquet = pq.ParquetWriter(path, schema, compression="zstd")
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0
        self.rows = 0

    def write(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Add rows; they must have exactly the table's columns and types."""
        batch = batch.select(self._schema.names)
        self._hasher.update(batch)
        self.rows += batch.num_rows
        self._pending_rows += batch.num_rows
        self._pending.extend(batch.to_batches() if isinstance(batch, pa.Table) else [batch])
        if self._pending_rows >= ROW_GROUP_ROWS or _bytes(self._pending) > 64 * 1024**2:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            columns = [batch.cast(self._schema) for batch in self._pending]
            self._parquet.write_table(pa.Table.from_batches(columns, self._schema))
        self._pending, self._pending_rows = [], 0

    def finish(self, recipe: Recipe, facts: dict[str, Any], data_version: str | None) -> Footer:
        """Write the footer and close the file."""
        self._flush()
        content = self._hasher.hexdigest()
        columns = {field.name: type_name(field.type) for field in self._schema}
        footer = Footer(data_version or content, content, recipe, facts, self.rows, columns)
        self._parquet.add_key_value_metadata({FOOTER_KEY: footer.to_json()})
        self._parquet.close()
        return footer

    def abandon(self) -> None:
        """Close the file without a footer, whatever state it is in."""
        self._pending = []
        self._parquet.close()


def _bytes(batches: list[pa.RecordBatch]) -> int:
    return sum(batch.nbytes for batch in batches)


def vectors(column: pa.ChunkedArray) -> np.ndarray:
    """A column of fixed-size lists of float32 as one array [n, d], without a copy where it is one chunk."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], type=column.type)
    values: np.ndarray = array.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(array), column.type.list_size)


def vector_column(matrix: np.ndarray) -> pa.Array:
    """An array [n, d] as a column of fixed-size lists of float32."""
    flat = pa.array(np.ascontiguousarray(matrix, dtype=np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1])
