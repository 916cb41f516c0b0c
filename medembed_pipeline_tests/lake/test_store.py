"""The store computes what it has not seen, once, and gives it back in the order asked for."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from medembed_pipeline.lake import store as store_module
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.store import KeyedStore


def counting(keys: list[str], seen: list[str]) -> Callable[[list[int]], pa.Table]:
    def compute(positions: list[int]) -> pa.Table:
        seen.extend(keys[position] for position in positions)
        return pa.table({"length": pa.array([len(keys[position]) for position in positions], pa.int64())})

    return compute


def ask(store: KeyedStore, keys: list[str]) -> tuple[list[int], list[str]]:
    seen: list[str] = []
    rows, computed = store.get_or_compute(keys, counting(keys, seen), block=2)
    assert computed == len(seen) and rows.column("key").to_pylist() == keys
    return rows.column("length").to_pylist(), seen


def test_only_what_is_new_is_computed(tmp_path: Path) -> None:
    store = KeyedStore(Lake(str(tmp_path)), "lengths", "v1")
    assert ask(store, ["bb", "a", "bb", "ccc"]) == ([2, 1, 2, 3], ["bb", "a", "ccc"])
    assert ask(store, ["ccc", "dddd", "a"]) == ([3, 4, 1], ["dddd"])
    assert ask(store, ["a", "bb"])[1] == []
    assert ask(KeyedStore(Lake(str(tmp_path)), "lengths", "v2"), ["a"])[1] == ["a"]


def test_nothing_asked_nothing_computed(tmp_path: Path) -> None:
    assert ask(KeyedStore(Lake(str(tmp_path)), "lengths", "v1"), []) == ([], [])


def test_what_was_written_before_a_failure_is_kept(tmp_path: Path) -> None:
    store = KeyedStore(Lake(str(tmp_path)), "lengths", "v1")
    keys = ["a", "bb", "ccc", "dddd"]

    def fails_late(positions: list[int]) -> pa.Table:
        if 2 in positions:
            raise RuntimeError
        return counting(keys, [])(positions)

    with pytest.raises(RuntimeError):
        store.get_or_compute(keys, fails_late, block=2)
    assert ask(store, keys)[1] == ["ccc", "dddd"]


def test_many_parts_are_merged_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MAXIMUM_PARTS", 4)
    store = KeyedStore(Lake(str(tmp_path)), "lengths", "v1")
    keys = ["x" * size for size in range(1, 12)]
    for key in keys:
        ask(store, [key])
    assert ask(store, keys) == (list(range(1, 12)), [])
    assert len(list((tmp_path / "store" / "lengths" / "v1").glob("*.parquet"))) <= 5
