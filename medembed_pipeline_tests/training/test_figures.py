"""The figures of a training: every figure that was recorded, and the share that was taken."""

from __future__ import annotations

from typing import Any

from medembed_pipeline.training.figures import course_figures, history_values, trade_off_figures
from medembed_pipeline_tests.pictures.figures import drawn, words

HISTORY = [
    {
        "epoch": epoch,
        "steps": 40 * epoch,
        "train_loss": 1 / (epoch + 1) if epoch else None,
        "validation_loss": 1.0,
        "validation_map": 0.6,
    }
    for epoch in range(4)
]


def test_what_was_recorded_is_drawn_in_the_order_of_epochs() -> None:
    figures = course_figures(history_values(HISTORY[::-1]), best_epoch=2)
    assert [one.name for one in figures] == ["loss", "validation"]
    text = drawn(figures, "loss").svg.decode()
    assert ">training<" in text and ">validation<" in text and ">kept<" in text
    assert words(figures, "loss", "points")[0] == "training, epoch 1: 0.5000"
    assert [row["at"] for row in figures[0].drawing.data["points"]] == [1, 2, 3, 0, 1, 2, 3]
    assert figures == course_figures(history_values(HISTORY), best_epoch=2)
    drawn(course_figures(history_values(HISTORY[:1])), "loss")
    assert course_figures(history_values([{"epoch": 0}])) == []


def test_the_trade_off_marks_the_share_that_was_taken() -> None:
    rows: list[dict[str, Any]] = [
        {
            "share": share,
            "validation_score": 0.5 + share / 10,
            "validation_map": 0.4,
            "validation_passage_mrr": None,
            "validation_similarities_kept": 1 - share / 10,
            "validation_rank_kept": 1 - share / 20,
            "broken": "similarities" if share == 1 else "",
            "taken": share == 0.5,
        }
        for share in (0.0, 0.5, 1.0)
    ]
    figures = trade_off_figures(rows)
    assert [one.name for one in figures] == [
        "gained_by_share",
        "kept_by_share",
    ] and "50% of the tuned model was taken" in figures[0].reading
    text = drawn(figures, "gained_by_share").svg.decode()
    assert ">main metric<" in text and ">taken<" in text
    assert "similarities of phrases (correlation), percent of the tuned model 100: 0.9000" in words(
        figures, "kept_by_share", "points"
    )
    assert "passage" not in drawn(figures, "kept_by_share").svg.decode()
    without_labels = trade_off_figures([{**row, "validation_map": None} for row in rows])
    assert ">passages, MRR<" in drawn(without_labels, "gained_by_share").svg.decode()
    assert trade_off_figures([]) == []
