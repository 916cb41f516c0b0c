"""Selecting notes on the page: by legend, slice, search and keyboard; the address; what is said of the selection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medembed_pipeline.report.page import render_page
from medembed_pipeline_tests.report.opened_page import (
    NOTES,
    SPECIALTIES,
    STORE,
    VIEWER,
    Opener,
    decoded,
    needs_chromium,
)
from medembed_pipeline_tests.report.selecting import (
    BRIGHT,
    FAINT,
    FREE,
    LASSO,
    LEVELS,
    PLACES,
    VIEW,
    draw,
    selected,
)
from medembed_pipeline_tests.report.synthetic import WIDTH, synthetic_payload

pytestmark = needs_chromium


def test_legend_slice_and_search_are_selected_as_they_are_lit(
    opened: Opener, map_path: Path, shown_payload: dict[str, Any]
) -> None:
    one = opened(map_path)
    sets = shown_payload["notes"]["specialties"]
    names = shown_payload["specialty_names"]
    entry = '.entry[data-entry="{}"]'.format
    one.page.click(entry(names[1]), modifiers=["Shift"])
    orthopedic = [at for at in range(NOTES) if 1 in sets[at]]
    assert selected(one) == orthopedic and one.state["lit"] == ""
    assert one.page.inner_text(f"{entry(names[1])} .number") == f"{len(orthopedic)} of {len(orthopedic)}"
    one.page.click(entry(names[2]), modifiers=["Shift", "Control"])
    both = [at for at in range(NOTES) if {1, 2} & set(sets[at])]
    assert selected(one) == both
    one.page.select_option("#only", "site=South")
    (site,) = [each for each in shown_payload["slices"] if each["name"] == "site"]
    south = [at for at in range(NOTES) if site["values"].index("South") in site["of"][at]]
    levels = one.ask(LEVELS)
    assert [at for at in range(NOTES) if levels[at] == BRIGHT] == sorted(set(both) & set(south))
    assert [at for at in range(NOTES) if levels[at] == FAINT] == sorted(set(south) - set(both))
    assert f"{len(set(both) - set(south))} of them are not shown" in one.page.inner_text(".selection")
    assert one.page.inner_text(".select-bar .choice >> nth=2").split("\n")[1] == f"the {len(south)} lit"
    one.page.click('.select-bar button:has-text(" lit")')
    assert selected(one) == south
    one.page.fill("#find", '"subjective" near:no')
    one.wait("/no note whose id begins with no/.test(document.querySelector('.found').textContent)")
    one.page.fill("#find", "chronic edema")
    one.wait("/found/.test(document.querySelector('.found').textContent)")
    one.wait(f"{VIEWER}.found?.size > 0")
    one.page.click('.select-bar button:has-text(" lit")')
    one.wait(f"{VIEW}.notes.size < {len(south)}")
    found = set(one.ask(f"[...{VIEWER}.found]"))
    assert selected(one) == sorted(found & set(south))
    one.page.select_option("#only", "")
    one.page.fill("#find", "")
    one.wait(f"{VIEWER}.found === null")
    assert selected(one) == sorted(found & set(south))
    assert one.is_clean()


def test_every_colour_can_be_selected_by(opened: Opener, page_path: Path) -> None:
    one = opened(page_path, "#map=umap-2&t=0")
    colours = one.ask("[...document.querySelectorAll('#colour option')].map((one) => one.value)")
    for colour in colours:
        one.page.select_option("#colour", colour)
        entries = one.page.locator("#map .entry")
        entries.nth(0).click(modifiers=["Shift"])
        own = one.ask(
            f"Array.from({{length: {NOTES}}}, (_, at) => at).filter((at) => {VIEWER}.belongs(at, "
            f"{VIEWER}.scheme.entries.findIndex((e) => e.key === document.querySelector('.entry').dataset.entry)))"
        )
        assert selected(one) == own and own, colour
        # What was selected by one model's neighbours stays, whatever the slider shows.
        one.ask("medembedPage.app.store.set({t: 1, map: 'tsne-2'})")
        assert selected(one) == own, colour
        one.ask("medembedPage.app.store.set({t: 0, map: 'umap-2'})")


def test_the_address_opens_the_same_selection(opened: Opener, map_path: Path) -> None:
    one = opened(map_path, "#map=aligned_umap-3&colour=slice%3Asite")
    one.page.keyboard.down("Shift")
    draw(one, LASSO)
    one.page.keyboard.up("Shift")
    one.page.click('.select-bar button:text-is("adds")')
    one.page.click('.entry[data-entry="North"]', modifiers=["Shift"])
    one.page.select_option("#only", "age=18-39")
    one.page.click('.select-bar button:text-is("takes away")')
    one.page.click('.select-bar button:has-text(" lit")')
    one.page.fill("#find", 'subjective "left knee"')
    one.wait(f"{VIEWER}.found?.size > 0")
    one.page.click('.select-bar button:text-is("adds")')
    one.page.click('.select-bar button:has-text(" lit")')
    selected(one)
    one.ask(f"{VIEW}.toggle({VIEW}.notes.has(7) ? 8 : 7)")
    found = selected(one)
    assert one.state["select"].count(" ") == 4 and found
    address = one.address
    assert "select=" in address and len(address) < 600
    other = opened(map_path, address)
    assert selected(other) == found and other.state == one.state
    assert other.is_clean()


def test_the_address_is_copied_or_shown_to_be_copied(opened: Opener, map_path: Path) -> None:
    one = opened(map_path, "#select=all")
    one.ask("void (navigator.clipboard.writeText = async (text) => { window.copied = text; })")
    one.page.click(".selection .address")
    one.wait("window.copied === location.href")
    assert "is copied" in one.page.inner_text(".away") and one.state["select"] == "all"
    one.ask("void (navigator.clipboard.writeText = () => Promise.reject(new Error()))")
    one.page.click(".selection .address")
    one.wait("document.querySelector('.away input')")
    assert one.page.input_value(".away input") == one.ask("location.href") and "select=all" in one.ask(
        "location.href"
    )
    assert one.is_clean()


UNHEARD = (
    "area.nothing.100.0.0.3.1_2_3_4_5_6",
    "area.umap-2.100.0.0.3.1_2_3",
    "area",
    "is.specialty.t.umap-2.nobody",
    "slice.site%3DNowhere",
    "near.ffffffffffff.t.all",
    "notes.zz",
    "constructor",
    "find.x.y",
    "%25%25.*.*-",
)


def test_a_selection_from_elsewhere_breaks_nothing(opened: Opener, map_path: Path) -> None:
    one = opened(map_path, f"#select={UNHEARD[0]}")
    for select in UNHEARD:
        one.ask("(address) => { location.hash = address; }", f"#select={select}")
        one.wait(f"!document.querySelector('.selection').hidden && {STORE}.state.select !== ''")
        assert selected(one) == [], select
        assert "not in this report" in one.page.inner_text(".selection"), select
        one.page.click('.select-bar button:text-is("Clear")')
        assert one.state["select"] == "" and one.page.locator(".selection").is_hidden(), select
        assert one.address == "", select
        assert one.is_clean(), select


def test_a_selection_too_long_for_an_address_says_so_and_is_kept(opened: Opener, tmp_path: Path) -> None:
    notes = 1200
    file = tmp_path / "long.html"
    file.write_bytes(render_page(synthetic_payload(notes, SPECIALTIES, tables=False, methods=("pca",)), None))
    one = opened(file)
    # Many areas with few notes in them are named one by one; too many notes are not.
    area = " ".join(["area.pca-2.100.0.0.9." + "_".join(["123456789"] * 240)] * 8)
    third = f"'notes.' + {VIEW}.report.notes.id[3] + ' '"
    one.ask(f"(area) => {VIEW}.set(medembedPage.selection.parsed({third} + area))", area)
    one.wait(f"{VIEW}.notes.size === 1")
    assert one.state["select"] == f"notes.{one.ask(f'{VIEW}.report.shortId(3)')}"
    one.ask(
        f"{VIEW}.set([{{add: true, conditions: [medembedPage.selection.make.notes({VIEW}.report, "
        f"Array.from({{length: {notes - 100}}}, (_, at) => at))]}}])"
    )
    one.wait(f"{VIEW}.notes.size === {notes - 100}")
    assert "too long for an address" in one.page.inner_text(".selection")
    assert one.page.query_selector(".selection .address") is None
    assert "select=" not in one.ask("location.hash")
    one.ask("medembedPage.app.open(5)")
    one.page.go_back()
    one.wait("medembedPage.app.store.state.note === ''")
    assert len(selected(one)) == notes - 100
    one.page.keyboard.press("Escape")
    assert selected(one) == []
    one.page.go_back()
    one.wait(f"{VIEW}.notes.size === {notes - 100}")


def test_what_is_selected_is_summed_up_and_listed(
    opened: Opener, page_path: Path, shown_payload: dict[str, Any]
) -> None:
    one = opened(page_path, "#colour=split")
    one.page.click('.entry[data-entry="test"]', modifiers=["Shift"])
    found = selected(one)
    ledger = shown_payload["tables"]["query_results"]
    change = dict(zip(ledger["note_id"], ledger["change"], strict=True))
    scored = [change[at] for at in found if at in change]
    facts = one.page.inner_text(".selection .facts").replace("\u2212", "-")
    assert f"test {len(found)}" in facts and "train 0" in facts
    assert f"mean change {np.mean(scored):+.2f} over the {len(scored)} scored notes" in facts
    distance = decoded(shown_payload["displacement"]["distance"], "<f4")
    assert f"{distance[found].mean():.2f} in the mean" in facts
    counts = [sum(place in shown_payload["notes"]["specialties"][at] for at in found) for place in range(8)]
    best = int(np.argmax(counts))
    assert f"{shown_payload['specialty_names'][best]} {max(counts)}" in facts
    rows = one.page.locator(".selection tbody tr")
    assert rows.count() == 8
    one.page.click('.selection th button:text("Change")')
    first = int(rows.nth(0).locator(".note").get_attribute("data-note"))
    assert change[first] == min(scored)
    rows.nth(0).locator("button >> text=take out").focus()
    one.page.keyboard.press("Enter")
    assert selected(one) == [at for at in found if at != first]
    assert one.ask("document.activeElement.textContent") == "take out"
    assert int(rows.nth(0).locator(".note").get_attribute("data-note")) != first
    rows.nth(0).locator(".note").click()
    assert one.state["note"] in {shown_payload["notes"]["id"][at] for at in found}
    one.page.click("#note .select-note")
    assert len(selected(one)) == len(found) - 2
    one.page.click("#note .select-note")
    assert len(selected(one)) == len(found) - 1
    assert one.is_clean()


def test_nearest_notes_are_found_and_selected(
    opened: Opener, page_path: Path, shown_payload: dict[str, Any], shown_texts: list[str]
) -> None:
    ids = shown_payload["notes"]["id"]
    near = {
        model: decoded(shown_payload["neighbors"][model], "<i4").reshape(-1, WIDTH).tolist()
        for model in ("baseline", "tuned")
    }
    hits = "[...document.querySelectorAll('.hits button')].map((one) => Number(one.dataset.note))"
    one = opened(page_path)
    for query in (f"near:{ids[31]}", f"near:{ids[31][:8]}", f"NEAR:{ids[31][:9]}"):
        one.page.fill("#find", query)
        one.wait(f"{hits}.length === {WIDTH}")
        assert one.ask(hits) == near["tuned"][31]
        assert "in the tuned model" in one.page.inner_text(".found")
        one.page.fill("#find", "")
        one.wait(f"{hits}.length === 0")
    word = shown_texts[near["tuned"][31][3]].split()[-1].strip(".")
    one.page.fill("#find", f"{word} near:{ids[31]}")
    one.wait(f"{hits}.length === 1")
    assert one.ask(hits) == [at for at in near["tuned"][31] if f"{word}." in shown_texts[at]]
    one.page.fill("#find", f"near:{ids[31]}")
    one.wait(f"{hits}.length === {WIDTH}")
    one.ask("medembedPage.app.store.set({t: 0})")
    one.wait("/in the baseline/.test(document.querySelector('.found').textContent)")
    assert one.ask(hits) == near["baseline"][31]
    one.page.click('.select-bar button:has-text("10 lit")')
    one.page.fill("#find", "")
    one.wait(f"{hits}.length === 0")
    one.ask("medembedPage.app.store.set({t: 1})")
    assert selected(one) == sorted(near["baseline"][31])
    one.ask("medembedPage.app.open(31)")
    one.page.click("#note .columns > div:nth-child(2) .select-near")
    assert selected(one) == sorted(near["tuned"][31])
    ledger = shown_payload["tables"]["query_results"]
    one.ask(f"medembedPage.app.open({ledger['note_id'][0]})")
    one.page.click("#note .columns > div:nth-child(1) .select-near")
    assert selected(one) == sorted(ledger["neighbors_baseline"][0])
    assert one.is_clean()


def test_selecting_works_by_keyboard_alone(
    opened: Opener, map_path: Path, shown_payload: dict[str, Any]
) -> None:
    one = opened(map_path, "#map=umap-2")
    seen = []
    for _ in range(90):
        one.page.keyboard.press("Tab")
        seen.append(one.ask("document.activeElement.textContent.slice(0, 12)"))
    assert {"move", "lasso", "box", "replaces", "adds", "takes away", "all", "in view"} <= set(seen)
    distance = decoded(shown_payload["displacement"]["distance"], "<f4")
    order = sorted(range(NOTES), key=lambda place: (-distance[place], place))
    one.page.focus(".stage")
    one.page.keyboard.press("n")
    one.page.keyboard.press("Space")
    assert selected(one) == [order[0]]
    one.page.keyboard.press("Escape")
    assert selected(one) == [] and one.state["select"] == ""
    for _ in range(4):
        one.page.keyboard.press("+")
    one.page.keyboard.press("v")
    places, (_, _, width, height) = np.array(one.ask(PLACES)), one.ask(FREE)
    x, y = places.T
    inside = np.flatnonzero((x > 0) & (x < width) & (y > 0) & (y < height)).tolist()
    assert selected(one) == inside and 0 < len(inside) < NOTES
    one.page.focus(f'.entry[data-entry="{shown_payload["specialty_names"][0]}"]')
    one.page.keyboard.press("Shift+Enter")
    first = [at for at in range(NOTES) if 0 in shown_payload["notes"]["specialties"][at]]
    assert selected(one) == first
    one.page.focus(".selected button")
    one.page.keyboard.press("Enter")
    assert selected(one) == [] and one.ask("document.activeElement.classList.contains('stage')")
    one.page.keyboard.press("v")
    assert selected(one) == inside
    # With a note open Escape closes it first.
    one.ask("medembedPage.app.open(3)")
    one.page.keyboard.press("Escape")
    assert one.state["note"] == "" and selected(one) == inside
    one.page.keyboard.press("Escape")
    assert selected(one) == []
    assert one.is_clean()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_selection_fits_a_phone_and_is_drawn_with_a_finger(
    opened: Opener, map_path: Path, scheme: str
) -> None:
    one = opened(
        map_path, "#map=umap-2", viewport={"width": 360, "height": 740}, color_scheme=scheme, has_touch=True
    )
    one.page.click('.select-bar button:text-is("lasso")')
    draw(one, LASSO)
    assert selected(one)
    wide = """[...document.querySelectorAll('#map *')].filter((one) => {
      const box = one.getBoundingClientRect();
      return box.width && box.right > 361 && !one.closest('.scroll, svg');
    }).map((one) => `${one.tagName}.${one.className}`)"""
    assert one.ask(wide) == [] and one.ask("document.documentElement.scrollWidth") <= 360
    one.ask("medembedPage.app.open(3)")
    one.page.click("#note .select-near >> nth=0")
    assert one.state["note"] == "" and len(selected(one)) == WIDTH
    assert one.is_clean()
