"""Pictures of the page of a running service, at the widths of a desk and a phone, light and dark.

`python -m medembed_pipeline_tests.serving.screenshots http://127.0.0.1:8000 FOLDER --note FILE`
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from medembed_pipeline_tests.graph.test_browser import CHROMIUM, FLAGS

WIDTHS = (1440, 360)


def main() -> int:
    """Paste the note, and picture what comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--note", type=Path, required=True, help="file with the text to paste")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for width in WIDTHS:
            for scheme in ("light", "dark"):
                page = browser.new_page(
                    viewport={"width": width, "height": 900},
                    color_scheme="dark" if scheme == "dark" else "light",
                )
                page.goto(options.url)
                page.wait_for_selector("html[data-ready]")
                page.screenshot(path=options.folder / f"empty-{width}-{scheme}.png", full_page=True)
                page.fill("#note-text", options.note.read_text(encoding="utf-8"))
                page.click("#question button.first")
                page.wait_for_selector("#near li")
                page.click("#filters-box > summary")
                page.wait_for_timeout(500)
                page.screenshot(path=options.folder / f"found-{width}-{scheme}.png", full_page=True)
                page.close()
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
