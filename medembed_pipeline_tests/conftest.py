"""Shared by all tests: a small model, and a project that has run once. Made once, whatever the number of workers."""

import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest

from medembed_pipeline_tests.graph.project import Project

LONG = (
    "test_what_runs.py",
    "test_conditions.py",
    "test_object_store.py",
    "test_browser.py",
    "test_ray.py",
)
"""Files that take longest: they begin, so that no worker is left alone with one at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests by file: the long ones first, the rest as they were found."""
    ranks = {name: rank for rank, name in enumerate(LONG)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(LONG)))


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 2-layer BERT with a tiny vocabulary, as a base model folder."""
    # Loaded here: the process that hands out the tests needs no torch.
    from medembed_pipeline_tests.encoder.small_models import make_bert

    return made_once(tmp_path_factory, "small_model", make_bert)


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory, small_model: Path) -> Project:
    """A project on 150 sample notes after `medembed run`. Tests must not change it, but copies of it."""

    def make(folder: Path) -> None:
        project = Project(folder, small_model)
        written = project.command("samples", "--notes", "150")
        assert written.returncode == 0, written.stderr
        done = project.medembed("run")
        assert done.returncode == 0, done.stdout + done.stderr
        (folder / "output.txt").write_text(done.stdout)

    return Project(made_once(tmp_path_factory, "finished", make), small_model)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first worker makes and the others wait for."""
    base = factory.getbasetemp()
    # Each worker of pytest-xdist has a folder of its own in that of all.
    shared = base.parent if base.name.startswith("popen-") else base
    folder = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / f"{name}.made").exists():
            make(folder)
            (shared / f"{name}.made").touch()
    return folder
