"""The whole graph with its lake on an S3 API: moto's server on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from medembed_pipeline_tests.graph.forking import ROOT
from medembed_pipeline_tests.graph.names import GROUPS, TABLES
from medembed_pipeline_tests.graph.project import Project, materializing
from medembed_pipeline_tests.s3_server import BUCKET, SECRET, s3_filesystem, s3_server

LAKE = f"s3://{BUCKET}/notes/lake"
SOME = (
    "raw_transcriptions",
    "rejected_rows",
    "cleaned_notes",
    "note_splits",
    "baseline_embeddings",
    "triplets",
    "finetuned_checkpoint",
    "tuned_embeddings",
    "embedding_metrics",
)
"""Tables, a folder and pictures."""


@pytest.fixture(scope="module")
def storage() -> Iterator[dict[str, str]]:
    """What s3fs and botocore read from the environment; the bucket is there."""
    with s3_server() as variables:
        yield variables


@pytest.fixture(
    scope="module",
    params=[pytest.param(SOME, id="some"), pytest.param(tuple(GROUPS), id="all", marks=pytest.mark.live)],
)
def assets(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The assets that are made. On all of them moto's server takes a minute."""
    found: tuple[str, ...] = request.param
    return found


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory,
    small_model: Path,
    storage: dict[str, str],
    assets: tuple[str, ...],
) -> Iterator[Project]:
    """A project whose lake is in the bucket, with its assets made."""
    folder = tmp_path_factory.mktemp("object_store")
    environment = {**storage, "XDG_CACHE_HOME": str(folder / "cache")}
    project = Project(folder, small_model, f"{LAKE}/{len(assets)}", environment=environment)
    written = project.command("samples", "--notes", "120")
    assert written.returncode == 0, written.stderr
    project.environment["MEDEMBED_TEST_OUTPUT"] = make(project, assets)
    yield project


def make(project: Project, assets: tuple[str, ...]) -> str:
    """Make the assets; what it printed."""
    return project.python(materializing(*assets)) if assets == SOME else project.run()


def objects(project: Project) -> dict[str, str]:
    """ETag of every object of the lake but publication numbers, and pictures, which are others each time here."""
    found = s3_filesystem().find(project.lake_url, detail=True)
    left_out = ("/.publications/", "/pictures/")
    return {name: info["ETag"] for name, info in found.items() if not any(part in name for part in left_out)}


EMPTY = (
    "rejected_rows",
    "rejected_images",
    "slice_metrics",
    "recipe_study",
    "classifier_study",
    "classifier_adapters_study",
    "served_snapshot",
)
"""Nothing is rejected, no slice or study is asked for, and the small model is not released."""


def test_pandas_reads_every_table_from_the_bucket(project: Project, assets: tuple[str, ...]) -> None:
    options = {"endpoint_url": os.environ["AWS_ENDPOINT_URL"]}
    for table in TABLES.intersection(assets):
        frame = pd.read_parquet(f"{project.lake_url}/{table}.parquet", storage_options=options)
        assert len(frame) or table in EMPTY, table


def test_landing_files_were_read_from_the_bucket(project: Project) -> None:
    options = {"endpoint_url": os.environ["AWS_ENDPOINT_URL"]}
    frame = pd.read_parquet(f"{project.lake_url}/raw_transcriptions.parquet", storage_options=options)
    assert set(frame["source_file"]) == {"sample_notes.csv"}
    assert not (project.folder / "data_lake").exists()


def test_a_second_run_changes_no_object_and_says_so(project: Project, assets: tuple[str, ...]) -> None:
    before = objects(project)
    output = make(project, assets)
    assert before and objects(project) == before
    for asset in assets:
        newest = project.materializations(asset)[0].asset_materialization
        assert newest is not None and newest.metadata["kept"].value is True, asset
    if assets != SOME:
        assert output.count("unchanged") == len(GROUPS)


