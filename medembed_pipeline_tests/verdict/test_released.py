"""The released pointer: one atomic step, the newest verdict's, and a model that loads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.pointers import PointerError
from medembed_pipeline.lake.publication import OutdatedWorkError
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.training.checkpoints import FOLDER, MANIFEST
from medembed_pipeline.verdict.errors import VerdictError
from medembed_pipeline.verdict.released import (
    RELEASED,
    RELEASED_CHECKPOINT,
    TABLE,
    follow_verdict,
    put_back,
    released_checkpoint,
    released_path,
    released_version,
    withdrawn_versions,
)
from medembed_pipeline_tests.verdict.planted import write_checkpoint

ROOT = Path(__file__).resolve().parents[2]


def say(lake: Lake, verdict: str, checkpoint: str) -> None:
    """Publish a verdict."""
    facts = {"verdict": verdict, "checkpoint": checkpoint, "sentence": ""}
    lake.write_table(
        Recipe(TABLE, "1", {}, {"x": f"{verdict} {checkpoint}"}), pa.table({"a": [1]}), facts=facts
    )


@pytest.fixture(params=["local", "object store"])
def lake(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    url = str(tmp_path / "lake") if request.param == "local" else f"memory://{uuid.uuid4().hex}/lake"
    made = Lake(url)
    for version in ("v1", "v2"):
        write_checkpoint(made, version, ["a"])
    return made


def test_nothing_is_released_before_the_first_deployment(lake: Lake) -> None:
    say(lake, "inconclusive", "v1")
    assert follow_verdict(lake) is None
    assert released_version(lake) is released_checkpoint(lake) is released_path(lake) is None


def test_a_deployment_releases_and_nothing_else_moves_it(lake: Lake) -> None:
    say(lake, "deploy", "v1")
    assert follow_verdict(lake) == released_version(lake) == "v1"
    for verdict in ("retrain", "inconclusive"):
        say(lake, verdict, "v2")
        assert follow_verdict(lake) == released_version(lake) == "v1"
    say(lake, "deploy", "v2")
    assert follow_verdict(lake) == "v2"
    checkpoint = released_checkpoint(lake)
    assert checkpoint is not None and checkpoint.version == "v2" and (checkpoint.folder / MANIFEST).is_file()
    assert lake.leftovers() == [] and not list(lake.local_work_folder(".staging").glob("*"))


def test_what_a_person_takes_back_no_verdict_releases_again_but_a_newer_checkpoint_is(lake: Lake) -> None:
    write_checkpoint(lake, "v3", ["a"])
    for version in ("v1", "v2"):
        say(lake, "deploy", version)
        follow_verdict(lake)
    assert put_back(lake, "v1") == "v2" and released_version(lake) == "v1"
    say(lake, "deploy", "v2")
    assert follow_verdict(lake) == "v1" and withdrawn_versions(lake) == {"v2"}
    say(lake, "deploy", "v3")
    assert follow_verdict(lake) == "v3"
    assert put_back(lake, "v2") == "v3" and withdrawn_versions(lake) == {"v3"}


def test_what_cannot_be_put_back_changes_nothing(lake: Lake) -> None:
    say(lake, "deploy", "v1")
    follow_verdict(lake)
    with pytest.raises(PointerError, match="no checkpoint gone"):
        put_back(lake, "gone")
    with pytest.raises(PointerError, match="released one already"):
        put_back(lake, "v1")
    assert released_version(lake) == "v1" and withdrawn_versions(lake) == set()
    lake.write_json(["v1"], RELEASED_CHECKPOINT.withdrawn_file)
    with pytest.raises(PointerError, match="can't be read"):
        withdrawn_versions(lake)


def test_a_second_time_writes_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    say(lake, "deploy", "v1")
    follow_verdict(lake)

    def refuse(*_: Any) -> bool:
        raise AssertionError("written again")

    monkeypatch.setattr(lake, "write_link", refuse)
    monkeypatch.setattr(lake, "change_json", refuse)
    assert follow_verdict(lake) == "v1"


def test_a_checkpoint_that_is_gone_is_not_released(lake: Lake) -> None:
    say(lake, "deploy", "v1")
    follow_verdict(lake)
    say(lake, "deploy", "v3")
    with pytest.raises(PointerError, match="v3, which the verdict releases, is not in"):
        follow_verdict(lake)
    assert released_version(lake) == "v1"
    lake.remove(FOLDER, "v1")
    assert released_version(lake) == "v1"
    with pytest.raises(VerdictError, match="released checkpoint v1 is not in"):
        released_checkpoint(lake)


def test_older_work_never_moves_it_back(lake: Lake) -> None:
    older, newer = (Lake(lake.url) for _ in range(2))
    older.begin_work(TABLE)
    newer.begin_work(TABLE)
    # The older work has published its verdict, but is held up before it releases.
    say(older, "deploy", "v1")
    say(newer, "deploy", "v2")
    assert follow_verdict(newer) == "v2"
    assert follow_verdict(older) == "v2"
    with pytest.raises(OutdatedWorkError):
        say(older, "deploy", "v1")
    assert released_version(lake) == "v2"


def test_the_step_of_a_finished_run_releases_nothing(lake: Lake) -> None:
    say(lake, "deploy", "v1")

    def over() -> None:
        raise VerdictError("run is over")

    lake.before_publishing = over
    with pytest.raises(VerdictError, match="over"):
        follow_verdict(lake)
    assert released_version(lake) is None


def test_a_damaged_pointer_is_named(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    link = tmp_path / FOLDER / RELEASED
    link.mkdir(parents=True)
    with pytest.raises(PointerError, match="but a folder"):
        released_version(lake)
    link.rmdir()
    for target in ("../elsewhere", "/absolute", ".."):
        link.symlink_to(target)
        with pytest.raises(PointerError, match="no checkpoint of this lake"):
            released_version(lake)
        link.unlink()
    for content in ("{", "[]", "{}"):
        (tmp_path / RELEASED_CHECKPOINT.file).write_text(content)
        with pytest.raises(PointerError, match="can't be read as a pointer"):
            released_version(lake)


def test_the_link_is_relative_so_the_lake_can_move(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "here"))
    write_checkpoint(lake, "v1", ["a"])
    say(lake, "deploy", "v1")
    follow_verdict(lake)
    (tmp_path / "here").rename(tmp_path / "there")
    assert (tmp_path / "there" / FOLDER / RELEASED / MANIFEST).is_file()
    assert os.readlink(tmp_path / "there" / FOLDER / RELEASED) == "v1"  # noqa: PTH115


def test_without_links_the_pointer_file_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    lake = Lake(str(tmp_path))
    write_checkpoint(lake, "v1", ["a"])
    say(lake, "deploy", "v1")

    def refuse(self: Path, target: str) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    assert follow_verdict(lake) == released_version(lake) == "v1"
    assert RELEASED_CHECKPOINT.pointer_name(lake) == "released.json"
    assert released_path(lake) == str(tmp_path / FOLDER / "v1")
    assert not list((tmp_path / ".staging").glob("*"))


FLIP = """
import sys
from medembed_pipeline.lake.lake import Lake
lake = Lake(sys.argv[1])
print("began", flush=True)
while True:
    for version in ("v1", "v2"):
        lake.write_link(version, "checkpoints", "released")
