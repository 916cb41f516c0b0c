"""What the page says of the tasks, of word matching, and of the protocol in which nothing was seen."""

from __future__ import annotations

import copy
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from medembed_pipeline.pictures.task_pictures import task_state
from medembed_pipeline.report.page import render_page
from medembed_pipeline_tests.report.opened_page import Opener, needs_chromium

pytestmark = needs_chromium

TITLES = "[...document.querySelectorAll('#tasks svg.chart title')].map((one) => one.textContent)"
WORDS = {"kept": "kept", "broken": "broken", "not_judged": "not judged", "informs": "informs only"}


def shown(opened: Opener, page_path: Path, **options: Any) -> Any:
    one = opened(page_path, **options)
    one.page.query_selector("#tasks figure").scroll_into_view_if_needed()
    one.wait("document.querySelector('#tasks svg.chart') !== null")
    return one


def written(folder: Path, payload: dict[str, Any]) -> Path:
    file = folder / "changed.html"
    file.write_bytes(render_page(payload, None))
    return file


def test_every_task_is_shown_with_its_state_and_says_all_to_a_pointer(
    opened: Opener, page_path: Path, shown_payload: dict[str, Any]
) -> None:
    one = shown(opened, page_path)
    records = shown_payload["facts"]["task_metrics"]["tasks"]
    said = one.ask(TITLES)
    for task in records:
        title = task["name"].replace("_", " ").capitalize()
        own = [words for words in said if words.lower().startswith(title.lower())]
        if task["problem"]:
            assert own == []
            continue
        assert any(words.endswith(f"is tolerated: {WORDS[task_state(task)]}") for words in own), title
        assert sum(", word matching: " in words or ", tuned: " in words for words in own) == 2
    texts = one.ask(
        "[...document.querySelectorAll('#tasks svg.chart .change')].map((one) => one.textContent)"
    )
    measured = [task for task in records if not task["problem"]]
    found = Counter(re.sub(r"^[+\N{MINUS SIGN}]?[0-9.]+ ", "", words) for words in texts)
    expected = Counter(WORDS[task_state(task)] for task in measured)
    assert found == expected | Counter({"not measured": len(records) - len(measured)})
    summary = one.page.inner_text("#tasks .summary")
    broken = sum(task_state(task) == "broken" for task in records)
    assert f"{broken} broken" in summary and "1 task informs only" in summary
    assert "row 14: the score 'high' is no number" in one.page.inner_text("#tasks ul.warning")
    assert one.is_clean()


def test_states_are_told_apart_without_colour(opened: Opener, page_path: Path) -> None:
    one = shown(opened, page_path)
    corners = {
        kind: one.ask(f"document.querySelector('#tasks svg.chart g.{kind} .point').getAttribute('d')")
        for kind in ("better", "worse", "unclear", "informs")
    }
    assert corners["worse"].count("L") == 2 and corners["unclear"].count("L") == 3
    assert corners["better"].count("a") == 2
    fill = "getComputedStyle(document.querySelector('#tasks svg.chart g.{} .point')).fill"
    assert one.ask(fill.format("informs")) != one.ask(fill.format("better"))


def test_the_table_behind_the_figure_opens_and_sorts_by_keyboard(
    opened: Opener, page_path: Path, shown_payload: dict[str, Any]
) -> None:
    one = shown(opened, page_path)
    one.page.focus("#tasks summary >> text=All figures as a table")
    one.page.keyboard.press("Enter")
    rows = "[...document.querySelectorAll('#tasks table tbody tr')].map((row) => row.innerText)"
    columns = shown_payload["tables"]["task_metrics"]
    assert len(one.ask(rows)) == columns["model"].count("tuned")
    one.page.focus("#tasks th button >> text=Change")
    one.page.keyboard.press("Enter")
    first = one.ask(rows)[0]
    worst = min(
        value
        for value, model in zip(columns["value"], columns["model"], strict=True)
        if model == "difference"
    )
    assert f"{worst:+.3f}".replace("-", "\N{MINUS SIGN}") in first and "broken" in first
    assert one.is_clean()


