"""Hashes of content: the same rows give the same hash, however they are chunked, written or compressed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from medembed_pipeline.lake import compute as pc

BLOCK_BYTES = 1 << 20


def digest(value: Any) -> str:
    """sha256 (64 hex) of a JSON-able value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def file_sha256(file: BinaryIO | Path) -> str:
    """sha256 (64 hex) of a file's bytes, read in blocks."""
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return file_sha256(opened)
    hasher = hashlib.sha256()
    while block := file.read(BLOCK_BYTES):
        hasher.update(block)
    return hasher.hexdigest()


def type_name(type_: pa.DataType) -> str:
    """The name of a column's type, the same before and after a Parquet file (which renames the items of lists)."""
    if pa.types.is_map(type_):
        return f"map<{type_name(type_.key_type)}, {type_name(type_.item_type)}>"
    if pa.types.is_fixed_size_list(type_):
        return f"list<{type_name(type_.value_type)}>[{type_.list_size}]"
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return f"list<{type_name(type_.value_type)}>"
    if pa.types.is_struct(type_):
        fields = [type_.field(position) for position in range(type_.num_fields)]
        return f"struct<{', '.join(f'{field.name}: {type_name(field.type)}' for field in fields)}>"
    return str(type_)


class ContentHasher:
    """sha256 over the values of a table that arrives in batches.

    Each column is hashed as its own streams of nulls, lengths and values, so neither the batch size nor the
    offsets and padding of Arrow's buffers matter. Column names and types are part of the hash.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._columns = [_ColumnHasher(field.type) for field in schema]

    def update(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Add rows; columns are taken in the order of the schema."""
        for field, hasher in zip(self._schema, self._columns, strict=True):
            column = batch.column(field.name)
            for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
                hasher.update(chunk)

    def hexdigest(self) -> str:
        """64 hex of everything added so far."""
        named = [
            [field.name, type_name(field.type), column.hexdigest()]
            for field, column in zip(self._schema, self._columns, strict=True)
        ]
        return digest(named)


class _ColumnHasher:
    def __init__(self, type_: pa.DataType) -> None:
        self._type = type_
        self._nulls = hashlib.sha256()
        self._lengths = hashlib.sha256()
        self._values = hashlib.sha256()
        self._children: list[_ColumnHasher] = []
        if pa.types.is_nested(type_):
            self._children = [_ColumnHasher(child) for child in _child_types(type_)]

    def update(self, array: pa.Array) -> None:
        type_ = self._type
        if pa.types.is_dictionary(type_):
            raise TypeError(
                f"a table column of type {type_} has no content hash; decode the dictionary first"
            )
        self._nulls.update(array.is_valid().cast(pa.uint8()).to_numpy().tobytes())
        if pa.types.is_map(type_):
            self._add_lengths(pc.list_value_length(array.cast(pa.list_(_entries(type_)))))
            entries = array.cast(pa.list_(_entries(type_))).flatten()
            self._children[0].update(entries.field(0))
            self._children[1].update(entries.field(1))
        elif pa.types.is_fixed_size_list(type_) or pa.types.is_list(type_) or pa.types.is_large_list(type_):
            self._add_lengths(pc.list_value_length(array))
            self._children[0].update(array.flatten())
        elif pa.types.is_struct(type_):
            for child, values in zip(self._children, array.flatten(), strict=True):
                child.update(values)
        elif (
            pa.types.is_string(type_)
            or pa.types.is_large_string(type_)
            or pa.types.is_binary(type_)
            or pa.types.is_large_binary(type_)
        ):
            self._add_lengths(pc.binary_length(array))
            self._add_bytes(array)
        elif pa.types.is_boolean(type_):
            self._values.update(pc.fill_null(array, False).cast(pa.uint8()).to_numpy().tobytes())
        elif not pa.types.is_null(type_):
            storage = array
            if pa.types.is_timestamp(type_):
                storage = array.cast(pa.int64())
            elif pa.types.is_date32(type_):
                storage = array.cast(pa.int32())
            filled = pc.fill_null(storage, 0) if array.null_count else storage
            self._values.update(np.ascontiguousarray(filled.to_numpy(zero_copy_only=False)).tobytes())

    def _add_lengths(self, lengths: pa.Array) -> None:
        self._lengths.update(pc.fill_null(lengths, 0).cast(pa.int64()).to_numpy().tobytes())

    def _add_bytes(self, array: pa.Array) -> None:
        wide = pa.types.is_large_string(self._type) or pa.types.is_large_binary(self._type)
        dense = array.drop_null() if array.null_count else array
        if not len(dense):
            return
        _, offsets, data = dense.buffers()
        if data is None:
            return
        positions = np.frombuffer(offsets, dtype=np.int64 if wide else np.int32)
        start, end = positions[dense.offset], positions[dense.offset + len(dense)]
        self._values.update(memoryview(data)[start:end])

    def hexdigest(self) -> str:
        parts = [self._nulls.hexdigest(), self._lengths.hexdigest(), self._values.hexdigest()]
        return digest(parts + [child.hexdigest() for child in self._children])


def _entries(type_: pa.DataType) -> pa.DataType:
    return pa.struct([pa.field("key", type_.key_type, nullable=False), pa.field("value", type_.item_type)])


def _child_types(type_: pa.DataType) -> list[pa.DataType]:
    if pa.types.is_map(type_):
        return [type_.key_type, type_.item_type]
    return [type_.field(position).type for position in range(type_.num_fields)]


def content_sha256(batches: Iterable[pa.RecordBatch] | pa.Table, schema: pa.Schema | None = None) -> str:
    """sha256 (64 hex) of a whole table, or of its batches."""
    if isinstance(batches, pa.Table):
        schema = batches.schema
        batches = batches.to_batches()
    if schema is None:
        raise ValueError("content_sha256 of batches needs their schema")
    hasher = ContentHasher(schema)
    for batch in batches:
        hasher.update(batch)
    return hasher.hexdigest()
