"""Work that began last wins; older work is refused, whatever Dagster believes of its run."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import fsspec
import pyarrow as pa
import pytest

from medembed_pipeline.lake.keeping import KEPT
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.pointers import Folders, PointerError
from medembed_pipeline.lake.publication import OutdatedWorkError
from medembed_pipeline.lake.publishing import AssetIO
from medembed_pipeline.lake.tables import LakeTable, Recipe
from medembed_pipeline.lake.verification import altered
from medembed_pipeline.lake.versions import VersionError, put_back
from medembed_pipeline.pictures.figure import Picture


@pytest.fixture(params=["local", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "local":
        yield str(tmp_path / "lake")
    else:
        yield "memory://lake"
        memory = fsspec.filesystem("memory")
        memory.store.clear()
        memory.pseudo_dirs[:] = [""]


def work(url: str, *names: str) -> Lake:
    lake = Lake(url)
    lake.begin_work(*names)
    return lake


def write(lake: Lake, code: str, values: list[int] | None = None) -> str:
    return lake.write_table(Recipe("notes", code, {}, {}), pa.table({"a": values or [1]})).footer.recipe.code


def test_older_work_is_refused_after_newer_has_published(url: str) -> None:
    older, newer = work(url, "notes"), work(url, "notes")
    write(newer, "new")
    with pytest.raises(OutdatedWorkError, match="began later"):
        write(older, "old")
    assert Lake(url).table("notes").footer.recipe.code == "new"


def test_newer_work_replaces_what_older_work_published_after_it_began(url: str) -> None:
    older, newer = work(url, "notes"), work(url, "notes")
    write(older, "old")
    assert write(newer, "new") == "new"


def test_older_work_with_the_same_recipe_gets_the_table_that_stands(url: str) -> None:
    older, newer = work(url, "notes"), work(url, "notes")
    write(newer, "same")
    assert write(older, "same") == "same"


def test_confirming_what_stands_refuses_older_work_too(url: str) -> None:
    write(work(url, "notes"), "first")
    older, newer = work(url, "notes"), work(url, "notes")
    newer.confirm("notes")
    with pytest.raises(OutdatedWorkError):
        write(older, "old")


def test_work_that_died_before_publishing_blocks_nobody(url: str) -> None:
    older = work(url, "notes")
    work(url, "notes")
    assert write(older, "old") == "old"


FOLDERS = Folders("finetuned_checkpoint", "checkpoints", "manifest.json", "checkpoint")


def point(lake: Lake, version: str) -> None:
    lake.write_json({}, "checkpoints", version, "manifest.json")
    FOLDERS.point_to(lake, version, f"hash of {version}", Recipe("finetuned_checkpoint", "1", {}, {}))


def test_pointers_follow_the_same_order(url: str) -> None:
    older, newer = work(url, "finetuned_checkpoint"), work(url, "finetuned_checkpoint")
    point(newer, "b")
    with pytest.raises(OutdatedWorkError):
        point(older, "a")
    point(older, "b")
    assert FOLDERS.current(Lake(url)) == "b"


def test_a_pointer_remembers_what_it_named_and_can_be_put_back(url: str) -> None:
    for version in ("a", "b", "c"):
        point(work(url, "finetuned_checkpoint"), version)
    lake, underway = Lake(url), work(url, "finetuned_checkpoint")
    assert FOLDERS.earlier(lake) == ["b", "a"]
    lake.remove("checkpoints", "b")
    assert FOLDERS.earlier(lake) == ["a"]
    with pytest.raises(PointerError, match="no earlier checkpoint b"):
        FOLDERS.put_back(lake, "b")
    FOLDERS.put_back(lake, "a")
    assert FOLDERS.current(lake) == "a" and FOLDERS.earlier(lake) == ["c"]
    # Work that was under way when a person put it back does not undo that; what begins later does.
    with pytest.raises(OutdatedWorkError):
        point(underway, "c")
    point(work(url, "finetuned_checkpoint"), "c")
    assert FOLDERS.current(lake) == "c" and FOLDERS.earlier(lake) == ["a"]


def test_a_pointer_of_a_lake_made_before_is_read(url: str) -> None:
    lake = Lake(url)
    lake.write_json({}, "checkpoints", "a", "manifest.json")
    lake.write_json({"version": "a", "data_version": "d", "recipe": {}}, FOLDERS.file)
    assert FOLDERS.current(lake) == "a" and FOLDERS.earlier(lake) == []
    point(work(url, "finetuned_checkpoint"), "b")
    assert FOLDERS.current(lake) == "b" and FOLDERS.earlier(lake) == ["a"]


def kept(lake: Lake) -> list[int]:
    """The values of the versions that are kept, the newest first."""
    values = []
    for version in lake.kept_versions("notes"):
        with lake.filesystem.open(lake.path(*KEPT, "notes", f"{version}.parquet"), "rb") as file:
            values.append(LakeTable("notes", "", file).read().column("a")[0].as_py())
    return values


def test_the_last_few_versions_of_a_table_are_kept_and_no_more(url: str) -> None:
    for value in (1, 2, 3, 4, 4, 5, 3):
        write(work(url, "notes"), str(value), [value])
    assert kept(Lake(url)) == [5, 4, 2]
    assert len(Lake(url).names(*KEPT, "notes")) == 3
    keeps_none = Lake(url, keep_tables=0)
    keeps_none.begin_work("notes")
    write(keeps_none, "6", [6])
    assert Lake(url).names(*KEPT, "notes") == [] and kept(keeps_none) == []


KILLED = """
import os, signal, sys
from pathlib import Path
import pyarrow as pa
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe
lake = Lake(sys.argv[1])
lake.begin_work("notes")
calls = 0
def then_killed(owner, name):
    done = getattr(owner, name)
    def counted(*arguments):
        global calls
        result = done(*arguments)
        calls += 1
        if calls == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    setattr(owner, name, counted)
