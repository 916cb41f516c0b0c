"""Selecting notes on the page by what is drawn: lasso and box."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from medembed_pipeline_tests.report.opened_page import (
    ALONE,
    NOTES,
    VIEWER,
    WITHOUT_WEBGL,
    Opener,
    decoded,
    needs_chromium,
)
from medembed_pipeline_tests.report.selecting import (
    BRIGHT,
    DIMMED,
    FREE,
    LASSO,
    LEVELS,
    PLACES,
    VIEW,
    Corners,
    draw,
    selected,
)

pytestmark = needs_chromium


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
    opened: Opener, map_path: Path, address: str, script: str
) -> None:
    one = opened(map_path, address, script=script)
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
    opened: Opener, map_path: Path, shown_payload: dict[str, Any]
) -> None:
    one = opened(map_path, "#map=umap-2&t=0.4&view=0.6,0.35,3,0.5,0.1")
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


def test_a_line_that_crosses_itself_selects_all_that_it_winds_around(opened: Opener, map_path: Path) -> None:
    one = opened(map_path, "#map=umap-2")
    one.page.click('.select-bar button:text-is("lasso")')
    twice: Corners = [(0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7), (0.3, 0.31), (0.6, 0.31), (0.6, 0.6)]
    corners = draw(one, twice)
    places = np.array(one.ask(PLACES))
    inside = set(np.flatnonzero(winding(corners, places)).tolist())
    unsure = set(np.flatnonzero(from_sides(corners, places) < 2).tolist())
    assert set(selected(one)) ^ inside <= unsure and len(inside) > 10


def test_a_box_adds_and_takes_away(opened: Opener, map_path: Path) -> None:
    one = opened(map_path, "#map=umap-2")
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


def test_a_drag_that_is_failed_attempt_selects_nothing_and_a_click_still_opens(
    opened: Opener, map_path: Path, shown_payload: dict[str, Any]
) -> None:
    one = opened(map_path, "#map=umap-2")
    one.page.click('.select-bar button:text-is("lasso")')
    one.page.locator("#map .stage").scroll_into_view_if_needed()
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
    one.page.locator("#map .stage").scroll_into_view_if_needed()
    spot = one.ask(ALONE)
    one.page.keyboard.down("Shift")
    one.page.mouse.click(spot["x"], spot["y"])
    one.page.keyboard.up("Shift")
    assert selected(one) == [spot["at"]] and one.state["note"] == ""
    assert one.ask(f"{VIEWER}.view") == view