"""


def test_a_reader_and_a_killed_writer_always_leave_a_link(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for version in ("v1", "v2"):
        write_checkpoint(lake, version, ["a"])
    lake.write_link("v1", FOLDER, RELEASED)
    seen = set()
    for _ in range(2):
        writer = subprocess.Popen(
            [sys.executable, "-c", FLIP, lake.url],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert writer.stdout is not None and writer.stdout.readline().strip() == b"began"
        ends = time.monotonic() + 0.7
        while time.monotonic() < ends:
            seen.add(released_version(lake))
            assert (tmp_path / FOLDER / RELEASED / MANIFEST).is_file()
        writer.send_signal(signal.SIGKILL)
        writer.wait(20)
        assert released_version(lake) in ("v1", "v2")
    assert seen == {"v1", "v2"}
    lake.clear_staging()
    assert not list((tmp_path / ".staging").glob("*"))


KILLED = """
import os, signal, sys
from pathlib import Path
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.verdict.released import follow_verdict
if sys.argv[2] == "before":
    Path.replace = lambda self, target: os.kill(os.getpid(), signal.SIGKILL)
else:
    replace = Path.replace
    def then_killed(self, target):
        replace(self, target)
        os.kill(os.getpid(), signal.SIGKILL)
    Path.replace = then_killed
follow_verdict(Lake(sys.argv[1]))
"""


@pytest.mark.parametrize(("when", "left"), [("before", "v1"), ("after", "v2")])
def test_killed_at_the_rename_it_is_the_old_or_the_new_one_and_the_next_run_mends_it(
    tmp_path: Path, when: str, left: str
) -> None:
    lake = Lake(str(tmp_path))
    for version in ("v1", "v2"):
        write_checkpoint(lake, version, ["a"])
        if version == "v1":
            say(lake, "deploy", "v1")
            follow_verdict(lake)
    say(lake, "deploy", "v2")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, lake.url, when],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert released_version(lake) == left
    assert len(lake.leftovers()) == (when == "before")
    lake.clear_staging()
    assert not list((tmp_path / ".staging").glob("*"))
    assert follow_verdict(lake) == released_version(lake) == "v2"


def test_sentence_transformers_loads_the_released_model(small_model: Path, tmp_path: Path) -> None:
    import numpy as np
    from sentence_transformers import SentenceTransformer

    from medembed_pipeline.encoder import EncoderSpec, read_spec
    from medembed_pipeline.encoder.folder import save_encoder
    from medembed_pipeline.encoder.model import load_encoder

    lake = Lake(str(tmp_path))
    encoder = load_encoder(
        EncoderSpec(str(small_model), "mean", 32, "cut", 0), device="cpu", precision="float32"
    )
    with lake.staged_folder(FOLDER, "v1", last=MANIFEST) as folder:
        save_encoder(encoder, folder)
        (folder / MANIFEST).write_text('{"files": {}}')
    say(lake, "deploy", "v1")
    follow_verdict(lake)
    path = released_path(lake)
    assert path == str(tmp_path / FOLDER / RELEASED)
    texts = ["the patient was seen for chest pain", "mri of left knee"]
    loaded = SentenceTransformer(path, device="cpu").encode(texts, normalize_embeddings=True)
    direct = SentenceTransformer(str(tmp_path / FOLDER / "v1"), device="cpu").encode(
        texts, normalize_embeddings=True
    )
    assert np.array_equal(loaded, direct) and loaded.shape == (2, 32)
    assert read_spec(tmp_path / FOLDER / RELEASED).max_tokens == 32
