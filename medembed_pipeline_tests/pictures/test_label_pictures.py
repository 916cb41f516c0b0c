"""Pictures of the label review: what they show is what the tables say."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.label_pictures import ceiling_picture, label_quality_picture
from medembed_pipeline.pictures.palette import ORANGE, TUNED_COLOR, WORSE_COLOR
from medembed_pipeline_tests.pictures.test_pictures import shows


def review(**counts: int) -> pa.Table:
    rows = [
        {"label_quality": (place + 0.5) / count, "judgement": judgement}
        for judgement, count in counts.items()
        for place in range(count)
    ]
    return pa.Table.from_pylist([*rows, {"label_quality": None, "judgement": None}])


def ceilings(**changes: float) -> list[dict[str, Any]]:
    values = {"ceiling": 0.977, "ceiling_with_label_noise": 0.912} | changes
    return [
        {"metric": metric, "k": k, "n": 328, **values}
        for metric, k in (("precision", 1), ("precision", 5), ("ndcg", 10), ("map", None), ("mrr", None))
    ]


def metrics(models: tuple[str, ...] = ("baseline", "tuned", "difference")) -> pa.Table:
    values = {"baseline": 0.551, "tuned": 0.774, "difference": 0.223}
    return pa.Table.from_pylist(
        [
            {"model": model, "scope": scope, "metric": metric, "k": k, "value": values[model]}
            for model in models
            for scope in ("all", "Cardiology")
            for metric, k in (("precision", 1), ("precision", 5), ("ndcg", 10), ("map", None))
        ]
    )


def test_counts_by_judgement() -> None:
    picture = label_quality_picture(review(looks_wrong=5, several_specialties=15, agrees=80))
    text = picture.svg.decode()
    for line in ("looks wrong: 5 (5.0%)", "several specialties: 15 (15.0%)", "agrees: 80 (80.0%)"):
        assert line in text
    assert "100 labelled notes" in text
    assert shows(picture, WORSE_COLOR) > 100 and shows(picture, ORANGE) > 100


def test_a_judgement_may_be_empty() -> None:
    picture = label_quality_picture(review(agrees=3))
    assert "looks wrong: 0 (0.0%)" in picture.svg.decode()
    assert shows(picture, WORSE_COLOR) == 0


def test_models_and_ceilings_side_by_side() -> None:
    picture = ceiling_picture(ceilings(), metrics())
    text = picture.svg.decode()
    for line in ("precision@1", "precision@5", "nDCG@10", "MAP", "328 held-out queries"):
        assert line in text
    for value in ("0.551", "0.774", "0.912", "0.977"):
        assert text.count(f">{value}<") == 4  # MRR has a ceiling, but no model has it here
    assert "MRR" not in text
    assert shows(picture, TUNED_COLOR) > 100
    # A lower ceiling moves the line.
    assert ceiling_picture(ceilings(ceiling=0.9), metrics()).png != picture.png


def test_errors_name_what_is_missing() -> None:
    with pytest.raises(PictureError, match="no note is judged"):
        label_quality_picture(review())
    with pytest.raises(PictureError, match="columns judgement are missing"):
        label_quality_picture(review(agrees=2).drop_columns(["judgement"]))
    with pytest.raises(PictureError, match="no figure with a ceiling and both models"):
        ceiling_picture(ceilings(), metrics(("baseline",)))
    with pytest.raises(PictureError, match="no figure with a ceiling and both models"):
        ceiling_picture([], metrics())
