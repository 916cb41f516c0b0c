"""Pictures of the ledger: what they show is what the tables say, at any size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.ledger_pictures import (
    change_picture,
    confusion_matrix,
    confusions_picture,
)
from medembed_pipeline.pictures.palette import TUNED_COLOR, WORSE_COLOR
from medembed_pipeline_tests.pictures.test_pictures import LONG_NAMES, shows


def ledger(changes: list[float | None]) -> pa.Table:
    return pa.table(
        {
            "change": pa.array(changes, pa.float64()),
            "precision_tuned": pa.array(
                [None if change is None else 1.0 for change in changes], pa.float64()
            ),
        }
    )


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
    picture = change_picture(ledger([0.2] * 30 + [0.0] * 60 + [-0.2] * 10 + [None] * 5))
    text = picture.svg.decode()
    assert "30 better (30%)" in text and "10 worse (10%)" in text and "60 unchanged (60%)" in text
    assert "60 of them all right before and after" in text
    assert "by +0.20 on average" in text and "by \N{MINUS SIGN}0.20 on average" in text
    blue, vermillion = shows(picture, TUNED_COLOR), shows(picture, WORSE_COLOR)
    assert blue == pytest.approx(3 * vermillion, rel=0.2)


@pytest.mark.parametrize("count", [1, 20_000])
def test_any_number_of_notes(count: int) -> None:
    values = np.random.default_rng(0).integers(-10, 11, count) / 10
    assert len(change_picture(ledger(values.tolist())).png) <= 200_000


def test_the_order_of_notes_does_not_matter() -> None:
    values: list[float | None] = [0.3, -0.1, 0.0, None, 0.5]
    assert change_picture(ledger(values)) == change_picture(ledger(values[::-1]))


def test_confusions_are_shown_for_the_largest_specialties() -> None:
    rows = confusion_rows(30, {"baseline": 0.5, "tuned": 0.1})
    picture = confusions_picture(pa.Table.from_pylist(rows))
    text = picture.svg.decode()
    shown = [name for name in LONG_NAMES[:30] if f"{name[:26]}" in text]
    assert len(picture.png) <= 200_000 and shown
    assert "  100<" in text and "  81<" in text and "  80<" not in text
    assert "all others" in text
    few = confusions_picture(pa.Table.from_pylist(confusion_rows(2, {"baseline": 0.5, "tuned": 0.1})))
    assert "all others" not in few.svg.decode()


def test_the_matrix_sums_what_is_not_shown() -> None:
    rows = confusion_rows(5, {"baseline": 0.5, "tuned": 0.1})
    names = LONG_NAMES[:3]
    matrix = confusion_matrix(rows, model="baseline", names=names)
    np.testing.assert_allclose(matrix, [[0, 0.4, 0, 0.1], [0, 0, 0.4, 0.1], [0, 0, 0, 0.5]])
    np.testing.assert_allclose(confusion_matrix(rows, model="tuned", names=names), matrix / 5)


def test_one_model_may_make_no_mistake() -> None:
    rows = confusion_rows(3, {"baseline": 0.5})
    text = confusions_picture(pa.Table.from_pylist(rows)).svg.decode()
    assert ">100<" in text and ">50<" in text


def test_errors_name_what_is_missing() -> None:
    with pytest.raises(PictureError, match="no note has a change"):
        change_picture(ledger([None]))
    with pytest.raises(PictureError, match="columns change are missing"):
        change_picture(ledger([0.1]).drop_columns(["change"]))
    table = pa.Table.from_pylist(confusion_rows(3, {"tuned": 0.1}))
    with pytest.raises(PictureError, match="no wrong neighbour at all"):
        confusions_picture(table.slice(0, 0))
    with pytest.raises(PictureError, match="columns queries are missing"):
        confusions_picture(table.drop_columns(["queries"]))


def test_every_tick_is_written_where_it_stands() -> None:
    text = change_picture(ledger([0.9, 0.0, -0.6])).svg.decode()
    assert all(f">+{tick}<" in text for tick in ("0.2", "0.4", "0.6", "0.8"))
    assert "+0.5" not in text
