"""Ray of this machine, two workers: the same tables, whatever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from medembed_pipeline.embeddings import assets as embeddings_assets
from medembed_pipeline.embeddings import vectors as vectors_module
from medembed_pipeline.embeddings.assets import baseline_embeddings
from medembed_pipeline.encoder.image_spec import ImageEncoderSpec, image_encoder_fingerprint
from medembed_pipeline.encoder.precision import with_resolved_precision
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.encoder.shards import encoder_settings
from medembed_pipeline.engine import EngineError, LocalEngine, Shard, ShardRows, ShardWork, open_engine
from medembed_pipeline.engine.ray_engine import start_ray
from medembed_pipeline.engine.settings import EngineSettings
from medembed_pipeline.engine.shard_files import RESULTS, SHARDS
from medembed_pipeline.evaluation import rankings
from medembed_pipeline.evaluation import sharded_neighbors as sharded
from medembed_pipeline.evaluation.lexical import lexical_vectors
from medembed_pipeline.evaluation.metrics_table import metrics_table
from medembed_pipeline.evaluation.neighbors import neighbors_table
from medembed_pipeline.evaluation.sharded_metrics import sharded_blocks
from medembed_pipeline.images.vectors import ENCODE_PICTURES
from medembed_pipeline.lake.fingerprint import content_sha256
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource, launchpad_resource
from medembed_pipeline.lake.tables import LakeTable, Recipe
from medembed_pipeline.maintenance import verify_lake
from medembed_pipeline.notes.duplicates import near_pairs, signatures
from medembed_pipeline.notes.preparing import prepared_blocks
from medembed_pipeline.notes.sharded_bands import sharded_bands
from medembed_pipeline.settings import Settings
from medembed_pipeline_tests.engine.small_work import DOUBLED, REFUSED, encode_and_die_once, numbers
from medembed_pipeline_tests.evaluation.corpus import make_corpus

pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'")

ROOT = Path(__file__).resolve().parents[2]
ON_RAY = EngineSettings(kind="ray", workers=2, threads=1)
TEXTS = [f"Note {row}: {'pain of the left knee ' * (row % 7)} since May." for row in range(45)]


@dataclass
class Cluster:
    """A Ray that all tests of this module use."""

    logs: Path
    address: str


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    import ray

    assert start_ray(ON_RAY)
    session = ray._private.worker._global_node.get_session_dir_path()
    yield Cluster(Path(session) / "logs", ray.get_runtime_context().gcs_address)
    ray.shutdown()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """This process computes with as many threads as the workers do."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def encode(
    lake: Lake, small_model: Path, monkeypatch: pytest.MonkeyPatch, engine: EngineSettings
) -> LakeTable:
    """Materialize the baseline's vectors of TEXTS, in blocks of ten."""
    notes = pa.table({"note_id": [f"n{row:02}" for row in range(len(TEXTS))], "text": TEXTS})
    lake.write_table(Recipe("cleaned_notes", "1", {}, {}), notes)
    monkeypatch.setattr(vectors_module, "BLOCK_NOTES", 10)
    settings = Settings().model_copy(update={"engine": engine})
    monkeypatch.setattr(embeddings_assets, "SETTINGS", settings)
    encoder = EncoderSettings(base=str(small_model), max_tokens=32, device="cpu", token_budget=96)
    done = dg.materialize(
        [baseline_embeddings],
        resources={
            "lake": LakeResource(url=lake.url),
            "encoder": launchpad_resource("encoder", encoder, with_resolved_precision),
        },
    )
    assert done.success
    return lake.table("baseline_embeddings")


