"""Slices and the history on the page: coloured, filtered, searched, and kept in the address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medembed_pipeline.report.page import render_page
from medembed_pipeline_tests.report.opened_page import NOTES, SPECIALTIES, VIEWER, Opener, needs_chromium
from medembed_pipeline_tests.report.synthetic import synthetic_payload

pytestmark = needs_chromium
NAMES = "#slices .names_marks text"
LIT = f"Array.from({{length: {NOTES}}}, (_, at) => at).filter((at) => {VIEWER}.isLit(at))"


def of(payload: dict[str, Any], name: str, value: str | None) -> list[int]:
    """The notes of one value of a slice, or of none."""
    (one,) = [one for one in payload["slices"] if one["name"] == name]
    if value is None:
        return [at for at, own in enumerate(one["of"]) if not own]
    return [at for at, own in enumerate(one["of"]) if one["values"].index(value) in own]


def test_notes_are_coloured_and_filtered_by_any_slice(
    opened: Opener, map_path: Path, shown_payload: dict[str, Any]
) -> None:
    one = opened(map_path)
    one.page.select_option("#colour", "slice:site")
    assert one.page.inner_text(".side h3") == "Site"
    counts = [int(text) for text in one.page.locator("#map .legend .number").all_inner_texts()]
    assert counts == [len(of(shown_payload, "site", value)) for value in ("East", "North", "South")]
    one.page.click('.legend [data-entry="South"]')
    assert one.ask(LIT) == of(shown_payload, "site", "South")
    one.page.select_option("#only", "age=18-39")
    both = sorted(set(of(shown_payload, "site", "South")) & set(of(shown_payload, "age", "18-39")))
    assert one.ask(LIT) == both and one.is_clean()
    again = opened(map_path, one.address)
    assert again.ask(LIT) == both and again.page.input_value("#only") == "age=18-39"
    again.page.select_option("#only", "age=")
    again.page.click('.legend [data-entry="South"]')
    assert again.ask(LIT) == of(shown_payload, "age", None)
    again.page.select_option("#only", "")
    assert len(again.ask(LIT)) == NOTES
    assert len(opened(map_path, "#only=age%3Dunheard").ask(LIT)) == NOTES


def test_a_note_says_its_values_and_is_found_by_them(
    opened: Opener, map_path: Path, shown_payload: dict[str, Any]
) -> None:
    one = opened(map_path)
    one.ask("medembedPage.app.open(10)")
    facts = one.page.inner_text("#note .facts")
    assert "Site" in facts and "South" in facts and "Age" in facts
    one.page.keyboard.press("Escape")
    one.page.fill("#find", '"site: North"')
    found = len(of(shown_payload, "site", "North"))
    one.wait(f"/^{found} notes found/.test(document.querySelector('.found').textContent)")
    assert one.is_clean()


def test_the_change_by_slice_is_drawn_listed_and_leads_to_the_map(
    opened: Opener, page_path: Path, shown_payload: dict[str, Any]
) -> None:
    one = opened(page_path, "#slice=age&figure=precision@1&at=slices")
    one.wait(f"document.querySelectorAll('{NAMES}').length === 5")
    assert one.page.inner_text('#slices .choice [aria-pressed="true"] >> nth=0') == "Age"
    names = one.page.locator(NAMES).all_text_contents()
    assert [name.rsplit(" (", 1)[0] for name in names] == ["0-17", "18-39", "40-64", "65-98", "(none)"]
    one.page.click('#slices .choice button:text("Site")')
    one.wait(f"document.querySelectorAll('{NAMES}').length === 3")
    worse = one.ask("getComputedStyle(document.documentElement).getPropertyValue('--worse')")
    points = one.page.locator("#slices .points_marks path")
    fills = [points.nth(place).get_attribute("fill") for place in range(points.count())]
    assert one.state["slice"] == "site" and fills.count(worse) == 1 and len(fills) == 3
    one.page.click("#slices summary")
    assert "none: too few groups" not in one.page.inner_text("#slices table")
    one.page.click('#slices tr:has-text("South") button')
    assert one.state["only"] == "site=South" and one.state["at"] == "map"
    assert one.ask(LIT) == of(shown_payload, "site", "South")
    one.page.go_back()
    one.wait("medembedPage.app.store.state.only === ''")
    one.page.focus('#slices .choice button:text("Age")')
    one.page.keyboard.press("Enter")
    assert one.state["slice"] == "age" and one.ask("document.activeElement.textContent") == "Age"
    assert "none: too few groups" in one.page.inner_text("#slices table")
    assert one.is_clean()


def test_the_history_names_what_was_released_and_what_it_gave(opened: Opener, page_path: Path) -> None:
    one = opened(page_path, "#task=passages&at=history")
    one.wait("document.querySelectorAll('#history .names_marks text').length === 4")
    assert one.page.inner_text('#history .choice [aria-pressed="true"]') == "Passages"
    names = one.page.locator("#history .names_marks text").all_text_contents()
    assert names[0].startswith("2026-04-13 a33c07be ✗ retrain") and len(names) == 4
    rows = one.page.locator("#history table >> nth=0").locator("tbody tr").all_inner_texts()
    assert "(this page)" in rows[0] and "not released" in rows[0]
    assert [row.count("2026-02-11 08:00") for row in rows] == [0, 1, 2, 0]
    one.page.click('#history .choice button:text("Notes")')
    assert one.state["task"] == "notes" and one.is_clean()


def test_without_slices_and_history_nothing_of_them_shows(
    opened: Opener, tmp_path: Path, shown_texts: list[str]
) -> None:
    payload = synthetic_payload(NOTES, SPECIALTIES)
    payload["slices"] = []
    for name in ("slice_metrics", "checkpoint_history"):
        payload["tables"][name] = {column: [] for column in payload["tables"][name]}
    file = tmp_path / "plain.html"
    file.write_bytes(render_page(payload, shown_texts))
    one = opened(file)
    assert one.page.query_selector("#only, #slices, #history") is None
    assert one.page.query_selector('#colour option[value^="slice:"]') is None and one.is_clean()
