"""One browser, and one page of synthetic notes, for the tests that look at the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medembed_pipeline.report.page import render_page
from medembed_pipeline_tests.report.measure_page import FLAGS, SOFTWARE_WEBGL
from medembed_pipeline_tests.report.opened_page import CHROMIUM, NOTES, SPECIALTIES, Opened, Opener
from medembed_pipeline_tests.report.synthetic import synthetic_payload, synthetic_texts


@pytest.fixture(scope="session")
def shown_payload() -> dict[str, Any]:
    """What the page of `page_path` shows. Tests must not change it."""
    return synthetic_payload(NOTES, SPECIALTIES, comparison=True)


@pytest.fixture(scope="session")
def shown_texts() -> list[str]:
    return synthetic_texts(NOTES)


@pytest.fixture(scope="session")
def page_path(
    tmp_path_factory: pytest.TempPathFactory, shown_payload: dict[str, Any], shown_texts: list[str]
) -> Path:
    """A page that holds everything."""
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_bytes(render_page(shown_payload, shown_texts))
    return file


@pytest.fixture(scope="session")
def map_path(tmp_path_factory: pytest.TempPathFactory, shown_texts: list[str]) -> Path:
    """The map, notes and texts of `page_path` without its other sections, which opens in half the time."""
    file = tmp_path_factory.mktemp("page") / "map.html"
    file.write_bytes(render_page(synthetic_payload(NOTES, SPECIALTIES, tables=False), shown_texts))
    return file


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    """Headless Chromium whose WebGL is drawn by software."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # One process less to start and to ask.
        flags = [*FLAGS, *SOFTWARE_WEBGL, "--in-process-gpu"]
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield started
        started.close()


@pytest.fixture
def opened(chromium: Any) -> Iterator[Opener]:
    """Opens a page of its own: `opened(file, "#address", **context_options)`."""
    pages: list[Opened] = []

    def open_page(file: Path, address: str = "", **options: Any) -> Opened:
        pages.append(Opened(chromium, **options))
        return pages[-1].go(file, address)

    yield open_page
    for one in pages:
        one.context.close()
