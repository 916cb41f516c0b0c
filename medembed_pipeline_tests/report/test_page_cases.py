"""The map of the cases in a real browser: a click or a key opens the very case, with its picture, note and answers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from medembed_pipeline.report.page import render_page
from medembed_pipeline_tests.report.opened_page import (
    NOTES,
    SPECIALTIES,
    WITHOUT_WEBGL,
    Opened,
    Opener,
    needs_chromium,
)
from medembed_pipeline_tests.report.synthetic import HOSTILE, synthetic_payload
from medembed_pipeline_tests.report.synthetic_cases import (
    COUNT,
    LEVELS,
    SPLITS,
    answer_rows,
    case_id,
    synthetic_cases,
)

pytestmark = needs_chromium

VIEWER = "medembedPage.app.cases.viewer"
CASES = "medembedPage.app.cases.cases"
ALONE = f"""() => {{
  const viewer = {VIEWER};
  const {{size}} = {CASES};
  const all = Array.from({{length: size}}, (_, at) => viewer.placeOf(at));
  const inside = ({{x, y}}) => x > 20 && y > 20 && x < viewer.width - 60 && y < viewer.height - 20;
  const at = all.findIndex((one, at) => inside(one) && all.every(
    (other, place) => place === at || Math.hypot(other.x - one.x, other.y - one.y) > 14));
  const box = viewer.stage.getBoundingClientRect();
  return {{at, x: all[at].x + box.left, y: all[at].y + box.top}};
}}"""
"""A case that no other lies near to, and where it is in the window."""


@pytest.fixture(scope="module")
def cases_path(
    tmp_path_factory: pytest.TempPathFactory, shown_payload: dict[str, Any], shown_texts: list[str]
) -> Path:
    """A page of notes and cases, without the sections that other tests look at."""
    payload = synthetic_payload(NOTES, SPECIALTIES, tables=False)
    payload |= {name: shown_payload[name] for name in ("cases", "pictures", "facts")}
    file = tmp_path_factory.mktemp("page") / "cases.html"
    file.write_bytes(render_page(payload, shown_texts))
    return file


def answers(arm: str) -> dict[str, dict[str, Any]]:
    """Rows of an arm by case."""
    return {row["case_id"]: row for row in answer_rows() if row["arm"] == arm}


def table_of(one: Opened, label: str) -> list[list[str]]:
    """The cells of a table of the opened case."""
    return list(
        one.ask(
            f"""[...document.querySelectorAll('#case [aria-label="{label}"] tbody tr')].map((row) =>
              [...row.cells].map((cell) => cell.innerText.trim()))"""
        )
    )


@pytest.mark.parametrize("script", ["", WITHOUT_WEBGL])
def test_a_click_on_the_map_opens_the_very_case(opened: Opener, cases_path: Path, script: str) -> None:
    one = opened(cases_path, "#at=cases", script=script)
    assert one.ask(f"{VIEWER}.painter.kind") == ("canvas" if script else "webgl2")
    one.page.query_selector("#cases .stage").scroll_into_view_if_needed()
    spot = one.ask(ALONE)
    case = one.ask(f"{CASES}.given.id[{spot['at']}]")
    one.page.mouse.move(spot["x"] - 3, spot["y"])
    one.page.mouse.move(spot["x"], spot["y"])
    row = answers("gated")[case]
    said = f"{row['level']}, said to be {row['predicted']} ({max(row['probabilities']):.2f})"
    assert one.page.inner_text("#cases .tip strong") == said
    one.page.mouse.click(spot["x"], spot["y"])
    one.page.wait_for_selector("#case h2")
    assert one.state["case"] == case and one.ask(f"{VIEWER}.opened") == spot["at"]
    assert one.page.inner_text("#case h2") == f"Case {case[:8]}: {row['level']}"
    place = int(case[8:], 16)
    assert f"giraffe{place}." in one.page.inner_text("#case .text")
    assert one.ask("document.querySelector('#case img').naturalWidth") == 90
    one.page.click("#case .close")
    assert one.page.query_selector("#case").is_hidden() and one.state["case"] == ""
    assert one.is_clean()


def test_the_opened_case_shows_what_every_arm_says_and_what_note_and_picture_add(
    opened: Opener, cases_path: Path
) -> None:
    place = 7
    one = opened(cases_path, f"#case={case_id(place)}")
    rows = [row for row in answer_rows() if row["case_id"] == case_id(place)]
    found = table_of(one, "What each arm says of this case")
    assert len(found) == len(rows) == 7
    for cells, row in zip(found, rows, strict=True):
        assert cells[0].lower().startswith(row["arm"].replace("_", " "))
        for level, cell, share in zip(LEVELS, cells[1:], row["probabilities"], strict=True):
            mark = "" if level != row["predicted"] else " ✓" if level == row["level"] else " ✗"
            assert cell == f"{share:.2f}{mark}"
    wide = one.ask(
        """[...document.querySelectorAll('#case [aria-label="What each arm says of this case"] .share')]
          .map((share) => share.width.baseVal.value)"""
    )
    assert wide == pytest.approx([100 * share for row in rows for share in row["probabilities"]], abs=1e-3)
    added = table_of(one, "What note and picture add to each answer")
    fusions = [row for row in rows if row["blank_note"] is not None]
    assert len(added) == len(fusions) == 4
    for cells, row in zip(added, fusions, strict=True):
        answer = max(row["probabilities"])
        assert cells[0].split("\n") == [
            row["arm"].replace("_", " ").capitalize(), f"{row['predicted']} {answer:.2f}"
        ]  # fmt: skip
        assert cells[1:] == [
            f"{answer - row['blank_note']:+.2f}", f"{answer - row['blank_picture']:+.2f}", f"{row['blank_both']:.2f}"
        ]  # fmt: skip
    said = one.page.inner_text("#case .facts")
    assert "train: the arms have learned from it" in said and "Age\n27" in said
    assert one.is_clean()


def test_a_part_that_is_missing_is_named_and_arms_that_need_it_are_not_there(
    opened: Opener, cases_path: Path
) -> None:
    one = opened(cases_path, f"#case={case_id(1)}")
    assert [cells[0] for cells in table_of(one, "What each arm says of this case")] == ["Picture", "Metadata"]
    said = one.page.inner_text("#case")
    assert "This case has no note." in said and "No fusion sees this case: it has no note." in said
    one.ask(f"medembedPage.app.openCase('{case_id(2)}')")
    said = one.page.inner_text("#case")
    assert "This case has no picture." in said and "it has no picture." in said and "giraffe2." in said
    # It is nowhere on the fusion's map, and on the note's it is.
    at = one.ask(f"{CASES}.position.get('{case_id(2)}')")
    inside = f"(() => {{ const {{x}} = {VIEWER}.placeOf({at}); return x > 0 && x < {VIEWER}.width; }})()"
    assert not one.ask(inside) and not one.ask(f"{VIEWER}.passes({at})")
    assert "2 cases lack what it needs" in one.page.inner_text("#cases")
    one.page.select_option("#case-arm", "note")
    assert one.ask(inside) and one.ask(f"{VIEWER}.passes({at})")
    one.ask("medembedPage.app.openCase('feed')")
    assert "There is no case feed in this report." in one.page.inner_text("#case")
    assert one.is_clean()


def test_it_works_by_keyboard_the_surest_mistakes_first(opened: Opener, cases_path: Path) -> None:
    one = opened(cases_path, "#case_arm=picture")
    held = {case: row for case, row in answers("picture").items() if row["split"] == "test"}
    wrong = [case for case, row in held.items() if row["predicted"] != row["level"]]
    surest = sorted(wrong, key=lambda case: -max(held[case]["probabilities"]))
    assert len(surest) > 2
    one.page.focus("#cases .stage")
    one.page.keyboard.press("n")
    one.page.keyboard.press("n")
    assert surest[1][:8] in one.page.inner_text("#announcement")
    one.page.keyboard.press("p")
    one.page.keyboard.press("Enter")
    assert one.state["case"] == surest[0]
    assert one.ask("document.activeElement.closest('#case') !== null")
    one.page.keyboard.press("Escape")
    assert one.page.query_selector("#case").is_hidden()
    assert one.ask("document.activeElement.closest('#cases .stage') !== null")
    before = one.ask(f"{VIEWER}.view")
    for key in ("ArrowRight", "+"):
        one.page.keyboard.press(key)
    after = one.ask(f"{VIEWER}.view")
    assert after["x"] < before["x"] and after["zoom"] > before["zoom"]
    one.page.keyboard.press("0")
    assert one.ask(f"{VIEWER}.view") == before
    listed = one.ask(
        "[...document.querySelectorAll('#cases [data-case]')].map((one) => one.closest('tr').innerText.split('\\t'))"
    )
    assert [cells[0].strip() for cells in listed[: len(surest)]] == [case[:8] for case in surest][:8]
    assert f"{len(wrong)} of {len(held)} are wrong" in one.page.inner_text("#cases")
    one.page.click("#cases [data-case] >> nth=1")
    assert one.state["case"] == surest[1]
    assert one.is_clean()


def counts_of_legend(one: Opened) -> dict[str, str]:
    """By entry, held-out cases of all."""
    return dict(
        one.ask(
            """[...document.querySelectorAll('#cases .entry')].map((entry) =>
              [entry.querySelector('.name').innerText, entry.querySelector('.number').innerText])"""
        )
    )


def test_colours_count_what_the_arm_says_and_held_out_cases_are_marked(
    opened: Opener, cases_path: Path
) -> None:
    one = opened(cases_path, "#case_arm=note&case_colour=outcome")
    rows = list(answers("note").values())
    place = {level: at for at, level in enumerate(LEVELS)}
    expected = {}
    for name, sign in (("too low a level", -1), ("too high a level", 1), ("right", 0)):
        own = [
            row
            for row in rows
            if (place[row["predicted"]] > place[row["level"]])
            - (place[row["predicted"]] < place[row["level"]])
            == sign
        ]
        held = sum(row["split"] == "test" for row in own)
        expected[name] = f"{held} of {len(own)}"
    assert counts_of_legend(one) == expected
    one.page.select_option("#case-colour", "given")
    assert one.state["case_colour"] == "given"
    given = {level: [row for row in rows if row["predicted"] == level] for level in LEVELS}
    assert counts_of_legend(one) == {
        level: f"{sum(row['split'] == 'test' for row in own)} of {len(own)}" for level, own in given.items()
    }
    one.page.select_option("#case-colour", "source")
    named = list(counts_of_legend(one))
    assert len(named) == 3 and named[0] == "ward A" and "<script>" in named[1] and named[2] == "not known"
    one.page.select_option("#case-colour", "split")
    assert sum(int(number.split(" ")[2]) for number in counts_of_legend(one).values()) == len(rows)
    # Held-out cases are bright (2), the others faint (3); an entry alone dims the rest; alone, only they answer.
    look = f"(at) => {VIEWER}.looks[4 * at + 1]"
    looks = one.ask(f"{CASES}.given.id.map((id, at) => [id, ({look})(at)])")
    split_of = {case_id(at): SPLITS[at % 4] for at in range(COUNT)}
    seen = answers("note")
    assert all(level == (2 if split_of[case] == "test" else 3) for case, level in looks if case in seen)
    one.page.click('#cases .entry[data-case-entry="train"]')
    looks = dict(one.ask(f"{CASES}.given.id.map((id, at) => [id, ({look})(at)])"))
    assert all((looks[case] == 0) == (split_of[case] != "train") for case in seen)
    one.page.click('#cases .entry[data-case-entry="train"]')
    one.page.check("#case-held-out")
    passing = one.ask(f"{CASES}.given.id.filter((_, at) => {VIEWER}.passes(at))")
    assert sorted(passing) == sorted(case for case in seen if split_of[case] == "test")
    assert one.is_clean()


def test_the_address_brings_the_map_and_the_case_back_and_a_note_takes_its_place(
    opened: Opener, cases_path: Path
) -> None:
    one = opened(cases_path, f"#case_arm=late_fusion&case_colour=split&case={case_id(9)}")
    assert (
        one.page.input_value("#case-arm") == "late_fusion" and one.page.input_value("#case-colour") == "split"
    )
    assert one.page.inner_text("#case h2").startswith(f"Case {case_id(9)[:8]}")
    one.ask("medembedPage.app.open(3)")
    one.page.wait_for_selector("#note .text")
    assert one.page.query_selector("#case").is_hidden() and one.state["case"] == ""
    one.page.go_back()
    one.wait(f"medembedPage.app.store.state.case === '{case_id(9)}'")
    assert one.page.query_selector("#note").is_hidden() and not one.page.query_selector("#case").is_hidden()
    other = opened(cases_path, "#case_arm=nobody&case_colour=nothing")
    assert (
        other.page.input_value("#case-arm") == "gated" and other.page.input_value("#case-colour") == "level"
    )
    assert one.is_clean() and other.is_clean()


def test_a_hostile_case_shows_literally_and_does_nothing(opened: Opener, cases_path: Path) -> None:
    one = opened(cases_path, f"#case={case_id(0)}&case_colour=source")
    assert one.ask("document.querySelector('#case .text').textContent") == HOSTILE
    assert one.ask("document.querySelectorAll('#case img').length") == 1
    assert one.page.query_selector("#case script, #case b, #cases img, #cases script, #cases b") is None
    assert one.ask(
        "[...document.querySelectorAll('#case dd')].some((one) => one.textContent.includes('<script>'))"
    )
    assert one.ask("window.hacked") is None
    assert one.is_clean() and [url.partition("#")[0] for url in one.requests] == [cases_path.as_uri()]


def test_without_text_there_is_neither_note_nor_picture_and_without_cases_no_section(
    opened: Opener, tmp_path: Path
) -> None:
    bare = synthetic_payload(NOTES, SPECIALTIES, tables=False)
    bare["cases"], bare["pictures"] = synthetic_cases("none"), {}
    file = tmp_path / "none.html"
    file.write_bytes(render_page(bare, None))
    one = opened(file, f"#case={case_id(4)}")
    said = one.page.inner_text("#case")
    assert "without pictures (report.note_text = none)" in said and "without the notes' text" in said
    assert (
        one.page.query_selector("#case img") is None
        and len(table_of(one, "What each arm says of this case")) == 7
    )
    assert one.is_clean()
    del bare["cases"]
    file.write_bytes(render_page(bare, None))
    other = opened(file, f"#case={case_id(4)}")
    assert other.page.query_selector("#cases") is None and other.page.query_selector("#case").is_hidden()
    assert other.is_clean()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_opened_case_does_not_run_over_the_edge_of_a_phone(
    opened: Opener, cases_path: Path, scheme: str
) -> None:
    options: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "color_scheme": scheme}
    one = opened(cases_path, f"#at=cases&case={case_id(5)}", **options)
    wide = """[...document.querySelectorAll('#case, #case *, #cases, #cases *')].filter((one) => {
      const box = one.getBoundingClientRect();
      return box.width && box.right > 361 && !one.closest('.scroll, .unseen');
    }).map((one) => `${one.tagName}.${one.className}`)"""
    assert one.ask(wide) == [] and one.ask("document.documentElement.scrollWidth") <= 360
    cut = "[...document.querySelectorAll('#case .scroll')].filter((one) => one.scrollWidth > one.clientWidth).length"
    assert one.ask(cut) == 0
    ground = one.ask("getComputedStyle(document.querySelector('#case')).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground))) < 200) == (scheme == "dark")
    one.page.click("#case .close")
    one.page.query_selector("#cases .stage").scroll_into_view_if_needed()
    legend = one.page.inner_html("#cases .legend")
    one.page.click("#theme")
    one.page.click("#theme")
    if scheme == "light":
        assert one.page.inner_html("#cases .legend") != legend
    assert one.is_clean()
