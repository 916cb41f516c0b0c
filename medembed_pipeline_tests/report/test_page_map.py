"""The map in a real browser: what moves, what lights up, what a colour means, and what the address brings back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medembed_pipeline.pictures.palette import COMBINATIONS
from medembed_pipeline_tests.report.opened_page import (
    ALONE,
    NOTES,
    PIXELS,
    VIEWER,
    WITHOUT_WEBGL,
    Opener,
    decoded,
    needs_chromium,
)
from medembed_pipeline_tests.report.synthetic import WIDTH

pytestmark = needs_chromium


def test_the_slider_moves_the_notes_that_moved_and_no_other(
    opened: Opener, map_path: Path, shown_payload: dict[str, Any]
) -> None:
    one = opened(map_path, "#map=joint_pca-2")
    places = f"Array.from({{length: {NOTES}}}, (_, at) => {{ const p = {VIEWER}.placeOf(at); return [p.x, p.y]; }})"
    after, pixels_after = np.array(one.ask(places)), one.ask(PIXELS)
    one.page.focus("#mix")
    one.page.keyboard.press("Home")
    one.wait("medembedPage.app.store.state.t === 0")
    before, pixels_before = np.array(one.ask(places)), one.ask(PIXELS)
    moved = np.linalg.norm(after - before, axis=1)
    assert (moved[::2] < 1e-3).all() and np.median(moved[1::2]) > 5
    assert pixels_before[0] > 500 and pixels_before != pixels_after
    # The places on the screen are those of the payload, shifted and scaled.
    given = next(one for one in shown_payload["maps"] if one["key"] == "joint_pca-2")
    stored = decoded(given["baseline"], "<f4").reshape(-1, 2) * [1, -1]
    for axis in (0, 1):
        slope, offset = np.polyfit(stored[:, axis], before[:, axis], 1)
        assert np.allclose(stored[:, axis] * slope + offset, before[:, axis], atol=0.1) and slope > 0
    one.page.keyboard.press("End")
    one.wait("medembedPage.app.store.state.t === 1")
    assert np.allclose(one.ask(places), after)
    assert one.ask(PIXELS) == pixels_after


def test_without_webgl_the_map_is_a_picture_that_still_moves(opened: Opener, map_path: Path) -> None:
    one = opened(map_path, "#map=umap-2", script=WITHOUT_WEBGL)
    assert one.ask(f"{VIEWER}.painter.kind") == "canvas"
    assert "no WebGL2" in one.page.inner_text("#map .hint")
    after = one.ask(PIXELS)
    one.page.focus("#mix")
    one.page.keyboard.press("Home")
    one.wait("medembedPage.app.store.state.t === 0")
    before = one.ask(PIXELS)
    assert after[0] > 500 and before[0] > 500 and before != after
    one.page.query_selector(".stage").scroll_into_view_if_needed()
    spot = one.ask(ALONE)
    one.page.mouse.click(spot["x"], spot["y"])
    assert one.state["note"].endswith(f"{spot['at']:024x}")
    assert one.is_clean()


def test_a_legend_entry_shows_alone_the_notes_that_have_it(
    opened: Opener, map_path: Path, shown_payload: dict[str, Any]
) -> None:
    one = opened(map_path)
    name = shown_payload["specialty_names"][2]
    one.page.click(f'.entry[data-entry="{name}"]')
    lit = f"Array.from({{length: {NOTES}}}, (_, at) => at).filter((at) => {VIEWER}.isLit(at))"
    members = [place for place, labels in enumerate(shown_payload["notes"]["specialties"]) if 2 in labels]
    assert one.ask(lit) == members and 0 < len(members) < NOTES
    assert one.page.inner_text(f'.entry[data-entry="{name}"] .number') == str(len(members))
    one.page.click(f'.entry[data-entry="{name}"]')
    assert len(one.ask(lit)) == NOTES


def test_colours_tell_the_truth(opened: Opener, map_path: Path, shown_payload: dict[str, Any]) -> None:
    one = opened(map_path, "#colour=outcome&t=0")
    sets = shown_payload["notes"]["specialties"]
    entries = f"(() => {{ const v = {VIEWER}; return [...v.entryOf].map((place) => v.scheme.entries[place].key); }})()"
    for t, model in (("0", "baseline"), ("1", "tuned"), ("0.2", "baseline"), ("0.9", "tuned")):
        one.ask(f"medembedPage.app.store.set({{t: {t}}})")
        near = decoded(shown_payload["neighbors"][model], "<i4").reshape(-1, WIDTH)[:, 0]
        truth = [
            "none" if not sets[place] else "right" if set(sets[place]) & set(sets[near[place]]) else "wrong"
            for place in range(NOTES)
        ]
        assert one.ask(entries) == truth
        assert model in one.page.inner_text(".side .reading")
    for scheme in ("document_type", "split", "turned", "displacement", "overlap", "trust"):
        one.page.select_option("#colour", scheme)
        assert one.state["colour"] == scheme and len(one.page.query_selector_all(".entry")) >= 2
    assert one.ask(entries)[-1] == "low"
    one.page.select_option("#colour", "split")
    names = shown_payload["split_names"]
    assert one.ask(entries) == [names[place] for place in shown_payload["notes"]["split"]]


def test_the_first_looks_are_those_of_the_pictures(opened: Opener, map_path: Path) -> None:
    one = opened(map_path, color_scheme="light")
    looks = one.ask(
        "medembedPage.palette.LOOKS.map((look) => [medembedPage.palette.hex(look.colour), look.shape])"
    )
    markers = {"circle": "o", "triangle": "^", "square": "s", "diamond": "D"}
    assert [(color.upper(), markers[shape]) for color, shape in looks[:12]] == [
        (color.upper(), marker) for color, marker in COMBINATIONS
    ]
    assert len({tuple(look) for look in looks}) == len(looks) >= 40


def test_arrows_are_offered_only_where_motion_means_something(opened: Opener, map_path: Path) -> None:
    one = opened(map_path, "#map=umap-2&arrows=1")
    assert one.page.is_disabled("#arrows") and not one.ask(f"{VIEWER}.scene().arrows")
    assert "proves nothing" in one.page.inner_text("#map")
    without = one.ask("medembedPage.app.store.set({map: 'aligned_umap-2', arrows: false})") or one.ask(PIXELS)
    assert one.page.is_enabled("#arrows")
    one.page.check("#arrows")
    assert one.ask(f"{VIEWER}.scene().arrows") and one.ask(PIXELS)[0] > without[0]
    scene = one.ask(f"[{VIEWER}.scene().floor * {VIEWER}.centred.scale, {VIEWER}.map.noise_floor]")
    assert scene[0] == pytest.approx(scene[1])


SEARCHES: tuple[tuple[str, list[int]], ...] = (
    ("zebra17.", [17]),
    ("ZEBRA17.", [17]),
    ("00000000000000000000011", [17]),
    ('"zebra18" subjective', [18, *range(180, 190)]),
    ("no such words", []),
    ("zebra1 (", []),
    ("<script>", [0]),
)


def test_search_lights_up_exactly_what_it_finds(opened: Opener, map_path: Path) -> None:
    one = opened(map_path)
    for query, expected in SEARCHES:
        one.page.fill("#find", query)
        one.wait("/found/.test(document.querySelector('.found').textContent)")
        lit = one.ask(f"Array.from({{length: {NOTES}}}, (_, at) => at).filter((at) => {VIEWER}.isLit(at))")
        assert lit == expected, query
        hits = [int(item.get_attribute("data-note")) for item in one.page.query_selector_all(".hits button")]
        assert hits == expected[:12], query
        if expected:
            one.page.click(".hits button")
            assert one.state["note"].endswith(f"{expected[0]:024x}")
            one.page.keyboard.press("Escape")
        one.page.fill("#find", "")
        one.wait(f"{VIEWER}.found === null")
    assert one.is_clean()


def test_the_address_brings_the_same_view_back(
    opened: Opener, map_path: Path, shown_payload: dict[str, Any]
) -> None:
    one = opened(map_path)
    one.page.select_option("#method", "joint_pca")
    one.page.select_option("#dimensions", "3")
    one.page.select_option("#colour", "turned")
    one.page.check("#arrows")
    one.page.click('.entry[data-entry="won"]')
    one.page.fill("#find", "subjective zebra")
    one.wait("/found/.test(document.querySelector('.found').textContent)")
    one.page.focus("#mix")
    for _ in range(7):
        one.page.keyboard.press("ArrowLeft")
    one.page.focus(".stage")
    for key in ("ArrowLeft", "ArrowUp", "+", "Shift+ArrowLeft"):
        one.page.keyboard.press(key)
    one.ask("medembedPage.app.open(33)")
    address = one.address
    look = f"""(() => {{
      const viewer = {VIEWER};
      const {{looks, colours, mix, selected, arrows}} = viewer;
      return [[...viewer.scene().matrix], [...looks], [...colours], mix, selected, arrows];
    }})()"""
    for name in (
        "map=joint_pca-3",
        "colour=turned",
        "lit=won",
        "arrows=1",
        "find=",
        "view=",
        "note=",
        "t=0.93",
    ):
        assert name in address
    other = opened(map_path, address)
    other.wait("/found/.test(document.querySelector('.found').textContent)")
    assert other.state == one.state
    first, second = one.ask(look), other.ask(look)
    assert first[1:] == second[1:]
    assert np.allclose(first[0], second[0], atol=2e-3)
    assert shown_payload["notes"]["id"][33] in other.page.inner_text("#note")
    assert other.page.input_value("#find") == "subjective zebra" and other.page.is_checked("#arrows")
    assert other.page.get_attribute('.entry[data-entry="won"]', "aria-pressed") == "true"


def test_an_address_from_elsewhere_breaks_nothing(opened: Opener, map_path: Path) -> None:
    one = opened(map_path)
    for address in (
        "#map=nothing&colour=x&t=7&note=zz&lit=q&view=a,b",
        "#%%%",
        "#view=1,2,1e9,0,0&t=-1&at=nowhere",
    ):
        one.go(map_path, address)
        assert one.state["t"] == 1
        one.page.focus(".stage")
        one.page.keyboard.press("0")
        assert one.ask(PIXELS)[0] > 500
    assert one.is_clean()
