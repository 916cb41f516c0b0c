"""Pictures of a page for the docs, none of which shows the text of a note.

`python -m medembed_pipeline_tests.report.screenshots data_lake/report.html docs/images/report`
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import Any

from PIL import Image

from medembed_pipeline_tests.graph.test_browser import CHROMIUM, FLAGS

SOFTWARE_RENDERING = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
WIDTH, HEIGHT = 1280, 1000
COLORS = 128


def main() -> int:
    """Open the page and picture its top and every section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = [flag for flag in FLAGS if flag != "--disable-gpu"] + SOFTWARE_RENDERING
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(options.page.resolve().as_uri())
        page.wait_for_selector("html[data-ready]", timeout=120_000)
        for section in page.query_selector_all("section[id]"):
            section.scroll_into_view_if_needed()
            page.wait_for_timeout(500)
            save(section.screenshot(), options.folder / f"{section.get_attribute('id')}.png")
        save(top(page), options.folder / "top.png")
        browser.close()
    return 0


def top(page: Any) -> bytes:
    """What a person sees first: verdict and map."""
    page.set_viewport_size({"width": 1440, "height": 1750})
    page.evaluate("window.scrollTo(0, 0)")
    page.wait_for_timeout(1000)
    shown: bytes = page.screenshot()
    return shown


def save(png: bytes, path: Path) -> None:
    """Write with a palette: screens have few colours, and a repository is cloned often."""
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