def test_verify_is_clean_and_sees_a_cut_table(project: Project) -> None:
    done = project.command("verify")
    assert done.returncode == 0, done.stdout + done.stderr
    filesystem = s3_filesystem()
    path = f"{project.lake_url}/triplets.parquet"
    content = filesystem.cat_file(path)
    filesystem.pipe_file(path, content[:-100])
    try:
        done = project.command("verify")
        assert done.returncode == 1 and "altered  triplets.parquet" in done.stdout
    finally:
        filesystem.pipe_file(path, content)


def test_prune_finds_and_removes_what_is_gone(project: Project) -> None:
    filesystem = s3_filesystem()
    filesystem.pipe_file(
        f"{project.lake_url}/store/prepared_texts/0123456789abcdef/part.parquet", b"x" * 5000
    )
    before = objects(project)
    shown = project.command("prune")
    assert shown.returncode == 0 and "store/prepared_texts/0123456789abcdef" in shown.stdout, shown.stderr
    assert objects(project) == before
    assert project.command("prune", "--yes").returncode == 0
    gone = set(before) - set(objects(project))
    assert [name.rpartition("/")[2] for name in gone] == ["part.parquet"]
    assert "nothing to remove" in project.command("prune").stdout


def test_neither_secrets_nor_connection_noise_is_shown(project: Project) -> None:
    shown = project.environment["MEDEMBED_TEST_OUTPUT"]
    assert SECRET not in shown and "botocore" not in shown
    for path in project.dagster_home.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def test_a_checkpoint_is_complete_or_absent(storage: dict[str, str], tmp_path: Path) -> None:
    from medembed_pipeline.lake.lake import Lake
    from medembed_pipeline.training.checkpoints import CheckpointError, current_checkpoint

    url = f"s3://{BUCKET}/other"
    script = (
        "import os, signal, sys\n"
        "from medembed_pipeline.lake.lake import Lake\n"
        "lake = Lake(sys.argv[1])\n"
        "put = lake.filesystem.put_file\n"
        "def killed(source, target):\n"
        "    if target.endswith('manifest.json'):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    put(source, target)\n"
        "lake.filesystem.put_file = killed\n"
        "with lake.staged_folder('checkpoints', 'v1', last='manifest.json') as folder:\n"
        "    for name in ('manifest.json', 'weights'):\n"
        "        (folder / name).write_text('{}')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script, url], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    lake = Lake(url)
    assert lake.exists("checkpoints", "v1", "weights")
    assert not lake.exists("checkpoints", "v1", "manifest.json")
    lake.write_json({"version": "v1", "data_version": "d", "recipe": {}}, "finetuned_checkpoint.json")
    with pytest.raises(CheckpointError):
        current_checkpoint(lake)


def test_older_work_never_publishes_over_newer_work(storage: dict[str, str]) -> None:
    import pyarrow as pa

    from medembed_pipeline.lake.lake import Lake
    from medembed_pipeline.lake.publication import OutdatedWorkError
    from medembed_pipeline.lake.tables import Recipe

    url = f"s3://{BUCKET}/order"
    older, newer = Lake(url), Lake(url)
    older.begin_work("notes")
    newer.begin_work("notes")
    newer.write_table(Recipe("notes", "2", {}, {}), pa.table({"a": [2]}))
    with pytest.raises(OutdatedWorkError):
        older.write_table(Recipe("notes", "1", {}, {}), pa.table({"a": [1]}))
    assert Lake(url).table("notes").footer.recipe.code == "2"


def test_the_lock_keeps_processes_apart_and_is_taken_from_the_dead(storage: dict[str, str]) -> None:
    from medembed_pipeline.lake.lake import Lake

    url = f"s3://{BUCKET}/lock"
    script = (
        "import os, signal, sys, time\n"
        "from medembed_pipeline.lake.lake import Lake\n"
        "with Lake(sys.argv[1]).lock('x'):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(float(sys.argv[2]))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    holder = subprocess.Popen(
        [sys.executable, "-c", script, url, "2"], stdout=subprocess.PIPE, env=environment
    )
    assert holder.stdout is not None and holder.stdout.readline().strip() == b"held"
    held_at = time.monotonic()
    import threading

    threading.Thread(target=holder.wait, daemon=True).start()
    with Lake(url).lock("x"):
        assert time.monotonic() - held_at > 1.5
