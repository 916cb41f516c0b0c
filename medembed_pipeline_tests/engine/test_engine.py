"""The engine without Ray: shards, their keys, what a worker does, and what is refused."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from medembed_pipeline.encoder import EncoderSpec, encoder_fingerprint
from medembed_pipeline.encoder.fingerprint import EXPORTED, export_key
from medembed_pipeline.encoder.model import load_encoder
from medembed_pipeline.encoder.settings import missing_packages
from medembed_pipeline.encoder.shards import encode_texts, encoder_settings
from medembed_pipeline.engine import (
    EngineError,
    LocalEngine,
    Shard,
    ShardRows,
    ShardWork,
    Worker,
    open_engine,
)
from medembed_pipeline.engine import on_worker as on_worker_module
from medembed_pipeline.engine import settings as settings_module
from medembed_pipeline.engine.likeness import likeness, unlike
from medembed_pipeline.engine.on_worker import Call, run_shard
from medembed_pipeline.engine.ray_engine import RayEngine, _own_signal_handlers
from medembed_pipeline.engine.settings import EngineSettings
from medembed_pipeline.engine.shard_files import RESULTS, SHARDS, read_rows, result_place, write_rows
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import vectors
from medembed_pipeline.maintenance import ABANDONED_SECONDS, removable, remove
from medembed_pipeline.section import SettingsError
from medembed_pipeline.settings import Settings, load_settings
from medembed_pipeline_tests.engine.small_work import DOUBLED, REFUSED, numbers

TEXT = "Mr. Miller has chest pain."


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


@pytest.fixture
def call(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Call:
    """A shard on its way; the test's own threads stay as they are."""
    monkeypatch.setattr(on_worker_module, "use_threads", lambda threads: None)
    inputs = (*SHARDS, "driver", "rows.arrow")
    write_rows(lake, pa.table({"number": [1, 2], "text": [TEXT, ""]}), *inputs)
    return Call(
        lake=lake.url,
        function=DOUBLED.name,
        inputs=(inputs,),
        settings={},
        key="a" * 32,
        threads=1,
        likeness=likeness(),
    )


def changed(call: Call, **fields: Any) -> Call:
    return Call(**{**vars(call), **fields})


def test_the_local_engine_works_in_order_and_no_further_than_it_is_asked(lake: Lake, tmp_path: Path) -> None:
    with open_engine(lake, EngineSettings()) as engine:
        results = engine.map(DOUBLED, numbers(5, marks=str(tmp_path)))
        first = next(results)
        marks = len(list(tmp_path.glob("*-*")))
        rest = list(results)
    assert marks == 1
    found = pa.concat_tables([first, *rest]).column("number").to_pylist()
    assert found == [2 * number for number in range(50)]
    assert not lake.names("store")


def test_a_key_says_what_a_result_depends_on_and_nothing_else() -> None:
    rows = pa.table({"number": [1, 2, 3]})
    shard = Shard((ShardRows(rows),), {"k": 5})
    chunked = pa.concat_tables([rows.slice(0, 1), rows.slice(1)])
    assert Shard((ShardRows(chunked),), {"k": 5}).key(DOUBLED) == shard.key(DOUBLED)
    others = [
        Shard((ShardRows(rows),), {"k": 6}).key(DOUBLED),
        Shard((ShardRows(rows.slice(1)),), {"k": 5}).key(DOUBLED),
        Shard((ShardRows(rows), ShardRows(rows)), {"k": 5}).key(DOUBLED),
        shard.key(ShardWork(DOUBLED.function, "2")),
        shard.key(REFUSED),
    ]
    assert len({shard.key(DOUBLED), *others}) == 6


def test_ray_is_refused_where_it_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_module, "find_spec", lambda name: None)
    file = tmp_path / "medembed.toml"
    file.write_text('[engine]\nkind = "ray"\n')
    with pytest.raises(SettingsError, match=r"medembed.toml: engine.kind = 'ray': .*pip install '.\[ray\]'"):
        load_settings(file)
    file.write_text('[engine]\nkind = "local"\n')
    assert load_settings(file).engine.kind == "local"


def test_no_setting_of_the_engine_reaches_a_version() -> None:
    assert EngineSettings(workers=3, threads=2, address="auto").result_values() == {}


def test_a_worker_keeps_one_model() -> None:
    worker = Worker(None)  # type: ignore[arg-type]
    made = [worker.once(key, object) for key in ("a", "a", "b", "a")]
    assert made[0] is made[1] and len({id(one) for one in made}) == 3


def test_a_worker_puts_its_result_into_the_lake(lake: Lake, call: Call) -> None:
    assert run_shard(call) == ""
    table = read_rows(lake, *result_place(call.key))
    assert table is not None and table.column("number").to_pylist() == [2, 4]


@pytest.mark.parametrize(
    ("for_a_person", "expected"), [(True, "of two texts one is empty"), (False, "ValueError at .*refused")]
)
def test_an_error_on_a_worker_quotes_no_note(call: Call, for_a_person: bool, expected: str) -> None:
    problem = run_shard(changed(call, function=REFUSED.name, settings={"for_a_person": for_a_person}))
    assert re.search(expected, problem) and "Miller" not in problem


def test_a_worker_that_is_not_like_the_driver_is_refused(lake: Lake, call: Call) -> None:
    problem = run_shard(changed(call, likeness={**likeness(), "numpy": "0.1", "medembed_pipeline": "other"}))
    assert "numpy 0.1 here" in problem and "medembed_pipeline other here" in problem
    assert not lake.names(*RESULTS)
    assert unlike(likeness(), likeness()) == ""


