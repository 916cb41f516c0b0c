"""What automation does by itself, and how long it takes: files are dropped into a running `medembed ui`.

Run by `make demonstration`, or `python -m medembed_pipeline_tests.measure_automation`. First all notes land, and the
graph makes itself; then a few more; then "Materialize all" with nothing changed. Nobody touches anything in between.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from medembed_pipeline.samples.corpus import write_sample_corpus
from medembed_pipeline_tests.automation.live import LiveProject, live
from medembed_pipeline_tests.graph.project import Project

SETTINGS = "[automation]\nenabled = true\n"
LIMIT_SECONDS = 3000.0


def main() -> int:
    """Land, watch, drop, watch, rerun; prints seconds per asset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notes", type=int, default=400, help="sample notes that land first")
    parser.add_argument("--file", type=Path, help="a file to land first in the place of sample notes")
    parser.add_argument("--more", type=int, default=10, help="sample notes that are dropped afterwards")
    parser.add_argument("--folder", type=Path, help="folder to work in, kept afterwards")
    parser.add_argument("--screenshots", type=Path, help="folder for pictures of the UI (needs Chromium)")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        project = Project(folder, Path("bundled"))
        (folder / "medembed.toml").write_text(SETTINGS)
        known = bool(list(project.landing.iterdir()))
        running = stack.enter_context(live(project))
        if not known:
            land(project, options.file, options.notes)
            print(f"All notes landed; seconds until each asset was made:\n{watch(running, Counter())}\n")
        running.wait_until_quiet(LIMIT_SECONDS)
        made = running.made()
        write_sample_corpus(
            project.landing / f"more-{int(time.time())}.csv", notes=options.more, seed=int(time.time())
        )
        print(f"{options.more} more notes landed; seconds until each asset was made again:")
        print(watch(running, made), "\n", flush=True)
        running.wait_until_quiet(LIMIT_SECONDS)
        # The first of the two trains on the new notes, whatever the retraining policy: a person asked for it.
        for what in ("also trains on the new notes", "nothing changed"):
            began = time.monotonic()
            run_id = running.launch("everything")
            running.wait(lambda run_id=run_id: running.status(run_id) == "SUCCESS", LIMIT_SECONDS)  # type: ignore[misc]
            print(f'"Materialize all", {what}: {time.monotonic() - began:.0f} s', flush=True)
        if options.screenshots:
            take_screenshots(running, options.screenshots)
    return 0


def land(project: Project, file: Path | None, notes: int) -> None:
    """The first notes."""
    if file is not None:
        shutil.copyfile(file, project.landing / file.name)
    else:
        write_sample_corpus(project.landing / "sample_notes.csv", notes=notes, seed=7)


def watch(running: LiveProject, before: Counter[str]) -> str:
    """Wait for the page, and tell when each asset was made since."""
    began = time.time()
    running.wait(lambda: running.made()["report"] > before["report"], LIMIT_SECONDS)
    lines = []
    for name, node in running.nodes().items():
        if running.made()[name] > before[name]:
            seconds = int(node["assetMaterializations"][0]["timestamp"]) / 1000 - began
            lines.append((seconds, f"  {name:<22}{seconds:>7.1f}"))
    return "\n".join(line for _, line in sorted(lines))


def take_screenshots(running: LiveProject, folder: Path) -> None:
    """The runs, the lineage, and why an asset ran."""
    from playwright.sync_api import sync_playwright

    from medembed_pipeline_tests.graph.test_browser import CHROMIUM, FLAGS, close_welcome

    folder.mkdir(parents=True, exist_ok=True)
    pages = {
        "runs": "/runs",
        "lineage": "/asset-groups",
        "verdict": "/assets/release_verdict",
        "why": "/assets/embedding_metrics?view=automation",
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.goto(f"{running.url}/runs")
        close_welcome(page)
        for name, path in pages.items():
            page.goto(f"{running.url}{path}")
            page.wait_for_timeout(8000)
            page.screenshot(path=str(folder / f"{name}.png"))
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
