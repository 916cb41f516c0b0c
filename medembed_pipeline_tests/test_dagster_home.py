"""DAGSTER_HOME: the project's own, or the one that a person names."""

from pathlib import Path

import pytest

from medembed_pipeline.dagster_home import HOME_VARIABLE, prepare_dagster_home


def test_a_home_that_is_named_is_made_with_telemetry_off_and_then_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "of" / "mine"
    monkeypatch.setenv(HOME_VARIABLE, str(named))
    assert prepare_dagster_home() == named
    assert "enabled: false" in (named / "dagster.yaml").read_text()
    (named / "dagster.yaml").write_text("# mine\n")
    assert prepare_dagster_home() == named
    assert (named / "dagster.yaml").read_text() == "# mine\n"


def test_without_one_the_project_has_its_own_with_telemetry_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(HOME_VARIABLE, raising=False)
    monkeypatch.setattr("medembed_pipeline.dagster_home.project_root", lambda: tmp_path)
    home = prepare_dagster_home()
    assert home == tmp_path / ".dagster_home"
    assert "enabled: false" in (home / "dagster.yaml").read_text()
