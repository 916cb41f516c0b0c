"""The figure of the label review: what it shows is what the table says."""

from __future__ import annotations

import pytest

from medembed_pipeline.evidence.labels.figures import label_figures
from medembed_pipeline.pictures.specification import Known, Row
from medembed_pipeline_tests.pictures.figures import drawn


def review(**counts: int) -> list[Row]:
    rows: list[Row] = [
        {"label_quality": (place + 0.5) / count, "judgement": judgement}
        for judgement, count in counts.items()
        for place in range(count)
    ]
    return [*rows, {"label_quality": None, "judgement": None}]


def test_counts_by_judgement() -> None:
    figures = label_figures(review(looks_wrong=5, several_specialties=15, agrees=80), Known())
    text = drawn(figures, "label_quality").svg.decode()
    for line in ("looks wrong: 5 (5.0%)", "several specialties: 15 (15.0%)", "agrees: 80 (80.0%)"):
        assert line in text
    assert figures[0].reading.startswith("100 labelled notes")
    steps = figures[0].drawing.data["steps"]
    by_series = {
        name: [row["share"] for row in steps if row["series"] == name][:-1]
        for name in {r["series"] for r in steps}
    }
    assert {name: sum(shares) for name, shares in by_series.items()} == pytest.approx(
        dict.fromkeys(by_series, 1)
    )


def test_a_judgement_may_be_empty_and_without_any_there_is_no_figure() -> None:
    assert (
        "looks wrong: 0 (0.0%)"
        in drawn(label_figures(review(agrees=3), Known()), "label_quality").svg.decode()
    )
    assert label_figures(review(), Known()) == []
