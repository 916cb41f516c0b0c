"""Results kept by the hash of what they were made from, so that a rerun costs what the new notes cost."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from medembed_pipeline.lake import compute as pc
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import open_for_arrow

MAXIMUM_PARTS = 64


class KeyedStore:
    """Rows under `<lake>/store/<name>/<version>/`, each found by its `key`; parts are only ever added.

    The store is a cache: it can be removed at any time, and everything in it is computed again.

    Parameters
    ----------
    lake
        where it lies.
    name
        what is kept, such as `vectors`.
    version
        hash of everything, but the key, that a row depends on (model, code, parameters).
    """

    def __init__(self, lake: Lake, name: str, version: str) -> None:
        self._lake = lake
        self.version = version
        self._folder = ("store", name, version)

    def _parts(self) -> list[str]:
        folder = self._lake.path(*self._folder)
        self._lake.filesystem.invalidate_cache()
        if not self._lake.filesystem.exists(folder):
            return []
        return sorted(
            path for path in self._lake.filesystem.ls(folder, detail=False) if path.endswith(".parquet")
        )

    def get(self, keys: Sequence[str]) -> pa.Table | None:
        """The stored rows of those `keys` that are known, each once, in no particular order.

        Returns None when nothing is stored yet (the columns are then not known).
        """
        wanted = pa.array(sorted(set(keys)), pa.string())
        found: list[pa.Table] = []
        schema: pa.Schema | None = None
        for part in self._parts():
            try:
                table = self._read(part)
            except FileNotFoundError:  # merged into another part by somebody else meanwhile
                continue
            schema = table.schema
            mask = pc.is_in(table.column("key"), value_set=wanted)
            table = table.filter(mask)
            if table.num_rows:
                found.append(table)
                wanted = wanted.filter(pc.invert(pc.is_in(wanted, value_set=table.column("key"))))
        if schema is None:
            return None
        return pa.concat_tables(found) if found else schema.empty_table()

    def add(self, rows: pa.Table) -> None:
        """Add rows (a `key` column and others). Merges the parts when they have become many."""
        if not rows.num_rows:
            return
        parts = self._parts()
        merged: list[str] = []
        if len(parts) >= MAXIMUM_PARTS:
            # Somebody else may be merging too, and have removed parts meanwhile: then this is left to them.
            with contextlib.suppress(FileNotFoundError):
                rows = pa.concat_tables([rows, *map(self._read, parts)])
                merged = parts
        if merged:
            first = pa.table({"key": rows.column("key"), "row": pa.array(range(rows.num_rows))})
            kept = first.group_by("key").aggregate([("row", "min")]).column("row_min")
            rows = rows.take(kept.combine_chunks().sort())
        with self._lake.staged_file(*self._folder, f"{uuid.uuid4().hex}.parquet") as staged:
            pq.write_table(rows, staged, compression="zstd")
        for part in merged:
            with contextlib.suppress(FileNotFoundError):
                self._lake.filesystem.rm_file(part)

    def _read(self, part: str) -> pa.Table:
        with open_for_arrow(self._lake.filesystem, part) as file:
            return pq.read_table(file)

    def get_or_compute(
        self,
        keys: Sequence[str],
        compute: Callable[[list[int]], pa.Table],
        *,
        block: int,
    ) -> tuple[pa.Table, int]:
        """Rows for `keys` in their order, computing and keeping those not known.

        Parameters
        ----------
        keys
            one per wanted row; repeated keys are computed once.
        compute
            takes positions in `keys`, returns their rows (without the key) in that order.
        block
            rows computed between two writes; what a killed run has written is not computed again.

        Returns
        -------
        tuple[pa.Table, int]
            The rows, with the `key` column, and how many had to be computed.
        """
        return self.get_or_map(keys, lambda blocks: map(compute, blocks), block=block)

    def get_or_map(
        self,
        keys: Sequence[str],
        compute: Callable[[Sequence[list[int]]], Iterable[pa.Table]],
        *,
        block: int,
    ) -> tuple[pa.Table, int]:
        """As `get_or_compute`, of several blocks at once.

        Parameters
        ----------
        keys
            one per wanted row; repeated keys are computed once.
        compute
            takes blocks of positions in `keys`, gives the rows of each block in that order; each is written as it
            comes.
        block
            rows of a block. A block that is known leaves the others as they are, so that what a killed run has
            written changes no other block.

        Returns
        -------
        tuple[pa.Table, int]
            The rows, with the `key` column, and how many had to be computed.
        """
        stored = self.get(keys)
        tables = [] if stored is None else [stored]
        known: set[Any] = set() if stored is None else set(stored.column("key").to_pylist())
        missing: list[int] = []
        for position, key in enumerate(keys):
            if key not in known:
                known.add(key)
                missing.append(position)
        blocks = [missing[start : start + block] for start in range(0, len(missing), block)]
        if not blocks and not tables:
            blocks.append([])
        for positions, rows in zip(blocks, compute(blocks), strict=True):
            rows = rows.append_column(
                "key", pa.array([keys[position] for position in positions], pa.string())
            )
            self.add(rows)
            tables.append(rows.select(stored.column_names) if stored is not None else rows)
        rows = pa.concat_tables(tables)
        order = {key: row for row, key in enumerate(rows.column("key").to_pylist())}
        return rows.take(pa.array([order[key] for key in keys], pa.int64())), len(missing)
