"""The section of triage: arms, ledger, shortcuts and verdict, none of it cut off."""

from __future__ import annotations

from pathlib import Path

from medembed_pipeline_tests.report.opened_page import Opener, needs_chromium
from medembed_pipeline_tests.report.synthetic_triage import SENTENCE

pytestmark = needs_chromium


def test_the_section_shows_arms_ledger_and_shortcuts_and_no_table_is_cut_at_1280(
    opened: Opener, page_path: Path
) -> None:
    one = opened(page_path, "#at=triage", viewport={"width": 1280, "height": 900})
    one.page.wait_for_selector("#triage table")
    said = one.page.inner_text("#triage")
    for words in (
        SENTENCE,
        "Gated, others' pictures",
        "Gated, adding up alone",
        "Over the note alone",
        "Picture's border alone",
        "Source left out: radiology.example.org",
        "Sex: F",
        "Cases that an arm cannot see: picture 10.",
    ):
        assert words in said
    one.page.wait_for_selector("#triage svg[aria-label='Reliability of the triage probabilities']")
    cut = one.ask(
        "[...document.querySelectorAll('#triage .scroll')].filter((one) => one.scrollWidth > one.clientWidth).length"
    )
    assert cut == 0
    assert one.is_clean()
