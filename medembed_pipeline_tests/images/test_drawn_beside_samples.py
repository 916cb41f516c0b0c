"""When `medembed run` puts the drawn cases into landing_images, and when it leaves the folder alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from medembed_pipeline.cli import SAMPLE_FILE, write_drawn_cases_beside_samples
from medembed_pipeline.lake.lake import Lake


@pytest.fixture()
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    settings = tmp_path / "few.toml"
    settings.write_text("[images]\ndrawn_patients = 3\n")
    monkeypatch.setenv("MEDEMBED_SETTINGS", str(settings))
    return Lake(str(tmp_path / "lake"))


def landed(lake: Lake) -> list[str]:
    return lake.names("landing_images", "drawn")


def test_beside_the_sample_notes_they_go_in_once(lake: Lake) -> None:
    lake.write_bytes(b"transcription\n", "landing", SAMPLE_FILE)
    write_drawn_cases_beside_samples(lake)
    assert len(landed(lake)) == 7 and "cases.csv" in landed(lake)
    Path(lake.path("landing_images", "drawn", "cases.csv")).write_text("image\n")
    write_drawn_cases_beside_samples(lake)
    assert Path(lake.path("landing_images", "drawn", "cases.csv")).read_text() == "image\n"


@pytest.mark.parametrize("notes", [(), ("mine.csv",), ("mine.csv", SAMPLE_FILE)])
def test_beside_anybodys_own_notes_they_do_not(lake: Lake, notes: tuple[str, ...]) -> None:
    for name in notes:
        lake.write_bytes(b"transcription\n", "landing", name)
    write_drawn_cases_beside_samples(lake)
    assert not lake.exists("landing_images")


def test_ones_own_pictures_stay_alone(lake: Lake) -> None:
    lake.write_bytes(b"transcription\n", "landing", SAMPLE_FILE)
    lake.write_bytes(b"x", "landing_images", "mine.png")
    write_drawn_cases_beside_samples(lake)
    assert lake.names("landing_images") == ["mine.png"]


def test_switched_off_they_do_not_go_in(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "few.toml").write_text("[images]\nenabled = false\n")
    lake.write_bytes(b"transcription\n", "landing", SAMPLE_FILE)
    write_drawn_cases_beside_samples(lake)
    assert not lake.exists("landing_images")
