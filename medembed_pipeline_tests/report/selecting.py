"""What tests of selecting notes on the page share: where things are, drawing, and what is selected then."""

from __future__ import annotations

from medembed_pipeline_tests.report.opened_page import NOTES, VIEWER, Opened

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
    one.wait(f"{VIEW}.root.ariaBusy !== 'true'")
    found: list[int] = one.ask(f"[...{VIEW}.notes].sort((left, right) => left - right)")
    return found


def draw(one: Opened, shares: Corners, *, close: bool = True) -> Corners:
    """Drag along corners given in shares of the stage; returns them in pixels of the stage."""
    one.page.locator("#map .stage").scroll_into_view_if_needed()
    left, top, width, height = one.ask(FREE)
    corners = [(round(x * width), round(y * height)) for x, y in shares]
    mouse = one.page.mouse
    mouse.move(left + corners[0][0], top + corners[0][1])
    mouse.down()
    for x, y in [*corners[1:], *(corners[:1] if close else [])]:
        mouse.move(left + x, top + y, steps=7)
    mouse.up()
    return [(float(x), float(y)) for x, y in corners]