then_killed(os, "link")
then_killed(Path, "replace")
lake.write_table(Recipe("notes", "2", {}, {}), pa.table({"a": [2]}))
"""


@pytest.mark.parametrize(("call", "left"), [(1, 1), (2, 1), (3, 1), (4, 2)])
def test_killed_while_it_keeps_and_replaces_the_next_run_makes_it_good(
    tmp_path: Path, call: int, left: int
) -> None:
    """The steps: the old version is linked, and that put where it is kept; both are noted; the new one is placed."""
    url = str(tmp_path)
    write(work(url, "notes"), "1", [1])
    done = subprocess.run([sys.executable, "-c", KILLED, url, str(call)], env=environment(), check=False)
    assert done.returncode == -signal.SIGKILL
    assert Lake(url).table("notes").read().to_pydict() == {"a": [left]}
    assert not altered(Lake(url).table("notes"))
    Lake(url).clear_staging()
    write(work(url, "notes"), "2", [2])
    assert Lake(url).table("notes").read().to_pydict() == {"a": [2]}
    assert Lake(url).leftovers() == [] and not list((tmp_path / ".staging").iterdir())
    assert kept(Lake(url)) == [1]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}


def test_a_version_that_was_altered_is_not_put_back(url: str) -> None:
    for value in (1, 2):
        write(work(url, "notes"), str(value), [value])
    lake = Lake(url)
    (version,) = lake.kept_versions("notes")
    lake.filesystem.pipe_file(lake.path(*KEPT, "notes", f"{version}.parquet"), b"PAR1 other PAR1")
    with pytest.raises(VersionError, match="not what was written"):
        put_back(lake, "notes", version)
    assert lake.table("notes").read().to_pydict() == {"a": [2]} and lake.leftovers() == []


def test_pictures_and_all_else_of_older_work_are_refused_like_its_table(url: str) -> None:
    older, newer = work(url, "notes"), work(url, "notes")
    write(older, "old")
    write(newer, "new")
    newer.publish("notes", lambda: newer.write_bytes(b"new", "pictures", "notes", "a.png"))
    with pytest.raises(OutdatedWorkError):
        older.publish("notes", lambda: older.write_bytes(b"old", "pictures", "notes", "a.png"))
    assert Lake(url).read_bytes("pictures", "notes", "a.png") == b"new"


def test_older_work_on_the_table_that_stands_does_not_fail_by_its_pictures(url: str) -> None:
    older, newer = work(url, "notes"), work(url, "notes")
    for lake, drawn in ((newer, b"new"), (older, b"old")):
        write(lake, "same")
        pictures = {"a": Picture(drawn, drawn)}
        AssetIO(cast(Any, None), lake, "1").publish_pictures(partial(dict, pictures), str(drawn), "notes")
    assert Lake(url).read_bytes("pictures", "notes", "a.png") == b"new"


def test_what_was_published_once_is_known_when_it_is_gone(url: str) -> None:
    lake = work(url, "notes", "never")
    write(lake, "1")
    lake.remove("notes.parquet")
    assert lake.published_names() == ["notes"]


def test_the_lock_is_exclusive_between_threads(url: str) -> None:
    inside: list[int] = []
    overlaps: list[bool] = []

    def enter(number: int) -> None:
        with Lake(url).lock("x"):
            inside.append(number)
            overlaps.append(len(inside) > 1)
            time.sleep(0.02)
            inside.remove(number)

    threads = [threading.Thread(target=enter, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlaps == [False] * 6


def _begin_often(url: str, queue: "multiprocessing.Queue[list[int]]") -> None:
    lake = Lake(url)
    queue.put([lake._order.begin("notes") for _ in range(25)])


def test_no_two_processes_get_the_same_number(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[list[int]] = context.Queue()
    processes = [context.Process(target=_begin_often, args=(str(tmp_path), queue)) for _ in range(2)]
    for process in processes:
        process.start()
    numbers = queue.get(timeout=120) + queue.get(timeout=120)
    for process in processes:
        process.join()
    assert sorted(numbers) == list(range(1, 51))
