"""Work that began last wins; older work is refused, whatever Dagster believes of its run."""

import multiprocessing
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publication import OutdatedWorkError
from medembed_pipeline.lake.tables import Recipe


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


def test_pointers_follow_the_same_order(url: str) -> None:
    older, newer = work(url, "finetuned_checkpoint"), work(url, "finetuned_checkpoint")
    newer.write_json({"version": "b"}, "finetuned_checkpoint.json")
    with pytest.raises(OutdatedWorkError):
        older.write_json({"version": "a"}, "finetuned_checkpoint.json")
    assert Lake(url).read_json("finetuned_checkpoint.json") == {"version": "b"}


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
