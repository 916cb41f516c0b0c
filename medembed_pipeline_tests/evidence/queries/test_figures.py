"""The figures of the ledger: what they show is what the tables say, at any size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medembed_pipeline.evidence.queries.figures import confusion_figures, ledger_figures
from medembed_pipeline.pictures.palette import PAPER
from medembed_pipeline.pictures.specification import Known, Row
from medembed_pipeline_tests.pictures.figures import drawn, words
from medembed_pipeline_tests.pictures.test_pictures import LONG_NAMES, shows

MINUS = "\N{MINUS SIGN}"


def ledger(changes: list[float | None]) -> list[Row]:
    return [{"change": change, "precision_tuned": None if change is None else 1.0} for change in changes]


def confusion_rows(specialties: int, share: dict[str, float]) -> list[dict[str, Any]]:
    """Every specialty is taken for the next one, and a little for the last one."""
    rows = []
    for model, value in share.items():
        for number in range(specialties):
            for other, part in (((number + 1) % specialties, 0.8), (specialties - 1, 0.2)):
                if other != number:
                    rows.append(
                        {
                            "model": model,
                            "specialty": LONG_NAMES[number],
                            "wrong_specialty": LONG_NAMES[other],
                            "weight": 1.0,
                            "share": value * part,
                            "queries": 100 - number,
                        }
                    )
    return rows


def test_gains_are_blue_and_losses_vermillion_in_proportion() -> None:
    figures = ledger_figures(ledger([0.2] * 30 + [0.0] * 60 + [-0.2] * 10 + [None] * 5), Known())
    picture = drawn(figures, "change_by_note")
    text = picture.svg.decode()
    assert "30 better (30%)" in text and "10 worse (10%)" in text and "60 unchanged (60%)" in text
    assert f"worse by {MINUS}0.20 on average and better by +0.20 on average" in figures[0].reading
    assert "of those unchanged, 60 were all right" in figures[0].reading
    # At 30% over white.
    blue, vermillion = shows(picture, "#B3D5E8"), shows(picture, "#F2CEB3")
    assert blue == pytest.approx(3 * vermillion, rel=0.15)
    shares = {one["series"]: one["share"] for one in figures[0].drawing.data["steps"] if one["share"]}
    assert shares == pytest.approx({"10 worse (10%)": 0.1, "60 unchanged (60%)": 0.6, "30 better (30%)": 0.3})
    assert any("0.3" in said or "30.0%" in said for said in words(figures, "change_by_note", "bins"))


@pytest.mark.parametrize("count", [1, 20_000])
def test_any_number_of_notes(count: int) -> None:
    values = np.random.default_rng(0).integers(-10, 11, count) / 10
    (figure,) = ledger_figures(ledger(values.tolist()), Known())
    ends = {row["series"] for row in figure.drawing.data["steps"]}
    total = sum(row["share"] for row in figure.drawing.data["steps"][:-1] if row["share"])
    assert len(ends) == 3 and total == pytest.approx(1, abs=0.06)
    assert ledger_figures(ledger([None]), Known()) == []


def test_confusions_have_a_cell_for_each_pair_and_name_both_shares() -> None:
    rows = confusion_rows(30, {"baseline": 0.5, "tuned": 0.1})
    figures = confusion_figures(rows, Known())
    picture = drawn(figures, "confusions")
    assert sum(f">{name[:12]}" in picture.svg.decode() for name in LONG_NAMES[:30]) == 30
    pairs = {(row["specialty"], row["wrong_specialty"]) for row in rows}
    assert len(figures[0].chosen_data()["cells"]) == len(pairs) == len(figures[1].drawing.data["cells"])
    one, other = LONG_NAMES[:2]
    assert f"Of what {one} finds, 40.0% was wrongly {other} before, 8.0% after" in words(
        figures, "confusions", "cells"
    )
    assert figures[0].choices[0].chosen == "tuned"
    # The largest number of queries first.
    order = figures[0].drawing.wide["encoding"]["y"]["sort"]
    assert order == LONG_NAMES[:30]


def test_less_confusion_is_blue_and_more_is_vermillion() -> None:
    for share, there in (({"baseline": 0.5, "tuned": 0.1}, "--heat-high"), ({"tuned": 0.5}, "--heat-below")):
        picture = drawn(confusion_figures(confusion_rows(12, share), Known()), "confusion_changes")
        cells = {name: shows(picture, PAPER[name]) for name in ("--heat-high", "--heat-below")}
        (other,) = cells.keys() - {there}
        assert cells[there] > 2000 > cells[other]
