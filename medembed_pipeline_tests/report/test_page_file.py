"""The page in the lake says what it was made from, is whole or absent, and every alteration of it is found."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publication import OutdatedWorkError
from medembed_pipeline.lake.settings import KEEP_TABLES
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.lake.versions import put_back, versions_of
from medembed_pipeline.report.errors import ReportError
from medembed_pipeline.report.page_file import (
    NAME,
    PAGE,
    PageFooter,
    find_made_page,
    find_page,
    publish_page,
    sweep_texts,
    texts_file_name,
)
from medembed_pipeline.report.verification import verify_report
from medembed_pipeline_tests.report.small_lake import make_lake

BODY = b"<!doctype html><title>x</title>\n<p>body</p>"


def recipe(note_text: str = "full", **inputs: str) -> Recipe:
    return Recipe("report", "1", {"ReportSettings": {"note_text": note_text}}, inputs)


def publish(lake: Lake, made_from: Recipe, *, texts: bytes | None = None, body: bytes = BODY) -> PageFooter:
    name = texts_file_name(texts) if texts is not None else None
    return publish_page(lake, made_from, body, texts=texts, texts_file=name, notes=3)


@pytest.fixture(params=["local", "memory"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    if request.param == "local":
        return Lake(str(tmp_path / "lake"))
    return Lake(f"memory://{tmp_path.name}-{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:8]}")


def states(lake: Lake) -> dict[str, str]:
    return {finding.name: finding.state for finding in verify_report(lake)}


def texts_in(lake: Lake) -> list[str]:
    return [name for name in lake.names() if name.startswith("report_texts_")]


def test_a_page_is_found_again_by_its_recipe(lake: Lake) -> None:
    footer = publish(lake, recipe(notes="1"))
    assert find_made_page(lake, recipe(notes="1")) == footer == find_page(lake)
    assert find_made_page(lake, recipe(notes="2")) is None
    with lake.filesystem.open(lake.path(PAGE), "rb") as file:
        content = file.read()
    assert content.startswith(BODY) and content.count(b"-->") == 1
    assert footer.data_version == hashlib.sha256(BODY).hexdigest()
    assert states(lake) == {PAGE: "ok"}


def test_texts_lie_beside_and_old_ones_go(lake: Lake) -> None:
    first = publish(lake, recipe(notes="1"), texts=b"one")
    assert texts_in(lake) == [first.texts_file]
    second = publish(lake, recipe(notes="2"), texts=b"two")
    assert texts_in(lake) == [second.texts_file] and second.texts_file != first.texts_file
    publish(lake, recipe(notes="3"))
    assert texts_in(lake) == []


def test_an_earlier_page_is_kept_with_its_texts_and_can_be_put_back(lake: Lake) -> None:
    footers = []
    for number in range(KEEP_TABLES + 2):
        lake.begin_work(NAME)
        texts, body = f"texts {number}".encode(), BODY + str(number).encode()
        footers.append(publish(lake, recipe(notes=str(number)), texts=texts, body=body))
    first, *kept = footers
    assert first.texts_file not in texts_in(lake)
    assert set(texts_in(lake)) == {footer.texts_file for footer in kept}
    assert states(lake) == {PAGE: "ok", str(kept[-1].texts_file): "ok"}
    put_back(lake, NAME, kept[0].sha256[:16])
    assert find_page(lake) == kept[0]
    assert states(lake) == {PAGE: "ok", str(kept[0].texts_file): "ok"}


def test_a_page_without_its_texts_is_made_again(lake: Lake) -> None:
    footer = publish(lake, recipe(notes="1"), texts=b"one")
    assert footer.texts_file is not None
    lake.remove(footer.texts_file)
    assert find_made_page(lake, recipe(notes="1")) is None
    assert states(lake) == {PAGE: "ok", footer.texts_file: "missing"}


def test_every_alteration_is_found(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    footer = publish(lake, recipe(notes="1"), texts=b"one")
    assert footer.texts_file is not None
    whole = (tmp_path / PAGE).read_bytes()
    for changed in (
        whole.replace(b"body", b"bodx"),
        whole[:-1],
        whole[: len(BODY)],
        b"",
        whole.replace(b'"notes": 3', b'"notes": 33'),
        whole.replace(b'"note_text": "full"', b'"note_text": "none"'),
        b" " + whole,
    ):
        assert changed != whole
        (tmp_path / PAGE).write_bytes(changed)
        assert states(lake)[PAGE] == "altered", changed[-80:]
    (tmp_path / PAGE).write_bytes(whole)
    (tmp_path / footer.texts_file).write_bytes(b"onE")
    assert states(lake) == {PAGE: "ok", footer.texts_file: "altered"}


def test_a_page_of_somebody_else_is_named_and_replaced(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    (tmp_path / PAGE).write_text("<html>mine</html>")
    assert states(lake) == {PAGE: "altered"} and find_made_page(lake, recipe()) is None
    publish(lake, recipe())
    assert states(lake) == {PAGE: "ok"}


def test_missing_is_told_from_never_made(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    assert verify_report(lake) == []
    lake.begin_work("report")
    publish(lake, recipe())
    (tmp_path / PAGE).unlink()
    assert states(Lake(str(tmp_path))) == {PAGE: "missing"}


def test_a_changed_input_makes_it_stale_and_not_an_error(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    notes = lake.table("cleaned_notes").data_version
    publish(lake, recipe(cleaned_notes=notes, shown_besides="x", embedding_metrics="0" * 64))
    stale = [finding for finding in verify_report(lake) if finding.state == "stale"]
    assert len(stale) == 1 and "embedding_metrics" in stale[0].detail and not stale[0].is_error


def test_older_work_does_not_replace_the_page(tmp_path: Path) -> None:
    older, newer = Lake(str(tmp_path)), Lake(str(tmp_path))
    older.begin_work("report")
    newer.begin_work("report")
    standing = publish(newer, recipe(notes="2"), texts=b"two")
    with pytest.raises(OutdatedWorkError):
        publish(older, recipe(notes="1"), texts=b"one")
    assert find_page(newer) == standing
    sweep_texts(newer)
    assert texts_in(newer) == [standing.texts_file] and states(newer)[PAGE] == "ok"
    again = Lake(str(tmp_path))
    again.begin_work("report")
    assert publish(again, recipe(notes="2"), texts=b"two") == standing


def test_a_page_that_shows_less_of_the_notes_takes_earlier_ones_that_show_more_away(lake: Lake) -> None:
    for number, shown in enumerate(["none", "masked", "full", "masked"]):
        lake.begin_work(NAME)
        publish(lake, recipe(shown, notes=str(number)), texts=str(number).encode(), body=b"%d" % number)
        if shown == "full":
            assert len(lake.names("store", "versions", NAME)) == 2
    left = [find_page(lake, "store", "versions", NAME, one) for one in lake.names("store", "versions", NAME)]
    modes = {page.recipe.settings["ReportSettings"]["note_text"] for page in left if page is not None}
    assert modes == {"none", "masked"} and texts_file_name(b"2") not in texts_in(lake)
    assert {one.version for one in versions_of(lake, NAME) if not one.stands} == {
        page.data_version[:16] for page in left if page is not None
    }


def test_texts_swept_by_older_work_before_the_page_stands_are_written_again(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))

    def sweep() -> None:
        for name in texts_in(lake):
            lake.remove(name)

    lake.before_publishing = sweep
    footer = publish(lake, recipe(notes="1"), texts=b"one")
    assert texts_in(lake) == [footer.texts_file] and states(lake)[PAGE] == "ok"


def test_a_failed_write_leaves_the_old_page(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    standing = publish(lake, recipe(notes="1"), texts=b"one")

    def refuse() -> None:
        raise KeyboardInterrupt

    lake.before_publishing = refuse
    with pytest.raises(KeyboardInterrupt):
        publish(lake, recipe(notes="2"))
    assert find_page(lake) == standing and set(states(lake).values()) == {"ok"}


@given(st.text(max_size=30), st.text(max_size=30))
def test_nothing_in_a_footer_ends_its_comment(name: str, value: str) -> None:
    footer = PageFooter(Recipe("report", "1", {name: value + "--><script>"}, {}), "0" * 64, None, None, 1)
    line = footer.to_bytes()
    assert PageFooter.from_bytes(line) == footer
    assert line.count(b"--") == 2 and line.count(b">") == 1 and line.count(b"\n") == 2


@pytest.mark.parametrize("line", [b"", b"\n<!-- medembed {} -->\n", b"\n<!-- medembed [1] -->\n", b"<p>"])
def test_a_line_that_is_no_footer_is_refused(line: bytes) -> None:
    with pytest.raises(ReportError, match="materialize report"):
        PageFooter.from_bytes(line)
