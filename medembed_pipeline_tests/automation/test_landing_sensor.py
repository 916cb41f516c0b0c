"""The landing sensor: sees every change, waits for what is still being written, and asks once."""

import os
from pathlib import Path

import dagster as dg
import pytest

from medembed_pipeline.automation.sensors import LANDED, landing_decision, landing_digest, landing_sensor
from medembed_pipeline.automation.settings import AutomationSettings
from medembed_pipeline.lake.lake import Lake


class Folder:
    """A landing folder and the sensor's memory of it, on a clock of its own."""

    def __init__(self, root: Path) -> None:
        self.lake = Lake(str(root))
        self.files = root / "landing"
        self.files.mkdir(parents=True)
        self.cursor: str | None = None
        self.now = 1_000.0

    def look(self, after: float = 10, busy: bool = False) -> bool:
        self.now += after
        wanted, self.cursor, why_not = landing_decision(
            self.cursor, landing_digest(self.lake), now=self.now, settle_seconds=5, busy=busy
        )
        assert wanted or why_not
        return wanted

    def settled(self) -> bool:
        return [self.look(), self.look(), self.look()] == [False, True, False]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_an_empty_folder_is_left_alone(folder: Folder) -> None:
    assert not folder.look() and not folder.look()


def test_a_file_is_read_once_when_it_stands_still(folder: Folder) -> None:
    (folder.files / "a.csv").write_text("text\nfirst\n")
    assert folder.settled()


def test_a_file_that_still_grows_is_waited_for(folder: Folder) -> None:
    for length in range(5):
        (folder.files / "a.csv").write_text("x" * (length + 1))
        assert not folder.look()
    assert folder.look()


def test_every_kind_of_change_is_seen(folder: Folder) -> None:
    one, other = folder.files / "a.csv", folder.files / "b.csv"
    one.write_text("A")
    assert folder.settled()
    os.utime(one, ns=(1, 1))
    assert folder.settled(), "touched, to a time long ago"
    one.rename(other)
    assert folder.settled(), "renamed"
    (folder.files / "late.csv").write_text("L")
    os.utime(folder.files / "late.csv", ns=(5, 5))
    assert folder.settled(), "late: older than what was read before"
    (folder.files / "late.csv").unlink()
    assert folder.settled(), "removed"


def test_a_then_b_then_a_is_read_three_times(folder: Folder) -> None:
    path = folder.files / "a.csv"
    for content in "ABA":
        path.write_text(content)
        os.utime(path, ns=(ord(content), ord(content)))
        assert folder.settled()


def test_a_change_while_the_folder_is_read_is_read_afterwards(folder: Folder) -> None:
    (folder.files / "a.csv").write_text("A")
    assert folder.settled()
    (folder.files / "b.csv").write_text("B")
    assert [folder.look(busy=True) for _ in range(3)] == [False] * 3
    assert folder.look() and not folder.look()


def test_a_folder_that_becomes_empty_keeps_the_tables(folder: Folder) -> None:
    (folder.files / "a.csv").write_text("A")
    assert folder.settled()
    (folder.files / "a.csv").unlink()
    assert not folder.look() and not folder.look()


def test_the_sensor_asks_for_the_landing_tables_alone_and_not_while_a_run_reads_them(tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / "a.csv").write_text("A")
    sensor = landing_sensor(AutomationSettings(landing_settle_seconds=0), str(tmp_path))

    @dg.multi_asset(name="landing", specs=[dg.AssetSpec(key) for key in LANDED])
    def landing():  # type: ignore[no-untyped-def]
        ...

    definitions = dg.Definitions(assets=[landing], sensors=[sensor])
    repository = definitions.get_repository_def()
    with dg.instance_for_test() as instance:
        context = dg.build_sensor_context(instance=instance, repository_def=repository)
        asked = sensor(context)
        assert isinstance(asked, dg.RunRequest) and asked.asset_selection == LANDED and asked.run_key is None
        assert isinstance(sensor(context), dg.SkipReason)
        job = definitions.resolve_implicit_global_asset_job_def()
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        (tmp_path / "landing" / "b.csv").write_text("B")
        waiting = sensor(context)
        assert isinstance(waiting, dg.SkipReason) and "still reading" in str(waiting.skip_message)
