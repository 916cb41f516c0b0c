"""The settings file is watched: taken up when it is whole and valid, refused with its reason when not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medembed_pipeline.automation.supervision import WatchedSettings
from medembed_pipeline.settings import SETTINGS_VARIABLE


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "medembed.toml"
    path.write_text("[splits]\nseed = 1\n")
    monkeypatch.setenv(SETTINGS_VARIABLE, str(path))
    return path


def test_a_change_is_taken_up_once_when_it_stands_still(path: Path) -> None:
    reloads: list[int] = []
    watched = WatchedSettings(path, lambda: reloads.append(1))
    watched.look()
    path.write_text("[splits]\nseed = 2\n")
    watched.look()
    assert not reloads
    watched.look()
    watched.look()
    assert len(reloads) == 1
    path.touch()
    watched.look()
    watched.look()
    assert len(reloads) == 1


def test_a_bad_file_is_reported_and_the_settings_before_stay(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reloads: list[int] = []
    watched = WatchedSettings(path, lambda: reloads.append(1))
    path.write_text("[splits]\nseed = -2\n")
    for _ in range(4):
        watched.look()
    assert not reloads
    printed = capsys.readouterr().err
    assert printed.count("splits.seed = -2") == 1 and "stay in force" in printed
    path.write_text("[splits]\nseed = 3\n")
    watched.look()
    watched.look()
    assert len(reloads) == 1


def test_a_webserver_that_does_not_answer_yet_is_asked_again(path: Path) -> None:
    answers = [OSError(), OSError(), None]

    def reload() -> None:
        answer = answers.pop(0)
        if answer is not None:
            raise answer

    watched = WatchedSettings(path, reload)
    path.write_text("[splits]\nseed = 2\n")
    for _ in range(6):
        watched.look()
    assert answers == []


@pytest.mark.parametrize("how", ["terminated", "interrupted with its group", "terminated in the background"])
def test_the_child_alone_is_told_to_stop_and_its_status_is_handed_on(tmp_path: Path, how: str) -> None:
    """Its own children are left to it: it ends them in their order."""
    grandchild = (
        "import signal, sys, time, pathlib\n"
        f"told = pathlib.Path({str(tmp_path / 'told')!r})\n"
        "signal.signal(signal.SIGINT, lambda *_: told.touch())\n"
        f"pathlib.Path({str(tmp_path / 'up')!r}).touch()\n"
        "time.sleep(60)\n"
    )
    child = (
        "import signal, subprocess, sys, time\n"
        "if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:\n"
        "    sys.exit(7)\n"
        "def stop(*_):\n"
        "    time.sleep(0.5)\n"
        "    below.kill()\n"
        "    sys.exit(5)\n"
        "signal.signal(signal.SIGINT, stop)\n"
        f"below = subprocess.Popen([sys.executable, '-c', {grandchild!r}])\n"
        "time.sleep(60)\n"
    )
    # What a script starts in the background ignores it.
    handler = "SIG_IGN" if how == "terminated in the background" else "default_int_handler"
    parent = (
        "import signal, sys, pathlib\n"
        f"signal.signal(signal.SIGINT, signal.{handler})\n"
        "from medembed_pipeline.automation.supervision import run_dagster_dev\n"
        f"sys.exit(run_dagster_dev([sys.executable, '-c', {child!r}], pathlib.Path('/nowhere'), 1))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], start_new_session=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "up").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    if how.startswith("terminated"):
        process.terminate()
    else:
        os.killpg(process.pid, signal.SIGINT)
    assert process.wait(20) == 5
    assert not (tmp_path / "told").exists()
