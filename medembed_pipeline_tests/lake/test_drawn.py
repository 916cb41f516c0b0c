"""Pictures of the same result stand: they are drawn again when what they show, or what draws them, is another."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from medembed_pipeline.lake import publishing
from medembed_pipeline.lake.drawn import NOTE, drawing_code
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import AssetIO
from medembed_pipeline.pictures.figure import Picture


def shown(lake: Lake, *, version: str = "1", inputs: str = "a") -> tuple[dict[str, Any], int]:
    """The metadata of two published pictures, and how often they were drawn for it."""
    drawn = 0

    def draw() -> dict[str, Picture]:
        nonlocal drawn
        drawn += 1
        return {name: Picture(f"{name} png".encode(), f"{name} svg".encode()) for name in ("first", "second")}

    work = AssetIO(cast(Any, None), lake, "1")
    work.note_input("neighbors", inputs)
    return work.publish_pictures(draw, version, "notes"), drawn


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def test_the_same_result_is_drawn_once_and_shown_each_time(lake: Lake) -> None:
    first, drawn = shown(lake)
    assert drawn == 1 and set(first) == {"first", "second"}
    assert shown(Lake(lake.url)) == (first, 0)


@pytest.mark.parametrize("change", [{"version": "2"}, {"inputs": "b"}])
def test_another_result_or_input_is_drawn(lake: Lake, change: dict[str, str]) -> None:
    shown(lake)
    assert shown(lake, **change)[1] == 1
    assert shown(lake, **change)[1] == 0
    assert shown(lake)[1] == 1


def test_other_code_draws_again(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    shown(lake)
    monkeypatch.setattr(publishing, "drawing_code", lambda: "other")
    assert shown(lake)[1] == 1


def test_all_code_and_words_of_the_package_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from medembed_pipeline.lake import drawn

    monkeypatch.setattr(drawn, "PACKAGE", tmp_path)
    (tmp_path / "room" / "data").mkdir(parents=True)
    seen = set()
    for name, content in (
        ("figures.py", "a"),
        ("figures.py", "b"),
        ("data/words.toml", "a"),
        ("more.py", ""),
    ):
        (tmp_path / "room" / name).write_text(content)
        drawing_code.cache_clear()
        seen.add(drawing_code())
    drawing_code.cache_clear()
    assert len(seen) == 4


def removed(lake: Lake) -> None:
    lake.remove("pictures", "notes", "second.svg")


def altered(lake: Lake) -> None:
    lake.filesystem.pipe_file(lake.path("pictures", "notes", "first.png"), b"cut")


def half_replaced(lake: Lake) -> None:
    """As a process leaves it that is killed while it writes other pictures."""
    lake.write_bytes(b"of another result", "pictures", "notes", "first.svg")


@pytest.mark.parametrize("spoil", [removed, altered, half_replaced])
def test_a_picture_that_is_not_what_was_drawn_is_drawn_again(
    lake: Lake, spoil: Callable[[Lake], None]
) -> None:
    first, _ = shown(lake)
    spoil(lake)
    assert shown(lake) == (first, 1)
    assert lake.read_bytes("pictures", "notes", "first.png") == b"first png"
    assert lake.names("pictures", "notes") == [
        NOTE,
        "first.png",
        "first.svg",
        "second.png",
        "second.svg",
    ]
