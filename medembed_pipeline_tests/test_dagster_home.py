"""DAGSTER_HOME: the project's own, or the one that a person names."""

from pathlib import Path

import pytest

from medembed_pipeline.dagster_home import HOME_VARIABLE, prepare_dagster_home


def test_a_home_that_is_named_and_not_there_yet_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "of" / "mine"))
    assert prepare_dagster_home() == tmp_path / "of" / "mine"
    assert list((tmp_path / "of" / "mine").iterdir()) == []


def test_without_one_the_project_has_its_own_with_telemetry_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(HOME_VARIABLE, raising=False)
    monkeypatch.setattr("medembed_pipeline.dagster_home.project_root", lambda: tmp_path)
    home = prepare_dagster_home()
    assert home == tmp_path / ".dagster_home"
    assert "enabled: false" in (home / "dagster.yaml").read_text()
