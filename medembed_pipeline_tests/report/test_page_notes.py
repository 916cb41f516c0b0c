"""From a figure to the notes behind it: what a click opens, and what the sections say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medembed_pipeline_tests.report.opened_page import ALONE, NOTES, Opener, decoded, needs_chromium
from medembed_pipeline_tests.report.synthetic import WIDTH

pytestmark = needs_chromium


@pytest.mark.parametrize("address", ["#map=umap-2", "#map=aligned_umap-3&view=0.3,0.2,1.5,0.05,0"])
def test_a_click_opens_the_very_note(
    opened: Opener, map_path: Path, shown_payload: dict[str, Any], shown_texts: list[str], address: str
) -> None:
    one = opened(map_path, address)
    one.page.query_selector(".stage").scroll_into_view_if_needed()
    spot = one.ask(ALONE)
    at = spot["at"]
    one.page.mouse.move(spot["x"] - 3, spot["y"])
    one.page.mouse.move(spot["x"], spot["y"])
    assert shown_payload["notes"]["id"][at][:8] in one.page.inner_text(".tip")
    one.page.mouse.click(spot["x"], spot["y"])
    one.page.wait_for_selector("#note .text")
    assert one.state["note"] == shown_payload["notes"]["id"][at]
    assert f"zebra{at}." in one.page.inner_text("#note .text")
    shown = one.page.inner_text("#note")
    assert shown_payload["notes"]["id"][at] in shown and shown_payload["notes"]["source"][at] in shown
    one.page.click("#note .close")
    assert one.page.query_selector("#note").is_hidden() and one.state["note"] == ""
    assert one.is_clean()


def test_the_opened_note_shows_its_neighbours_before_and_after_and_which_are_relevant(
    opened: Opener, page_path: Path, shown_payload: dict[str, Any]
) -> None:
    sets = shown_payload["notes"]["specialties"]
    near = {
        model: decoded(shown_payload["neighbors"][model], "<i4").reshape(-1, WIDTH)
        for model in ("baseline", "tuned")
    }
    scored = shown_payload["notes"]["scored"]
    at = next(
        place
        for place in range(NOTES)
        if sets[place] and not scored[place] and near["baseline"][place, 0] != near["tuned"][place, 0]
    )
    one = opened(page_path, f"#note={shown_payload['notes']['id'][at]}")
    one.page.wait_for_selector("#note .text")
    for column, model in enumerate(("baseline", "tuned")):
        buttons = one.page.query_selector_all(f"#note .columns > div:nth-child({column + 1}) li")
        assert len(buttons) == 5
        for rank, item in enumerate(buttons):
            other = int(near[model][at, rank])
            assert item.query_selector("button").get_attribute("data-note") == str(other)
            relevant = bool(set(sets[at]) & set(sets[other]))
            assert item.query_selector(".mark").inner_text() == ("✓" if relevant else "✗")
    one.page.click("text=Show all ten")
    assert len(one.page.query_selector_all("#note .columns li")) == 20
    one.page.query_selector("#note .columns li button").click()
    assert one.state["note"] == shown_payload["notes"]["id"][int(near["baseline"][at, 0])]
    one.page.go_back()
    one.wait(f"medembedPage.app.store.state.note === '{shown_payload['notes']['id'][at]}'")


def test_a_scored_note_shows_the_neighbours_of_the_ledger_first(
    opened: Opener, page_path: Path, shown_payload: dict[str, Any]
) -> None:
    ledger = shown_payload["tables"]["query_results"]
    at = ledger["note_id"][0]
    one = opened(page_path, "#at=ledger")
    first = one.page.query_selector("#ledger tbody tr")
    assert first.query_selector(".note").get_attribute("data-note") == str(at)
    assert first.query_selector(".dots.tuned").inner_text().count("●") == sum(ledger["relevant_tuned"][0])
    first.query_selector("td:nth-child(5)").click()
    assert one.state["note"] == shown_payload["notes"]["id"][at]
    shown = [
        item.get_attribute("data-note")
        for item in one.page.query_selector_all("#note .columns > div:nth-child(2) li button")
    ]
    in_ledger = shown
    assert in_ledger == [str(other) for other in ledger["neighbors_tuned"][0][:5]]
    one.page.click("#note .choice >> text=all notes")
    near = decoded(shown_payload["neighbors"]["tuned"], "<i4").reshape(-1, WIDTH)
    shown = [
        item.get_attribute("data-note")
        for item in one.page.query_selector_all("#note .columns > div:nth-child(2) li button")
    ]
    assert shown == [str(int(other)) for other in near[at][:5]] != in_ledger


def test_a_note_that_is_placed_untrustworthily_says_so(
    opened: Opener, map_path: Path, shown_payload: dict[str, Any]
) -> None:
    ids = shown_payload["notes"]["id"]
    one = opened(map_path, f"#map=tsne-2&note={ids[-1]}")
    assert "untrustworthily" in one.page.inner_text("#note .warning") and "t-SNE" in one.page.inner_text(
        "#note .warning"
    )
    one.ask("medembedPage.app.open(3)")
    one.page.wait_for_selector(f"#note >> text={ids[3]}")
    assert one.page.query_selector("#note .warning") is None


def test_the_verdict_leads_to_its_evidence(
    opened: Opener, page_path: Path, shown_payload: dict[str, Any]
) -> None:
    one = opened(page_path)
    assert "Retrain" in one.page.inner_text(".badge")
    assert shown_payload["specialty_names"][-1] in one.page.inner_text("#verdict h2")
    rules = shown_payload["tables"]["release_verdict"]["rule"]
    found = one.ask("[...document.querySelectorAll('[data-rule]')].map((one) => one.dataset.rule)")
    assert sorted(found) == sorted(rules) and found[0] == "no_specialty_is_worse"
    one.page.click('[data-rule="no_specialty_is_worse"]')
    one.wait("Math.abs(document.getElementById('specialties').getBoundingClientRect().top) < 60")
    assert one.state["at"] == "specialties"
    assert one.ask("document.activeElement.id") == "specialties-title"
    one.wait("document.querySelector('#specialties .names_marks text')")
    names = one.page.locator("#specialties .names_marks text").all_text_contents()
    assert names[0].startswith(shown_payload["specialty_names"][-1][:12])
    targets = one.ask(
        "[...document.querySelectorAll('[data-rule]')].map((one) => one.getAttribute('href').slice(4))"
    )
    assert all(one.page.query_selector(f"#{target}") for target in targets)


def test_confusions_label_review_and_leakage_estimate_change_what_they_show(
    opened: Opener, page_path: Path, shown_payload: dict[str, Any]
) -> None:
    one = opened(page_path)
    review = shown_payload["tables"]["label_review"]
    first = one.page.query_selector("#labels tbody tr .note").get_attribute("data-note")
    assert first == str(review["note_id"][review["judgement"].index("looks_wrong")])
    one.page.click("#labels .choice >> text=agrees")
    first = one.page.query_selector("#labels tbody tr .note").get_attribute("data-note")
    assert first == str(review["note_id"][review["judgement"].index("agrees")])
    confusions = shown_payload["tables"]["label_confusions"]
    shares = [
        share
        for share, model in zip(confusions["share"], confusions["model"], strict=True)
        if model == "tuned"
    ]
    assert one.page.inner_text("#confusions tbody tr td:nth-child(5)") == f"{100 * max(shares):.1f}%"
    one.page.query_selector("#confusions figure").scroll_into_view_if_needed()
    one.page.wait_for_selector("#confusions figure .cells_marks path")
    before = one.page.inner_html("#confusions figure .plot")
    one.page.click("#confusions .choice >> text=before")
    one.wait(f"document.querySelector('#confusions figure .plot').innerHTML !== {json.dumps(before)}")
    assert "61%" in one.page.inner_text("#leak table")


def test_the_map_of_every_epoch_shows_every_held_out_note(
    opened: Opener, page_path: Path, shown_payload: dict[str, Any]
) -> None:
    one = opened(page_path, "#at=training")
    one.page.query_selector("#training > figure").scroll_into_view_if_needed()
    scored = [place for place, value in enumerate(shown_payload["notes"]["scored"]) if value]
    marks = "#training > figure .mark-symbol:not(.role-legend-symbol) path"
    one.wait(f"document.querySelectorAll('{marks}').length === {3 * len(scored)}")
    figure = "medembedPage.app.report.payload.figures.similarity_evidence.maps_by_epoch"
    words = one.ask(f"{figure}.data.points.map((point) => point.words)")
    ids = [shown_payload["notes"]["id"][place][:8] for place in scored]
    assert sorted(text.rpartition(", ")[2] for text in words) == sorted(3 * ids)
