"""The section of the classifier: ladder, threshold slider, confusions, and every wrong note a click away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medembed_pipeline_tests.report.opened_page import Opener, needs_chromium

pytestmark = needs_chromium


def test_the_section_shows_the_ladder_the_cost_of_a_threshold_and_opens_wrong_notes(
    opened: Opener, page_path: Path, shown_payload: dict[str, Any]
) -> None:
    one = opened(page_path, "#at=classification")
    one.page.wait_for_selector("#classification table")
    said = one.page.inner_text("#classification")
    assert "Deploy: every rule of the classifier holds." in said
    assert "logistic regression on tuned vectors + TF-IDF, served" in said
    assert "Rare (3)" in said
    assert "2 (too many labels possible)" in said
    assert "12,345 notes, each judged by classifiers" in said
    assert "+0.062 (" in said or "+0.063 (" in said
    before = one.page.inner_text("#classification [aria-live]")
    one.page.evaluate(
        "const range = document.getElementById('classifier-threshold');"
        "range.value = '40'; range.dispatchEvent(new Event('input'));"
    )
    after = one.page.inner_text("#classification [aria-live]")
    costs = shown_payload["facts"]["classification_metrics"]["threshold_costs"][40]
    assert before != after
    assert f"From {costs['threshold']:.0%} on" in after
    for label in ("Confusions of the classifier", "Reliability of the probabilities"):
        one.page.wait_for_selector(f"#classification svg[role=img][aria-label='{label}']")
    wrong = shown_payload["tables"]["classification_errors"]["note_id"][0]
    one.page.click(f"#classification button.note[data-note='{wrong}']")
    one.page.wait_for_selector("#note .text")
    assert one.state["note"] == shown_payload["notes"]["id"][wrong]
    assert one.is_clean()