def test_vectors_are_the_same_whatever_the_engine_and_though_a_worker_dies(
    cluster: Cluster, tmp_path: Path, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = encode(Lake(str(tmp_path / "local")), small_model, monkeypatch, EngineSettings())
    flag = tmp_path / "died"

    def with_flag(*arguments: Any, **named: Any) -> dict[str, Any]:
        return {**encoder_settings(*arguments, **named), "flag": str(flag)}

    monkeypatch.setattr(vectors_module, "encoder_settings", with_flag)
    monkeypatch.setattr(vectors_module, "ENCODE_TEXTS", ShardWork(encode_and_die_once, "1", has_model=True))
    for workers in (2, 1):
        lake = Lake(str(tmp_path / f"ray{workers}"))
        found = encode(lake, small_model, monkeypatch, EngineSettings(kind="ray", workers=workers, threads=1))
        assert found.data_version == expected.data_version
        assert found.footer.facts == expected.footer.facts
        assert found.footer.recipe.digest == expected.footer.recipe.digest
        assert not lake.names(*SHARDS) or lake.names(*SHARDS) == ["results"]
        assert not lake.names(*RESULTS) and not lake.leftovers()
        assert not [finding for finding in verify_lake(lake) if finding.state != "ok"]
    assert int(flag.read_text()) != os.getpid()


def test_results_come_in_the_order_of_the_shards_however_long_each_takes(
    cluster: Cluster, lake: Lake, tmp_path: Path
) -> None:
    shards = numbers(6, marks=str(tmp_path))
    shards[0] = numbers(1, marks=str(tmp_path), seconds=1.0)[0]
    with open_engine(lake, ON_RAY) as engine:
        found = pa.concat_tables(engine.map(DOUBLED, shards)).column("number").to_pylist()
    assert found == [2 * number for number in range(60)]
    assert len(list(tmp_path.glob("*-*"))) == 6


@pytest.mark.parametrize("for_a_person", [True, False])
def test_an_error_of_a_worker_arrives_without_a_note(
    cluster: Cluster, lake: Lake, for_a_person: bool
) -> None:
    rows = ShardRows(pa.table({"text": ["Mr. Unmistakable has chest pain."]}))
    expected = "of two texts one is empty" if for_a_person else "ValueError at .*withheld"
    with pytest.raises(EngineError, match=expected) as caught, open_engine(lake, ON_RAY) as engine:
        list(engine.map(REFUSED, [Shard((rows,), {"for_a_person": for_a_person})]))
    assert "Unmistakable" not in str(caught.value)
    assert not any("Unmistakable" in file.read_text(errors="replace") for file in cluster.logs.rglob("*.*"))


def test_neighbours_are_the_same(
    cluster: Cluster, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(5)
    rows = random.normal(size=(90, 8)).astype(np.float32)
    rows = (
        np.concatenate((rows, rows[:10])) / np.linalg.norm(np.concatenate((rows, rows[:10])), axis=1)[:, None]
    )
    monkeypatch.setattr(sharded, "QUERY_ROWS", 40)
    monkeypatch.setattr(sharded, "CANDIDATE_ROWS", 30)
    ids = [f"n{row:03}" for row in range(100)]
    with open_engine(lake, ON_RAY) as engine:
        nearest = partial(sharded.sharded_neighbors, engine)
        found = neighbors_table("tuned", ids, rows, scored_note_ids=ids[:50], k=7, nearest=nearest)
    expected = neighbors_table("tuned", ids, rows, scored_note_ids=ids[:50], k=7)
    assert content_sha256(found) == content_sha256(expected)


@pytest.mark.parametrize("words", [False, True])
def test_metrics_and_their_intervals_are_the_same(
    cluster: Cluster, lake: Lake, words: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = make_corpus(150, seed=8, unlabelled=3)
    monkeypatch.setattr(rankings, "MOST_QUERIES", 30)
    lexical = None
    if words:
        texts = [
            f"{' '.join(sorted(names))} of patient {row % 9}" for row, names in enumerate(corpus.specialties)
        ]
        lexical = lexical_vectors(texts, fit_on=texts)

    def table(**more: Any) -> pa.Table:
        return metrics_table(
            corpus.note_ids,
            corpus.baseline,
            corpus.tuned,
            corpus.specialties,
            corpus.groups,
            lexical=lexical,
            **more,
        )

    expected = content_sha256(table())
    for workers in (2, 1):
        settings = EngineSettings(kind="ray", workers=workers, threads=1)
        with open_engine(lake, settings) as engine:
            found = table(blocks_of=partial(sharded_blocks, engine))
        assert content_sha256(found) == expected
    assert not lake.names(*RESULTS) and not lake.leftovers()


def test_near_duplicates_are_the_same(cluster: Cluster, lake: Lake) -> None:
    words = np.random.default_rng(2).choice(
        ["pain", "knee", "left", "chest", "fever", "cough"], size=(60, 40)
    )
    texts = [" ".join(row) for row in words] + [" ".join([*row[:-1], "today"]) for row in words[:25]]
    signed = signatures(texts)
    expected = near_pairs(signed)
    assert len(expected[0]) >= 20
    with open_engine(lake, ON_RAY) as engine:
        found = near_pairs(signed, bands=partial(sharded_bands, engine))
    for own, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(own, other)


def test_cleaned_texts_and_their_signatures_are_the_same(cluster: Cluster, lake: Lake) -> None:
    texts = pa.chunked_array(
        [pa.array([f"{text} Dr. Miller, 555-123-4567" for text in TEXTS], pa.large_string())]
    )
    blocks = [list(range(0, 20)), list(range(20, 45))]
    with open_engine(lake, ON_RAY) as engine:
        found = list(prepared_blocks(texts, blocks, redact=True, engine=engine))
    expected = list(prepared_blocks(texts, blocks, redact=True, engine=LocalEngine(lake)))
    assert [table.schema for table in found] == [table.schema for table in expected]
    assert [content_sha256(table) for table in found] == [content_sha256(table) for table in expected]


def test_vectors_of_pictures_are_the_same(cluster: Cluster, lake: Lake) -> None:
    import io

    from PIL import Image

    random = np.random.default_rng(3)
    shards = []
    how = {
        "spec": {"base": "bundled", "size": 64, "allow_remote_code": False},
        "device": "cpu",
        "batch_size": 2,
        "fingerprint": image_encoder_fingerprint(ImageEncoderSpec(size=64)),
    }
    for _ in range(2):
        pictures = []
        for _ in range(3):
            file = io.BytesIO()
            Image.fromarray(random.integers(0, 256, (70, 60), dtype=np.uint8)).save(file, "PNG")
            pictures.append(file.getvalue())
        shards.append(Shard((ShardRows(pa.table({"picture": pictures})),), how))
    with open_engine(lake, ON_RAY) as engine:
        found = list(engine.map(ENCODE_PICTURES, shards, device="cpu"))
    expected = list(LocalEngine(lake).map(ENCODE_PICTURES, shards, device="cpu"))
    assert [content_sha256(table) for table in found] == [content_sha256(table) for table in expected]


def test_a_gpu_that_is_wanted_and_not_there_is_an_error(cluster: Cluster, lake: Lake) -> None:
    expected = "no machine of the Ray cluster has a GPU"
    with pytest.raises(EngineError, match=expected), open_engine(lake, ON_RAY) as engine:
        list(engine.map(DOUBLED, numbers(1), device="cuda"))


def test_a_worker_that_fits_on_no_machine_is_an_error(cluster: Cluster, lake: Lake) -> None:
    work = ShardWork(DOUBLED.function, "1", has_model=True)
    settings = EngineSettings(kind="ray", threads=64)
    expected = "the largest machine of the Ray cluster has 2"
    with pytest.raises(EngineError, match=expected), open_engine(lake, settings) as engine:
        list(engine.map(work, numbers(1)))


def test_a_result_that_vanishes_is_made_again(cluster: Cluster, lake: Lake, tmp_path: Path) -> None:
    """Another run with the same shards removes them when it is over."""
    marks = tmp_path / "marks"
    marks.mkdir()
    shards = numbers(2, marks=str(marks))
    with open_engine(lake, ON_RAY) as engine:
        results = engine.map(DOUBLED, shards)
        next(results)
        while len(lake.names(*RESULTS)) < 2:
            time.sleep(0.05)
        lake.remove(*RESULTS)
        assert next(results).column("number").to_pylist() == [2 * number for number in range(10, 20)]
    assert len(list(marks.iterdir())) == 3


DRIVER = """
import sys
from medembed_pipeline.engine import open_engine
from medembed_pipeline.engine.settings import EngineSettings
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline_tests.evaluation.corpus import make_corpus
from medembed_pipeline_tests.engine.small_work import DOUBLED, numbers

settings = EngineSettings(kind="ray", address=sys.argv[3], workers=2, threads=1)
with open_engine(Lake(sys.argv[1]), settings) as engine:
    for table in engine.map(DOUBLED, numbers(8, marks=sys.argv[2], seconds=0.5)):
        print(table.num_rows, flush=True)
"""


def when_nothing_changes(lake: Lake) -> int:
    """How many results there are once Ray has ended the workers of a driver that is gone."""
    before = -1
    while (now := len(lake.names(*RESULTS))) != before:
        before = now
        time.sleep(3.0)
    return now


def test_a_lost_driver_goes_on_from_the_shards_that_are_done(
    cluster: Cluster, lake: Lake, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, lake.url, str(marks), cluster.address],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while len(lake.names(*RESULTS)) < 2:
            assert driver.poll() is None
            time.sleep(0.1)
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    done = when_nothing_changes(lake)
    begun = len(list(marks.iterdir()))
    assert 2 <= done < 8
    assert [finding.state for finding in verify_lake(lake) if finding.is_error] == []
    with open_engine(lake, ON_RAY) as engine:
        found = pa.concat_tables(engine.map(DOUBLED, numbers(8, marks=str(marks), seconds=0.5)))
    assert found.column("number").to_pylist() == [2 * number for number in range(80)]
    assert len(list(marks.iterdir())) - begun == 8 - done
    assert not lake.names(*RESULTS) and not lake.leftovers()
