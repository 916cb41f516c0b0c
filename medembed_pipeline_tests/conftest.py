"""Shared by all tests: a small model, and a project that has run once."""

from pathlib import Path

import pytest

from medembed_pipeline_tests.encoder.small_models import make_bert
from medembed_pipeline_tests.graph.project import Project


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 2-layer BERT with a tiny vocabulary, as a base model folder."""
    return make_bert(tmp_path_factory.mktemp("small_model"))


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory, small_model: Path) -> Project:
    """A project on 150 sample notes after `medembed run`. Tests must not change it."""
    project = Project(tmp_path_factory.mktemp("finished"), small_model)
    project.configure(more="")
    written = project.medembed("samples", "--notes", "150")
    assert written.returncode == 0, written.stderr
    project.environment["MEDEMBED_TEST_OUTPUT"] = project.run()
    return project
