"""Locks on an object store: one holder at a time, whoever dies, sleeps or is slow."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import fsspec
import pyarrow as pa
import pytest

from medembed_pipeline.lake import publication
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.lease import LostLeaseError
from medembed_pipeline.lake.publication import OutdatedWorkError, PublicationOrder
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline_tests.s3_server import BUCKET, s3_server


@pytest.fixture(scope="module")
def s3_bucket() -> Iterator[str]:
    with s3_server():
        yield f"s3://{BUCKET}"


@pytest.fixture(params=["memory", "s3"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "s3":
        yield f"{request.getfixturevalue('s3_bucket')}/{uuid.uuid4().hex}"
        return
    yield "memory://lake"
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


def order(url: str) -> PublicationOrder:
    filesystem, root = fsspec.core.url_to_fs(url)
    return PublicationOrder(filesystem, root, is_local=False)


def leave_lease(url: str, until: float, *, name: str = "x.lock/1", **more: Any) -> None:
    filesystem, root = fsspec.core.url_to_fs(url)
    lease = {"host": "elsewhere", "process": 1, "token": "dead", "until": until, **more}
    filesystem.pipe_file(f"{root}/.publications/{name}", json.dumps(lease).encode())


def leases(url: str) -> dict[str, float]:
    """Until when each lease object of the lock x counts."""
    filesystem, root = fsspec.core.url_to_fs(url)
    filesystem.invalidate_cache()
    paths = filesystem.find(f"{root}/.publications/x.lock")
    return {path.rpartition("/")[2]: json.loads(filesystem.cat_file(path))["until"] for path in paths}


def most_inside_at_once(url: str, count: int, held: float = 0.1) -> int:
    """How many of some threads are inside one lock at once, at most."""
    shared, inside, peak, begin = order(url), [0], [0], threading.Barrier(count)
    counting = threading.Lock()

    def work() -> None:
        begin.wait()
        with shared.lock("x"):
            with counting:
                inside[0] += 1
                peak[0] = max(peak[0], inside[0])
            time.sleep(held)
            with counting:
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return peak[0]


@pytest.mark.parametrize("name", ["x.lock/1", "x.lock/10"])
def test_of_two_that_found_the_same_dead_lease_one_takes_it(
    url: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_lease(url, time.time() - 1, name=name)
    both_have_read, first_is_in = threading.Barrier(2), threading.Event()
    judge = publication._is_dead

    def slowly(held: dict[str, Any]) -> bool:
        dead = judge(held)
        # The second acts on what it has read only when the first is inside.
        if held["token"] == "dead" and both_have_read.wait(20) == 0:
            first_is_in.wait(20)
        return dead

    monkeypatch.setattr(publication, "_is_dead", slowly)
    shared, inside, peak = order(url), [0], [0]

    def work() -> None:
        with shared.lock("x"):
            inside[0] += 1
            peak[0] = max(peak[0], inside[0])
            first_is_in.set()
            time.sleep(0.5)
            inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert peak == [1] and inside == [0]


def test_a_waiter_that_wakes_up_after_others_came_and_went_gets_nothing_that_is_held(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_lease(url, time.time() - 1)
    judge, asleep, awake = publication._is_dead, threading.Event(), threading.Event()
    entered: list[float] = []

    def sleeps(held: dict[str, Any]) -> bool:
        dead = judge(held)
        if threading.current_thread().name == "sleeper" and not asleep.is_set():
            asleep.set()
            awake.wait(20)
        return dead

    monkeypatch.setattr(publication, "_is_dead", sleeps)

    def work() -> None:
        with order(url).lock("x"):
            entered.append(time.monotonic())

    sleeper = threading.Thread(target=work, name="sleeper")
    sleeper.start()
    asleep.wait(20)
    for _ in range(3):
        with order(url).lock("x"):
            pass
    with order(url).lock("x"):
        awake.set()
        time.sleep(0.6)
        assert not entered
    sleeper.join(20)
    assert len(entered) == 1


def test_eight_threads_take_turns_from_a_dead_lease_on(url: str) -> None:
    leave_lease(url, time.time() - 1)
    assert most_inside_at_once(url, 8, held=0.02) == 1
    assert len(leases(url)) == 1


def test_a_lease_is_renewed_for_as_long_as_it_is_held(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "LEASE_SECONDS", 0.9)
    assert most_inside_at_once(url, 2, held=1.5) == 1
    time.sleep(0.5)
    assert list(leases(url).values()) == [0.0]


def test_a_lost_lease_is_noticed_before_anything_is_published(url: str) -> None:
    lake = Lake(url)
    lake.begin_work("notes")
    with pytest.raises(LostLeaseError, match=r"notes\.lock was lost"), lake.lock("notes"):
        (name,) = lake.names(".publications", "notes.lock")
        taken = str(int(name) + 1)
        leave_lease(url, time.time() + 60, name=f"notes.lock/{taken}")
        lake.write_json({"version": "b"}, "released.json")
    assert lake.read_json("released.json") is None
    assert taken in lake.names(".publications", "notes.lock")


def test_a_table_is_not_published_by_a_holder_that_lost_its_lease(url: str) -> None:
    lake = Lake(url)
    lake.begin_work("notes")

    def lost() -> list[str]:
        (name,) = lake.names(".publications", "notes.lock")
        leave_lease(url, time.time() + 60, name=f"notes.lock/{int(name) + 1}")
        return []

    with pytest.raises(LostLeaseError, match=r"notes\.lock was lost"):
        lake.publish("notes", lambda: pytest.fail("it was published"), keep=lost)


def test_what_somebody_else_wrote_since_it_was_read_is_not_replaced(s3_bucket: str) -> None:
    """As when a holder falls asleep between the look at its lease and the write."""
    lake = Lake(f"{s3_bucket}/{uuid.uuid4().hex}")
    for standing in (None, {"version": "a"}):
        if standing:
            lake.change_json(lambda _: {"version": "a"}, "x.json")

        def overtaken(read: Any) -> dict[str, str]:
            assert read == standing  # noqa: B023
            lake.filesystem.pipe_file(lake.path("x.json"), b'{"version": "newer"}')
            return {"version": "mine"}

        with pytest.raises(LostLeaseError, match="written by other work meanwhile"):
            lake.change_json(overtaken, "x.json")
        assert lake.read_json("x.json") == {"version": "newer"}
        lake.remove("x.json")


def test_numbers_that_somebody_else_wrote_are_not_replaced(s3_bucket: str) -> None:
    shared = order(f"{s3_bucket}/{uuid.uuid4().hex}")
    shared.begin("x")
    numbers, seen = shared._read("x")
    shared.record("x", 1, placed=True)
    with pytest.raises(LostLeaseError):
        shared._write("x", numbers, seen)
    assert shared._read("x")[0]["published"] == 1


def test_all_who_begin_at_once_get_numbers_of_their_own(url: str) -> None:
    numbers: list[int] = []
    threads = [threading.Thread(target=lambda: numbers.append(order(url).begin("x"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(numbers) == list(range(1, 9))


def test_numbers_that_cannot_be_written_are_an_error_and_not_waited_for(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = order(f"{s3_bucket}/{uuid.uuid4().hex}")
    shared.begin("x")

    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError("access denied")

    monkeypatch.setattr(shared._filesystem, "pipe_file", refused)
    with pytest.raises(PermissionError, match="access denied"):
        shared.begin("x")


def test_a_store_that_cannot_tell_who_came_first_is_asked_again(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = order(f"{s3_bucket}/{uuid.uuid4().hex}")
    put = shared._filesystem.pipe_file
    refused: list[str] = []

    def conflicting(path: str, value: bytes, **more: Any) -> None:
        if len(refused) % 3 < 2:
            refused.append(path)
            raise OSError(
                "An error occurred (ConditionalRequestConflict) when calling the PutObject operation"
            )
        refused.append("")
        put(path, value, **more)

    monkeypatch.setattr(shared._filesystem, "pipe_file", conflicting)
    assert [shared.begin("x"), shared.begin("x")] == [1, 2] and len(refused) == 6


def test_who_looks_at_its_lease_until_it_has_run_out_has_lost_it(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publication, "LEASE_SECONDS", 1.0)
    lake = Lake(url)
    find = lake.filesystem.find

    def hangs(*arguments: Any, **more: Any) -> Any:
        time.sleep(1.2)
        return find(*arguments, **more)

    with pytest.raises(LostLeaseError), lake.lock("notes"):
        monkeypatch.setattr(lake.filesystem, "find", hangs)
        lake.write_json({}, "released.json")
    assert lake.read_json("released.json") is None


def test_who_confirms_takes_the_lock_from_the_dead(url: str) -> None:
    lake = Lake(url)
    lake.begin_work("x")
    leave_lease(url, time.time() - 1, name="x.lock/4")
    lake.confirm("x")
    assert list(leases(url)) == ["5"]


def test_what_is_confirmed_is_not_replaced_by_who_was_inside_before(url: str) -> None:
    older, newer = Lake(url), Lake(url)
    for lake in (older, newer):
        lake.begin_work("notes")
    inside, events = threading.Event(), []

    def publish() -> None:
        inside.set()
        time.sleep(1.0)
        events.append("published")

    publishing = threading.Thread(target=lambda: older.publish("notes", publish))
    publishing.start()
    assert inside.wait(20)
    newer.confirm("notes")
    events.append("confirmed")
    publishing.join(20)
    assert events == ["published", "confirmed"]
    with pytest.raises(OutdatedWorkError):
        older.publish("notes", publish)


def test_a_lease_that_ran_out_counts_as_lost(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "LEASE_SECONDS", 0.3)
    lake = Lake(url)
    put = lake.filesystem.pipe_file

    def unreachable(path: str, value: bytes, **more: Any) -> None:
        if more.get("mode") != "create":
            raise OSError("the store does not answer")
        put(path, value, **more)

    with pytest.raises(LostLeaseError), lake.lock("notes"):
        with monkeypatch.context() as patch:
            patch.setattr(lake.filesystem, "pipe_file", unreachable)
            time.sleep(0.5)
        lake.write_json({}, "released.json")


def test_a_table_is_published_by_a_holder_that_holds(url: str) -> None:
    lake = Lake(url)
    lake.begin_work("notes")
    assert lake.write_table(Recipe("notes", "1", {}, {}), pa.table({"a": [1]})).rows == 1


def test_the_lease_of_a_process_that_crashed_is_taken_over(s3_bucket: str) -> None:
    url = f"{s3_bucket}/{uuid.uuid4().hex}"
    script = (
        "import os, signal, sys\n"
        "from medembed_pipeline.lake.lake import Lake\n"
        "with Lake(sys.argv[1]).lock('x'):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, url], check=False).returncode == -9
    assert all(until > time.time() for until in leases(url).values())
    begun = time.monotonic()
    with Lake(url).lock("x"):
        assert time.monotonic() - begun < 20


def test_the_lease_of_another_machine_counts_until_it_runs_out(url: str) -> None:
    leave_lease(url, time.time() + 1.0, host=f"not-{socket.gethostname()}")
    begun = time.monotonic()
    with order(url).lock("x"):
        assert time.monotonic() - begun > 0.8
