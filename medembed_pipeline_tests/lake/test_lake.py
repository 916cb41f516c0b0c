"""A table or folder of the lake is complete or absent, whoever reads, fails or is killed."""

import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pandas as pd
import pyarrow as pa
import pytest

from medembed_pipeline.lake.lake import Lake, LakeError
from medembed_pipeline.lake.tables import Recipe, TableError, vector_column, vectors

TABLE = pa.table({"note_id": ["a", "b"], "words": pa.array([3, 5], pa.int32())})


def recipe(asset: str = "notes", code: str = "1", **inputs: str) -> Recipe:
    return Recipe(asset, code, {"seed": 7}, inputs)


@pytest.fixture(params=["local", "memory"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lake]:
    if request.param == "local":
        yield Lake(str(tmp_path / "lake"))
    else:
        yield Lake("memory://lake")
        memory = fsspec.filesystem("memory")
        memory.store.clear()
        memory.pseudo_dirs[:] = [""]


def test_a_table_comes_back_with_its_recipe_and_facts(lake: Lake) -> None:
    written = lake.write_table(recipe(raw="v1"), TABLE, facts={"dropped": 2})
    read = lake.table("notes")
    assert read.read().equals(TABLE)
    assert read.footer.recipe == recipe(raw="v1") and read.footer.facts == {"dropped": 2}
    assert read.data_version == written.data_version == read.footer.content_sha256
    assert read.rows == 2 and read.strings("note_id") == ["a", "b"]


def test_pandas_reads_a_table_without_us(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.write_table(recipe(), TABLE)
    assert pd.read_parquet(tmp_path / "notes.parquet")["words"].tolist() == [3, 5]


def test_batches_and_the_whole_have_one_version(lake: Lake) -> None:
    whole = lake.write_table(recipe("whole"), TABLE)
    parts = lake.write_table(recipe("parts"), iter(TABLE.to_batches(max_chunksize=1)), schema=TABLE.schema)
    assert whole.data_version == parts.data_version and parts.read().equals(TABLE)


def test_a_failed_write_leaves_the_old_version(lake: Lake) -> None:
    lake.write_table(recipe(), TABLE)

    def breaks() -> Iterator[pa.RecordBatch]:
        yield TABLE.to_batches()[0]
        raise RuntimeError("cut")

    with pytest.raises(RuntimeError):
        lake.write_table(recipe(code="2"), breaks(), schema=TABLE.schema)
    assert lake.table("notes").footer.recipe.code == "1"
    if lake.is_local:
        assert not list(Path(lake.root, ".staging").iterdir())


def test_a_reader_of_the_old_version_is_not_disturbed(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    old = lake.write_table(recipe(), TABLE)
    lake.write_table(recipe(code="2"), TABLE.slice(0, 1))
    assert old.read().equals(TABLE) and lake.table("notes").rows == 1


def test_a_missing_table_says_what_to_materialize(lake: Lake) -> None:
    with pytest.raises(TableError, match="Materialize cleaned_notes first"):
        lake.table("cleaned_notes")
    assert lake.find_table("cleaned_notes") is None


def test_a_cut_or_foreign_file_is_named(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.write_table(recipe(), TABLE)
    path = tmp_path / "notes.parquet"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(TableError, match="not a whole Parquet file"):
        lake.table("notes")
    TABLE.to_pandas().to_parquet(path)
    with pytest.raises(TableError, match="not written by medembed_pipeline"):
        lake.table("notes")


def test_a_folder_is_published_whole_and_the_first_one_stands(lake: Lake) -> None:
    for content in ("first", "second"):
        with lake.staged_folder("checkpoints", "v1", last="manifest.json") as folder:
            (folder / "sub").mkdir()
            (folder / "sub" / "weights").write_text("w")
            (folder / "manifest.json").write_text(content)
    local = lake.local_copy("checkpoints", "v1", last="manifest.json")
    assert (local / "sub" / "weights").read_text() == "w"
    if lake.is_local:
        assert (local / "manifest.json").read_text() == "first"


def test_publishing_can_be_refused_at_the_last_moment(lake: Lake) -> None:
    lake.write_table(recipe(), TABLE)

    def refuse() -> None:
        raise LakeError("the run is over")

    lake.before_publishing = refuse
    with pytest.raises(LakeError):
        lake.write_table(recipe(code="2"), TABLE)
    assert lake.table("notes").footer.recipe.code == "1"


def test_a_full_disk_is_one_clear_error_and_the_old_version_stands(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.write_table(recipe(), TABLE)
    big = pa.table({"text": pa.array([os.urandom(2_000_000).hex()])})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(LakeError, match=r"no space left to write notes\.parquet"):
            lake.write_table(recipe(code="2"), big)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, previous)
    assert lake.table("notes").read().equals(TABLE)
    assert not list((tmp_path / ".staging").iterdir())


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    script = """
    import os, signal, sys
    from medembed_pipeline.lake.lake import Lake
    with Lake(sys.argv[1]).staged_file("notes.parquet") as path:
        path.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(tmp_path)], check=False)
    staging = tmp_path / ".staging"
    assert len(list(staging.iterdir())) == 1 and not (tmp_path / "notes.parquet").exists()
    lake = Lake(str(tmp_path))
    with lake.staged_file("mine") as mine:
        mine.write_text("still being written")
        assert lake.clear_staging() == 1
        assert mine.exists()


def test_vectors_survive_the_round_trip(lake: Lake) -> None:
    matrix = vectors(pa.chunked_array([vector_column(pa_matrix()), vector_column(pa_matrix())]))
    assert matrix.shape == (6, 4) and matrix.dtype.name == "float32"
    assert vectors(pa.chunked_array([], vector_column(pa_matrix()).type)).shape == (0, 4)


def pa_matrix():  # type: ignore[no-untyped-def]
    import numpy as np

    return np.arange(12, dtype=np.float32).reshape(3, 4)
