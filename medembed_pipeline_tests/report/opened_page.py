"""A page opened in headless Chromium, that knows what went wrong in it."""

from __future__ import annotations

import base64
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

NOTES, SPECIALTIES = 240, 8
SECTIONS = [
    "verdict",
    "map",
    "metrics",
    "specialties",
    "slices",
    "tasks",
    "classification",
    "triage",
    "cases",
    "static",
    "ledger",
    "confusions",
    "distributions",
    "heatmaps",
    "examples",
    "displacement",
    "labels",
    "leak",
    "health",
    "training",
    "history",
    "comparison",
    "made",
]
WATCH = """
window.violations = [];
document.addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective));
"""
WITHOUT_WEBGL = """
const given = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind.startsWith('webgl') ? null : given.call(this, kind, ...rest);
};
"""
STORE = "medembedPage.app.store"
VIEWER = "medembedPage.app.mapview.viewer"
ALONE = f"""() => {{
  const viewer = {VIEWER};
  for (let at = 20; at < medembedPage.app.report.size; at += 1) {{
    const {{x, y}} = viewer.placeOf(at);
    const inside = x > 20 && y > 20 && x < viewer.width - 60 && y < viewer.height - 20;
    const others = Array.from({{length: medembedPage.app.report.size}}, (_, other) => other)
      .filter((other) => other !== at).map((other) => viewer.placeOf(other));
    if (inside && others.every((other) => Math.hypot(other.x - x, other.y - y) > 14)) {{
      const box = viewer.stage.getBoundingClientRect();
      return {{at, x: x + box.left, y: y + box.top}};
    }}
  }}
}}"""
PIXELS = f"""() => {{
  const {{canvas, painter}} = {VIEWER};
  {VIEWER}.draw();
  const copy = document.createElement('canvas');
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const context = copy.getContext('2d');
  context.drawImage(canvas, 0, 0);
  const data = context.getImageData(0, 0, copy.width, copy.height).data;
  let drawn = 0, sum = 0;
  for (let at = 3; at < data.length; at += 4) {{
    if (data[at]) {{ drawn += 1; sum = (sum * 31 + at + data[at - 1]) % 4294967291; }}
  }}
  return [drawn, sum];
}}"""


class Opened:
    """A page of its own, that knows what went wrong in it."""

    def __init__(self, browser: Any, script: str = "", **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page.set_default_timeout(15_000)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "console", lambda message: self.errors.append(message.text) if message.type == "error" else None
        )
        self.page.add_init_script(WATCH + script)

    def go(self, file: Path, address: str = "") -> Opened:
        self.page.goto("about:blank")
        self.requests.clear()
        self.page.goto(f"{file.as_uri()}{address}")
        self.page.wait_for_selector("html[data-ready]")
        return self

    def ask(self, script: str, argument: Any = None) -> Any:
        return self.page.evaluate(script, argument)

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(f"{STORE}.state")
        return found

    @property
    def address(self) -> str:
        """The part behind `#`, once the page has written its state there (it waits for a pause)."""
        self.wait(f"'#' + medembedPage.state.written({STORE}.base, {STORE}.state) === (location.hash || '#')")
        written: str = self.ask("location.hash")
        return written

    def wait(self, script: str) -> None:
        """Until it holds; by asking again and again, for the page's policy forbids playwright's own way."""
        deadline = time.monotonic() + 15
        while not self.ask(script):
            assert time.monotonic() < deadline, script
            self.page.wait_for_timeout(25)

    def is_clean(self) -> bool:
        assert not self.errors, self.errors
        assert self.ask("window.violations") == []
        return True


Opener = Callable[..., Opened]


def decoded(text: str, kind: str) -> npt.NDArray[Any]:
    """An array of the payload."""
    return np.frombuffer(base64.b64decode(text), dtype=kind)
