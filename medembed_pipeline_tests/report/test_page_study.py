"""The study on the page: its trials, the best beside the defaults, and the warning about looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medembed_pipeline.report.page import render_page
from medembed_pipeline.study.declared import Study
from medembed_pipeline.study.made import study_facts
from medembed_pipeline.study.space import Values
from medembed_pipeline.study.table import trial_table
from medembed_pipeline.study.trial import TrialRecord
from medembed_pipeline_tests.report.opened_page import NOTES, SPECIALTIES, Opener, needs_chromium
from medembed_pipeline_tests.report.synthetic import synthetic_payload
from medembed_pipeline_tests.study.toys import SPACE

pytestmark = needs_chromium


def nothing(*_: object) -> Any:
    raise AssertionError("no trial is made here")


def block(values: Values) -> str:
    return f"[training]\nrate = {values['rate']}"


STUDY = Study(
    name="recipe",
    about="",
    space=SPACE,
    parameters={},
    figures={},
    inputs=(),
    prepare=nothing,
    score="a score",
    block=block,
    version="1",
)


def trials(count: int) -> list[TrialRecord]:
    return [
        TrialRecord(
            number=number,
            values={"rate": 10.0 ** -(1 + number % 3), "rank": 1 + number, "share": 0.5, "kind": "round"},
            state="pruned" if number == 2 else "complete",
            fold_scores=[] if number == 2 else [0.5 + 0.01 * number],
            steps={1: 0.4},
            limits={"rank_kept": 0.2 if number == count - 1 else -0.1},
            looks=4,
        )
        for number in range(count)
    ]


@pytest.fixture
def page_of(tmp_path: Path, shown_texts: list[str]) -> Any:
    """Writes a page with the given trials."""

    def write(records: list[TrialRecord]) -> Path:
        payload = synthetic_payload(NOTES, SPECIALTIES)
        payload["tables"]["recipe_study"] = trial_table(records, SPACE).to_pydict()
        payload["facts"]["recipe_study"] = study_facts(records, STUDY, seed=7) if records else {}
        file = tmp_path / "study.html"
        file.write_bytes(render_page(payload, shown_texts))
        return file

    return write


def test_the_best_trial_stands_beside_the_defaults_with_what_to_take_over(
    opened: Opener, page_of: Any
) -> None:
    one = opened(page_of(trials(14)), "#at=study")
    one.page.query_selector("#study table").scroll_into_view_if_needed()
    one.wait("document.querySelectorAll('#study svg.chart').length === 3")
    text = one.page.inner_text("#study")
    # The last trial scored higher, and does not keep what must be kept.
    assert "Trial 12 scored best: 0.620, +0.120 against the defaults." in text
    assert "14 trials: 13 complete, 1 ended early, 0 failed. 56 models were scored" in text
    assert "Held-out notes were not looked at" in text
    assert one.page.inner_text("#study .settings-block") == "[training]\nrate = 0.1"
    assert one.page.locator("#study .points_marks path").count() == 14 + 14
    one.page.click('#study .choice button:text("Kind")')
    one.wait(
        "[...document.querySelectorAll('#study .ticks_marks text')].some((one) => one.textContent === 'square')"
    )
    rows = one.page.locator("#study table tbody tr").all_inner_texts()
    assert len(rows) == 12 and "ended early" in rows[2] and one.is_clean()


def test_without_trials_nothing_of_it_shows(opened: Opener, page_of: Any) -> None:
    one = opened(page_of([]))
    assert one.page.query_selector("#study") is None and one.is_clean()
