"""The figures of the metrics: what they show is what the tables say."""

from __future__ import annotations

from typing import Any

import pytest

from medembed_pipeline.evaluation.figures import comparison_figure, metrics_figures, slice_figures
from medembed_pipeline.pictures.palette import PAPER
from medembed_pipeline.pictures.specification import Known, Row
from medembed_pipeline_tests.pictures.figures import drawn, words
from medembed_pipeline_tests.pictures.test_pictures import LONG_NAMES, shows

MINUS = "\N{MINUS SIGN}"
TUNED, WORSE, WORD_MATCHING = PAPER["--tuned"], PAPER["--worse"], PAPER["--fourth"]


def rows_of(scope: str, metric: str, k: int | None, before: float, after: float, **more: Any) -> list[Row]:
    same = {"split": "test", "scope": scope, "metric": metric, "k": k, "n": 40}
    return [
        {**same, "model": model, "value": value, "ci_low": value - 0.02, "ci_high": value + 0.02, **more}
        for model, value in (("baseline", before), ("tuned", after), ("difference", after - before))
    ]


def metrics(
    before: float = 0.5, after: float = 0.7, scopes: list[str] = LONG_NAMES, **more: Any
) -> list[Row]:
    found = []
    for metric, k in (("precision", 1), ("precision", 5), ("mrr", None), ("map", None), ("silhouette", None)):
        found += rows_of("all", metric, k, before, after, **more)
    for scope in ["macro", *scopes]:
        found += rows_of(scope, "precision", 5, before, after, **more)
    return found


def test_a_change_is_blue_or_vermillion_only_where_its_interval_says_so() -> None:
    for after, there in ((0.7, "--tuned-text"), (0.3, "--worse-text"), (0.51, "--muted")):
        figures = metrics_figures(metrics(after=after), Known())
        (overall, by_specialty) = figures
        verdicts = {row["verdict"] for one in figures for row in one.chosen_data()["rows"]}
        assert verdicts == {{"--tuned-text": "better", "--worse-text": "worse", "--muted": "unclear"}[there]}
        if there != "--muted":
            assert shows(drawn(figures, overall.name), PAPER[there]) > 100
        marks = (
            shows(drawn(figures, by_specialty.name), TUNED),
            shows(drawn(figures, by_specialty.name), WORSE),
        )
        assert [count > 60 for count in marks] == [there == "--tuned-text", there == "--worse-text"]


def test_word_matching_and_the_label_ceiling_are_shown_where_they_are_known() -> None:
    rows = metrics(scopes=[])
    without = drawn(metrics_figures(rows, Known()), "before_and_after")
    assert b"word matching" not in without.svg and shows(without, WORD_MATCHING) == 0
    ceilings = {"label_review": {"ceilings": [{"metric": "precision", "k": 5, "ceiling": 0.97, "n": 40}]}}
    level = {"value": 0.9, "ci_low": 0.88, "ci_high": 0.92}
    figures = metrics_figures([*rows, {**rows[0], "model": "lexical", **level}], Known(ceilings))
    picture = drawn(figures, "before_and_after")
    assert b"word matching" in picture.svg and shows(picture, WORD_MATCHING) > 60
    assert "95% interval (jackknife over near-duplicate groups)" in figures[0].reading
    assert "Precision at 1, word matching: 0.900 (0.880 to 0.920)" in words(
        figures, "before_and_after", "marks"
    )
    limits = [row["limit_words"] for row in figures[0].drawing.data["rows"] if row["limit"] is not None]
    assert limits == ["Precision at 5, the most that any model could reach with these labels: 0.970"]


def test_names_and_figures_stand_in_the_picture() -> None:
    text = drawn(metrics_figures(metrics(scopes=["Urology"]), Known()), "before_and_after").svg.decode()
    assert text.count("+0.200 (+0.180 to +0.220)") == 5 and "Cosine silhouette" in text
    known = Known(settings={"verdict": {"specialty_tolerance": 0.05, "main_metric": "map"}})
    figures = metrics_figures(
        [*metrics(scopes=["Urology"]), *rows_of("Urology", "map", None, 0.4, 0.3)], known
    )
    (choice,) = figures[1].choices
    assert choice.options == (("precision@5", "Precision at 5"), ("map", "MAP")) and choice.chosen == "map"
    assert words(figures, "change_by_specialty") == [
        f"Urology: 0.400 to 0.300, change {MINUS}0.100 ({MINUS}0.120 to {MINUS}0.080), 40 notes"
    ]
    assert "tolerates (0.05)" in figures[1].reading


def test_figures_without_interval_or_value() -> None:
    figures = metrics_figures(metrics(ci_low=None, ci_high=None), Known())
    assert "unclear" in {row["verdict"] for row in figures[0].drawing.data["rows"]}
    for one in figures:
        drawn(figures, one.name)
    assert metrics_figures(metrics(value=None), Known()) == []
    assert [one.name for one in metrics_figures(metrics(scopes=[]), Known())] == ["before_and_after"]


def test_slices_are_never_kept_in_the_ui_and_specialties_are() -> None:
    rows = [
        {**row, "slice": name, "value_name": value}
        for name, values in (("site", "NS"), ("age", "ab"))
        for value in values
        for row in rows_of("all", "precision", 5, 0.5, 0.7)
    ]
    (figure,) = slice_figures(rows, Known())
    assert not figure.in_ui and [choice.state for choice in figure.choices] == ["slice", "figure"]
    assert [row["name"] for row in figure.chosen_data()["rows"]] == ["N (40)", "S (40)"]
    assert slice_figures([{**row, "value": None} for row in rows], Known()) == []
    assert all(one.in_ui for one in metrics_figures(metrics(), Known()))


@pytest.mark.parametrize("models", [1, 3])
def test_models_stand_side_by_side_against_the_baseline(models: int) -> None:
    (figure,) = comparison_figure([(f"seed {number}", metrics(scopes=[])) for number in range(models)])
    marks = [row for row in figure.chosen_data()["marks"]]
    assert [row["model"] for row in marks].count("this model") == models == len(figure.chosen_data()["rows"])
    assert comparison_figure([]) == []
