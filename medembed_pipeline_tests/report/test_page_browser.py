"""The page in a real browser: opened by double-click, from a hostile note, on a phone, without what it could have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from medembed_pipeline.report.page import render_page, render_texts_file
from medembed_pipeline_tests.report.opened_page import (
    NOTES,
    SECTIONS,
    SPECIALTIES,
    VIEWER,
    Opener,
    decoded,
    needs_chromium,
)
from medembed_pipeline_tests.report.synthetic import HOSTILE, synthetic_payload

pytestmark = needs_chromium


def test_it_opens_from_a_file_without_a_request_and_shows_everything(opened: Opener, page_path: Path) -> None:
    one = opened(page_path)
    assert [url.partition("#")[0] for url in one.requests] == [page_path.as_uri()]
    assert one.is_clean()
    assert one.ask(f"{VIEWER}.painter.kind") == "webgl2"
    ids = one.ask("[...document.querySelectorAll('main > section')].map((section) => section.id)")
    assert ids == SECTIONS
    links = one.ask("[...document.querySelectorAll('#contents a')].map((link) => link.getAttribute('href'))")
    assert links == [f"#at={name}" for name in SECTIONS]
    for figure in one.page.query_selector_all("figure"):
        figure.scroll_into_view_if_needed()
    one.wait(
        "[...document.querySelectorAll('figure')].every((one) => !one.offsetWidth || one.querySelector('svg.chart'))"
    )
    assert not re.search("NaN|undefined|null", one.page.inner_html("main"))
    assert one.is_clean()


def test_the_policy_stops_requests_and_foreign_scripts(opened: Opener, page_path: Path) -> None:
    one = opened(page_path)
    one.ask(
        """() => {
          const image = new Image(); image.src = 'http://127.0.0.1:9/x.png';
          const script = document.createElement('script');
          script.textContent = 'window.foreign = 1';
          document.body.append(script);
          fetch('http://127.0.0.1:9/').catch(() => {});
          const part = document.createElement('div');
          part.setAttribute('onclick', 'window.foreign = 2');
          document.body.append(part);
          part.click();
        }"""
    )
    one.wait("window.violations.length >= 4")
    assert one.ask("window.foreign") is None


def test_a_hostile_note_shows_literally_and_does_nothing(
    opened: Opener, tmp_path: Path, shown_texts: list[str]
) -> None:
    hostile = synthetic_payload(NOTES, SPECIALTIES)
    evil = "<img src=x onerror='window.hacked = 3'><script>window.hacked = 4</script>"
    hostile["specialty_names"][0] = hostile["document_type_names"][0] = hostile["title"] = evil
    hostile["models"]["tuned"] = hostile["notes"]["source"][0] = hostile["scored"] = evil
    hostile["tables"]["release_verdict"]["reason"][0] = hostile["facts"]["release_verdict"]["sentence"] = evil
    hostile["tables"]["query_results"]["specialties"][0] = [evil]
    file = tmp_path / "hostile.html"
    file.write_bytes(render_page(hostile, shown_texts))
    one = opened(file, f"#note={hostile['notes']['id'][0]}&find=<img&lit={'%3Cb%3E'}")
    one.page.wait_for_selector("#note .text mark")
    assert one.ask("document.querySelector('#note .text').textContent") == f"{HOSTILE} zebra0."
    assert one.page.query_selector("#note img, #note script, #note b, main img, main script, h1 img") is None
    assert one.page.inner_text("h1") == evil and evil in one.page.inner_text(".legend")
    assert evil in one.page.inner_text("#note .facts")
    assert one.ask("window.hacked") is None
    assert one.is_clean() and [url.partition("#")[0] for url in one.requests] == [file.as_uri()]


def test_pointing_at_a_mark_says_it_and_every_chart_is_named(opened: Opener, page_path: Path) -> None:
    one = opened(page_path, "#at=metrics")
    one.page.wait_for_selector("#metrics .tuned_marks path")
    one.page.locator("#metrics .tuned_marks path").first.hover()
    one.page.wait_for_selector(".tip.pointed")
    assert one.page.inner_text(".tip.pointed").startswith("Precision at 1, tuned: ")
    one.page.locator("#metrics h2").hover()
    one.page.wait_for_selector(".tip.pointed", state="hidden")
    assert one.page.get_attribute("#metrics svg.chart", "role") == "img"
    assert one.page.get_attribute("#metrics svg.chart", "aria-label") == "Metrics of both models"
    assert one.is_clean()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_runs_over_the_edge_of_a_phone(
    opened: Opener, page_path: Path, shown_payload: dict[str, Any], scheme: str
) -> None:
    one = opened(page_path, viewport={"width": 360, "height": 740}, color_scheme=scheme)
    wide = """[...document.querySelectorAll('body *')].filter((one) => {
      const box = one.getBoundingClientRect();
      return box.width && box.right > 361 && !one.closest('.scroll, .plot, .unseen, .skip, svg');
    }).map((one) => `${one.tagName}.${one.className} ${one.closest('section')?.id}`)"""
    assert one.ask("document.documentElement.scrollWidth") <= 360
    assert one.ask(wide) == []
    one.page.click("#contents summary")
    one.page.click('#contents a[href="#at=labels"]')
    one.wait("document.getElementById('labels').getBoundingClientRect().top < 120")
    one.page.click("#labels .note >> nth=0")
    one.page.wait_for_selector("#note .text")
    assert one.ask(wide) == [] and one.ask("document.documentElement.scrollWidth") <= 360
    ground = one.ask("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground))) < 200) == (scheme == "dark")
    assert one.is_clean()


def test_a_link_of_the_contents_ends_at_its_section_whatever_is_drawn_on_the_way(
    opened: Opener, page_path: Path
) -> None:
    one = opened(page_path, viewport={"width": 360, "height": 740})
    one.page.click("#contents summary")
    one.page.click('#contents a[href="#at=history"]')
    one.page.wait_for_selector("#history svg.chart")
    one.page.wait_for_timeout(500)
    assert 0 <= one.ask("document.getElementById('history').getBoundingClientRect().top") < 120
    assert one.is_clean()


def test_texts_beside_the_page_are_read_when_they_are_needed(
    opened: Opener, tmp_path: Path, shown_payload: dict[str, Any], shown_texts: list[str]
) -> None:
    file, beside = tmp_path / "report.html", tmp_path / "report_texts_1.js"
    file.write_bytes(render_page(shown_payload, None, texts_file=beside.name))
    beside.write_bytes(render_texts_file(shown_texts))
    one = opened(file)
    assert len(one.requests) == 1
    one.ask("medembedPage.app.open(0)")
    one.page.wait_for_selector("#note .text")
    assert one.ask("document.querySelector('#note .text').textContent") == shown_texts[0]
    assert one.requests[1:] == [beside.as_uri()] and one.ask("typeof medembedTexts") == "undefined"
    assert one.is_clean() and one.ask("window.hacked") is None
    beside.unlink()
    other = opened(file)
    other.ask("medembedPage.app.open(3)")
    other.page.wait_for_selector("#note section .warning")
    assert beside.name in other.page.inner_text("#note section .warning")


def test_what_is_not_there_is_named_and_the_rest_works(opened: Opener, tmp_path: Path) -> None:
    bare = synthetic_payload(12, 1, tables=False, methods=("pca",))
    bare["displacement"] = {"distance": None, "overlap": None, "floor": None}
    bare["neighbors"] = None
    for one_map in bare["maps"]:
        one_map["trust_baseline"] = one_map["trust_tuned"] = None
        one_map["quality"] = {"baseline": None, "tuned": None}
    file = tmp_path / "bare.html"
    file.write_bytes(render_page(bare, None))
    one = opened(file)
    left_out = one.page.inner_text("#left-out")
    for name in (
        "release_verdict",
        "leakage_estimate",
        "aligned_projections",
        "note_displacement",
        "neighbors",
    ):
        assert name in left_out
    assert one.ask("[...document.querySelectorAll('main > section')].map((one) => one.id)") == [
        "verdict",
        "map",
        "made",
    ]
    one.ask("medembedPage.app.open(2)")
    assert "without the notes' text" in one.page.inner_text("#note")
    one.page.fill("#find", bare["notes"]["id"][4])
    one.wait("/1 note found/.test(document.querySelector('.found').textContent)")
    assert one.is_clean()
    bare["maps"] = []
    file.write_bytes(render_page(bare, None))
    without_maps = opened(file, f"#note={bare['notes']['id'][1]}")
    assert without_maps.page.query_selector("#map") is None
    assert bare["notes"]["id"][1] in without_maps.page.inner_text("#note")
    assert without_maps.is_clean()


def test_the_theme_can_be_chosen_and_motion_can_be_spared(opened: Opener, page_path: Path) -> None:
    one = opened(page_path, "#t=0", color_scheme="light", reduced_motion="reduce")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = one.ask(ground)
    one.page.locator("#metrics .plot").scroll_into_view_if_needed()
    chart = "document.querySelector('#metrics svg.chart')?.outerHTML"
    one.wait(f"{chart}?.includes('#0072b2')")
    legend = one.page.inner_html(".legend")
    one.page.click("#theme")
    one.page.click("#theme")
    assert one.ask(ground) != light and one.page.inner_html(".legend") != legend
    one.wait(f"{chart}?.includes('#4ba6e0')")
    one.page.click(".play")
    assert one.state["t"] == 1


def test_it_works_by_keyboard_alone(opened: Opener, map_path: Path, shown_payload: dict[str, Any]) -> None:
    one = opened(map_path, "#map=umap-3")
    names = []
    for _ in range(60):
        one.page.keyboard.press("Tab")
        names.append(one.ask("document.activeElement.id || document.activeElement.className"))
        if names[-1] == "mix":
            break
    assert {"method", "dimensions", "colour", "find", "stage", "mix"} <= set(names)
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert one.ask(outline) != "none"
    one.page.focus(".stage")
    before = one.ask(f"{VIEWER}.view")
    for key in ("ArrowRight", "ArrowDown", "Shift+ArrowRight", "+"):
        one.page.keyboard.press(key)
    after = one.ask(f"{VIEWER}.view")
    assert after["yaw"] > before["yaw"] and after["pitch"] > before["pitch"]
    assert after["zoom"] > before["zoom"] and after["x"] < before["x"]
    one.page.keyboard.press("0")
    assert one.ask(f"{VIEWER}.view") == before
    one.page.keyboard.press("[")
    assert one.state["t"] == pytest.approx(0.95)
    distance = decoded(shown_payload["displacement"]["distance"], "<f4")
    order = sorted(range(NOTES), key=lambda place: (-distance[place], place))
    one.page.keyboard.press("n")
    one.page.keyboard.press("n")
    assert shown_payload["notes"]["id"][order[1]][:8] in one.page.inner_text("#announcement")
    one.page.keyboard.press("p")
    one.page.keyboard.press("Enter")
    assert one.state["note"] == shown_payload["notes"]["id"][order[0]]
    assert one.ask("document.activeElement.closest('#note') !== null")
    one.page.keyboard.press("Escape")
    assert one.page.query_selector("#note").is_hidden()
    assert one.ask("document.activeElement.classList.contains('stage')")
