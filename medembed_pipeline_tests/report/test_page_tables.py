"""Wide tables: whole on a laptop's screen, and on a phone they show that they go on."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medembed_pipeline.report.page import render_page
from medembed_pipeline_tests.report.opened_page import Opener, needs_chromium

pytestmark = needs_chromium

SECTIONS = ("classification", "image-text", "tasks")
WIDTHS = "[...document.querySelectorAll('#{0} .scroll')].map((one) => [one.clientWidth, one.scrollWidth])"


@pytest.fixture(scope="module")
def wide_page(
    tmp_path_factory: pytest.TempPathFactory, shown_payload: dict[str, Any], shown_texts: list[str]
) -> Path:
    """A page with the figures of pictures against prompts, before and after, with their intervals."""
    rows = [
        {
            "arm": arm,
            "pair_id": pair,
            "figure": figure,
            "model": model,
            "value": -0.1234,
            "ci_low": -0.2345,
            "ci_high": 0.3456,
            "n": 120,
            "groups": 61,
        }
        for arm in ("as_written", "paraphrased", "sides_swapped", "shuffled")
        for pair in (None, "support_devices_in_place")
        for figure in ("auc", "accuracy", "auc_of_mean_margin")
        for model in ("base", "finetuned", "difference")
    ]
    tables = {"image_text_metrics": {name: [row[name] for row in rows] for name in rows[0]}}
    facts = {"image_text_metrics": {"pictures": 120, "patients": 61}}
    payload = {
        **shown_payload,
        "tables": {**shown_payload["tables"], **tables},
        "facts": {**shown_payload["facts"], **facts},
    }
    file = tmp_path_factory.mktemp("wide") / "report.html"
    file.write_bytes(render_page(payload, shown_texts))
    return file


@pytest.mark.parametrize("width", [1280, 1440])
def test_no_column_is_cut_on_a_laptop(opened: Opener, wide_page: Path, width: int) -> None:
    one = opened(wide_page, viewport={"width": width, "height": 900})
    for section in SECTIONS:
        found = one.ask(WIDTHS.format(section))
        assert found
        assert all(inside >= needed for inside, needed in found), (section, found)
    assert "false" not in one.page.inner_text(
        "#classification [aria-label='Notes that the classifier got wrong']"
    )
    assert one.is_clean()


def test_on_a_phone_a_wide_table_shows_that_it_goes_on(opened: Opener, wide_page: Path) -> None:
    one = opened(wide_page, viewport={"width": 360, "height": 800}, color_scheme="light")
    assert one.ask("document.documentElement.scrollWidth") <= 360
    region = one.page.query_selector("#image-text .scroll")
    assert region is not None
    region.scroll_into_view_if_needed()

    def edges() -> tuple[float, float]:
        """The darkest of each outermost column's usual brightness: left, right."""
        with Image.open(io.BytesIO(region.screenshot())) as image:
            grey = np.asarray(image.convert("L"), dtype=np.float64)
        middle = np.median(grey, axis=0)
        return float(middle[:4].min()), float(middle[-4:].min())

    left, right = edges()
    assert left > 250 > right
    region.evaluate("(region) => region.scrollTo(region.scrollWidth, 0)")
    left, right = edges()
    assert right > 250 > left


@pytest.mark.parametrize("width", [360, 1440])
def test_pairs_of_prompts_are_drawn_beside_chance(opened: Opener, wide_page: Path, width: int) -> None:
    one = opened(wide_page, "#at=image-text", viewport={"width": width, "height": 900})
    one.page.query_selector("#image-text figure").scroll_into_view_if_needed()
    chart = one.page.wait_for_selector(
        "#image-text svg[aria-label='AUC of each pair of prompts, and of the controls']"
    )
    assert "Mean of all pairs" in chart.text_content() and one.is_clean()
    assert chart.bounding_box()["width"] <= width
