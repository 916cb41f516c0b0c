"""How long the page takes to load, and how many frames a second its map draws, in software rendering.

    python -m medembed_pipeline_tests.report.measure_page [--notes 5000 100000] [--words 450] [--kind webgl canvas]

Prints a row per size: megabytes, seconds to the first frame of the map, seconds until every section stands, frames a
second of the map in 2-D and 3-D while all notes move, milliseconds to find the note under a pointer, and seconds of
the first search through all texts. `--page FILE` measures a page that is there.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

from medembed_pipeline.report.page import render_page, render_texts_file
from medembed_pipeline_tests.report.synthetic import synthetic_payload, synthetic_texts

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SOFTWARE_WEBGL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
NO_WEBGL = ["--disable-3d-apis"]

FRAMES = """async (dimensions) => {
  const {store, mapview} = medembedPage.app;
  const map = medembedPage.app.report.payload.maps.find((one) => one.dimensions === dimensions);
  store.set({map: map.key});
  const {viewer} = mapview;
  const begun = performance.now();
  let frames = 0;
  while (performance.now() - begun < 3000) {
    await new Promise(requestAnimationFrame);
    viewer.view = {...viewer.view, yaw: frames / 30};
    viewer.mix = (frames % 40) / 40;
    viewer.draw();
    viewer.painter.finish();
    frames += 1;
  }
  return frames / ((performance.now() - begun) / 1000);
}"""
PICK = """() => {
  const {viewer} = medembedPage.app.mapview;
  const begun = performance.now();
  for (let at = 0; at < 20; at += 1) viewer.pick(20 * at, 300);
  return (performance.now() - begun) / 20;
}"""
SEARCH = """async () => {
  const begun = performance.now();
  const found = await medembedPage.search.find(medembedPage.app.report, 'zebra77', () => false);
  return [(performance.now() - begun) / 1000, found.length];
}"""


def measure(path: Path, flags: list[str]) -> dict[str, Any]:
    """Open the page in a fresh browser and measure it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(300_000)
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        found = {
            "drawn by": page.evaluate("medembedPage.app.mapview.viewer.painter.kind"),
            "MB": path.stat().st_size / 1e6,
            "first map s": page.evaluate("medembedPage.app.mapview.viewer.firstFrameAt / 1000"),
            "all s": page.evaluate("medembedPage.readyAt / 1000"),
            "2-D frames/s": page.evaluate(FRAMES, 2),
            "3-D frames/s": page.evaluate(FRAMES, 3),
            "pick ms": page.evaluate(PICK),
        }
        found["search s"], _ = page.evaluate(SEARCH)
        browser.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--notes", type=int, nargs="+", default=[5000, 100_000])
    parser.add_argument("--words", type=int, default=450, help="per note")
    parser.add_argument("--specialties", type=int, default=40)
    parser.add_argument("--notes-in-page", type=int, default=6000)
    parser.add_argument("--kind", nargs="+", default=["webgl"], choices=["webgl", "canvas"])
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    flags = {"webgl": SOFTWARE_WEBGL, "canvas": NO_WEBGL}
    with tempfile.TemporaryDirectory() as folder:
        pages = [options.page.resolve()] if options.page else []
        for notes in [] if options.page else options.notes:
            texts = synthetic_texts(notes, words=options.words)
            payload = synthetic_payload(notes, options.specialties)
            beside = notes > options.notes_in_page
            pages.append(Path(folder) / f"{notes}.html")
            name = f"texts_{notes}.js"
            if beside:
                (Path(folder) / name).write_bytes(render_texts_file(texts))
            pages[-1].write_bytes(
                render_page(payload, None if beside else texts, texts_file=name if beside else None)
            )
        for path in pages:
            for kind in options.kind:
                row = measure(path, flags[kind])
                cells = (
                    f"{name} {value:.2f}" if isinstance(value, float) else str(value)
                    for name, value in row.items()
                )
                print(path.stem, *cells, sep="  ", flush=True)


if __name__ == "__main__":
    main()