def test_the_verdicts_rules_of_tasks_lead_to_them(opened: Opener, page_path: Path) -> None:
    one = opened(page_path)
    link = one.page.query_selector("[data-rule=keeps_everyday_paraphrase]")
    assert link.inner_text().startswith("Keeps everyday paraphrase\nEveryday paraphrase (accuracy)")
    assert link.get_attribute("href") == "#at=tasks"
    link.click()
    one.wait("document.activeElement.id === 'tasks-title'")
    assert "general language" not in one.page.inner_text("#verdict").lower()
    assert one.ask("document.querySelector('[data-rule=keeps_my_questions]').closest('details') !== null")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_the_levels_stand_in_words(opened: Opener, page_path: Path, scheme: str) -> None:
    one = shown(opened, page_path, viewport={"width": 360, "height": 740}, color_scheme=scheme)
    assert one.ask("document.documentElement.scrollWidth") <= 360
    chart = one.page.query_selector("#tasks svg.chart")
    assert chart.bounding_box()["width"] <= 360
    assert "MRR 0.36 → 0.22, word matching 0.41" in chart.text_content()
    assert one.page.query_selector("#tasks .key.levels").is_hidden()
    outside = """[...document.querySelectorAll('#tasks svg.chart text')].filter((one) => {
      const [box, all] = [one.getBoundingClientRect(), one.ownerSVGElement.getBoundingClientRect()];
      return box.right > all.right + 1 || box.left < all.left - 1;
    }).map((one) => one.textContent)"""
    assert one.ask(outside) == []


def test_without_tasks_and_word_matching_the_page_stands(
    opened: Opener, tmp_path: Path, shown_payload: dict[str, Any]
) -> None:
    bare = copy.deepcopy(shown_payload)
    del bare["tables"]["task_metrics"], bare["facts"]["task_metrics"]
    metrics = bare["tables"]["embedding_metrics"]
    kept = [row for row, model in enumerate(metrics["model"]) if "lexical" not in model]
    bare["tables"]["embedding_metrics"] = {
        name: [values[row] for row in kept] for name, values in metrics.items()
    }
    one = opened(written(tmp_path, bare))
    assert one.page.query_selector("#tasks") is None
    assert one.page.query_selector('#contents a[href="#at=tasks"]') is None
    assert "task_metrics" in one.page.inner_text("#left-out")
    assert "ord matching" not in one.ask("document.querySelector('#metrics').textContent")
    assert one.is_clean()


def test_word_matching_is_a_third_level_and_answers_the_question(
    opened: Opener, tmp_path: Path, page_path: Path, shown_payload: dict[str, Any]
) -> None:
    one = opened(page_path)
    sentence = one.page.inner_text("#metrics .summary")
    assert "0.560 in precision at 5, the baseline 0.660, the tuned model 0.740" in sentence
    assert "+0.180 against word matching (95% interval +0.160 to +0.200), better" in sentence
    marks = "document.querySelectorAll('#metrics svg.chart g.lexical').length"
    one.page.query_selector("#metrics figure").scroll_into_view_if_needed()
    # All but the silhouette, which is no figure of a search.
    one.wait(f"{marks} === document.querySelectorAll('#metrics svg.chart g.tuned').length - 1")
    assert "95% intervals (jackknife over groups)" in one.page.inner_text("#metrics figcaption")
    changed = copy.deepcopy(shown_payload)
    table = changed["tables"]["embedding_metrics"]
    for row, model in enumerate(table["model"]):
        if model == "tuned_over_lexical":
            table["ci_low"][row] = -0.01
    unclear = opened(written(tmp_path, changed))
    assert "not shown to be better" in unclear.page.inner_text("#metrics .summary")


def test_the_leak_meter_names_the_protocol_in_which_nothing_was_seen(
    opened: Opener, tmp_path: Path, page_path: Path, shown_payload: dict[str, Any]
) -> None:
    rows = "[...document.querySelectorAll('#leak tbody tr')].map((row) => row.innerText.split('\\t'))"
    first, second = opened(page_path).ask(rows)[:2]
    assert first[0] == "Patients kept apart (ours)" and first[3] == "0%"
    assert second[0] == "Near-duplicates kept apart" and second[3] == "10%"
    changed = copy.deepcopy(shown_payload)
    table = changed["tables"]["leak_meter"]
    kept = [row for row, protocol in enumerate(table["protocol"]) if protocol != "by_patient"]
    changed["tables"]["leak_meter"] = {name: [values[row] for row in kept] for name, values in table.items()}
    changed["facts"]["leak_meter"]["held_out_protocol"] = "by_group"
    first = opened(written(tmp_path, changed)).ask(rows)[0]
    assert first[0] == "Near-duplicates kept apart (ours)" and first[3] == "0%"