def test_a_worker_without_the_lake_says_what_it_does_not_find(call: Call, tmp_path: Path) -> None:
    problem = run_shard(changed(call, lake=str(tmp_path / "elsewhere")))
    assert "rows.arrow" in problem and "elsewhere" in problem


def test_a_result_that_is_cut_off_is_none(lake: Lake, call: Call) -> None:
    assert run_shard(call) == ""
    path = Path(lake.path(*result_place(call.key)))
    path.write_bytes(path.read_bytes()[:-20])
    assert read_rows(lake, *result_place(call.key)) is None


def test_an_object_store_holds_shards_and_results_too(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    lake = Lake(f"memory://{tmp_path.name}")
    write_rows(lake, pa.table({"number": [3]}), *call.inputs[0])
    assert run_shard(changed(call, lake=lake.url)) == ""
    table = read_rows(lake, *result_place(call.key))
    assert table is not None and table.column("number").to_pylist() == [6]
    assert lake.parts_of(str(lake.local_work_folder("checkpoints", "one"))) == ["checkpoints", "one"]
    assert lake.parts_of("bundled") == lake.parts_of("/elsewhere/model") == []
    lake.remove(*SHARDS)
    assert read_rows(lake, *result_place(call.key)) is None


def test_a_worker_with_another_model_is_refused(lake: Lake, small_model: Path) -> None:
    spec = EncoderSpec(base=str(small_model), max_tokens=32)
    how = encoder_settings(
        lake, spec, device="cpu", precision="float32", token_budget=64, fingerprint="of another folder"
    )
    with pytest.raises(EngineError, match="is not the driver's"):
        encode_texts([pa.table({"text": [TEXT]})], how, Worker(lake, 1))


def test_a_model_in_the_lake_is_found_by_its_place_there(small_model: Path, tmp_path: Path) -> None:
    """As with a lake on an object store, of which each machine has copies of its own."""
    lake = Lake(f"file://{tmp_path}/driver")
    folder = Path(lake.path("checkpoints", "one"))
    shutil.copytree(small_model, folder)
    spec = EncoderSpec(base=str(folder), max_tokens=32)
    how = encoder_settings(
        lake,
        spec,
        device="cpu",
        precision="float32",
        token_budget=64,
        fingerprint=encoder_fingerprint(spec),
    )
    assert how["parts"] == ["checkpoints", "one"]
    elsewhere = Lake(str(tmp_path / "worker"))
    (tmp_path / "driver").rename(tmp_path / "worker")
    table = encode_texts([pa.table({"text": [TEXT]})], how, Worker(elsewhere, 1))
    expected = load_encoder(EncoderSpec(base=str(small_model), max_tokens=32), precision="float32").encode(
        [TEXT]
    )
    assert np.array_equal(vectors(table.column("embedding")), expected)


@pytest.mark.skipif(bool(missing_packages("openvino")), reason="openvino is not installed (extra fast)")
def test_a_worker_computes_in_the_backend_of_the_driver_and_keeps_what_it_exports(
    lake: Lake, small_model: Path
) -> None:
    spec = EncoderSpec(base=str(small_model), max_tokens=32)
    name = "openvino-float32"
    how = encoder_settings(
        lake,
        spec,
        device="cpu",
        precision=name,
        token_budget=64,
        fingerprint=encoder_fingerprint(spec, precision=name),
    )
    table = encode_texts([pa.table({"text": [TEXT]})], how, Worker(lake, 1))
    assert lake.names(*EXPORTED) == [export_key(small_model, quantised=False)]
    expected = load_encoder(spec, precision=name, lake=lake).encode([TEXT])
    assert np.array_equal(vectors(table.column("embedding")), expected)


def test_an_engine_that_gave_up_leaves_results_and_no_rows(lake: Lake, call: Call) -> None:
    engine = RayEngine(lake, EngineSettings(), lambda line: None)
    with pytest.raises(KeyboardInterrupt), engine:
        held = engine._take(DOUBLED, numbers(1)[0], 1)
        for rows, parts in zip(held.shard.inputs, held.call.inputs, strict=True):
            write_rows(lake, rows.table, *parts)
            engine._written.add(rows.sha256)
        assert run_shard(held.call) == ""
        raise KeyboardInterrupt
    assert lake.names(*RESULTS) == [f"{held.call.key}.arrow"]
    assert lake.names(*SHARDS) == ["driver", "results"]


def test_what_a_lost_run_left_is_pruned_after_a_day(lake: Lake, call: Call, small_model: Path) -> None:
    assert run_shard(call) == ""
    settings = Settings().model_copy(
        update={"encoder": Settings().encoder.model_copy(update={"base": str(small_model)})}
    )

    def found() -> list[tuple[str, ...]]:
        return [item.parts for item in removable(lake, settings) if item.parts[:2] == SHARDS]

    assert found() == []
    long_ago = time.time() - ABANDONED_SECONDS - 60
    for path in Path(lake.path(*SHARDS)).rglob("*"):
        os.utime(path, (long_ago, long_ago))
    assert found() == [(*SHARDS, "driver"), result_place(call.key)]
    remove(lake, [item for item in removable(lake, settings) if item.parts[:2] == SHARDS])
    assert lake.names(*SHARDS) == ["results"] and not lake.names(*RESULTS)


def test_the_signals_stay_with_who_had_them() -> None:
    def mine(number: int, frame: object) -> None: ...

    before = signal.signal(signal.SIGTERM, mine)
    try:
        with _own_signal_handlers():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


def test_the_local_engine_needs_no_hash_and_no_file(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ShardRows, "sha256", property(lambda self: pytest.fail("hashed")))
    assert len(list(LocalEngine(lake).map(DOUBLED, numbers(2)))) == 2
