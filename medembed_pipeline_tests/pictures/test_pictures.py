from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from medembed_pipeline.maps.tables import Projection, projections_table
from medembed_pipeline.pictures import figure
from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.figure import Picture
from medembed_pipeline.pictures.maps_picture import maps_picture, turned_onto
from medembed_pipeline.pictures.metrics_pictures import metrics_picture, shorten, specialty_change_picture
from medembed_pipeline.pictures.palette import COMBINATIONS, LEXICAL_COLOR, TUNED_COLOR, WORSE_COLOR
from medembed_pipeline.pictures.training_picture import (
    spread_labels,
    trade_off_picture,
    training_curve_picture,
)

LONG_NAMES = [f"A $pecialty_with ^a rather long name {number}" for number in range(40)]


def pixels(picture: Picture) -> np.ndarray:
    """The picture as [height, width, 3], once it is a PNG that is small and wide enough, and an SVG beside it."""
    assert picture.svg.startswith(b"<?xml") and picture.svg.rstrip().endswith(b"</svg>")
    assert len(picture.png) <= 200_000
    with Image.open(io.BytesIO(picture.png)) as image:
        assert image.format == "PNG"
        assert image.width >= 900
        return np.asarray(image.convert("RGB"))


def shows(picture: Picture, color: str) -> int:
    """How many pixels have nearly this colour."""
    wanted = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)])
    return int((np.abs(pixels(picture).astype(int) - wanted).max(axis=2) <= 12).sum())


def metric_rows(
    scope: str, metric: str, k: int | None, before: float, after: float, **more: Any
) -> list[dict[str, Any]]:
    same = {"split": "test", "scope": scope, "metric": metric, "k": k, "n": 40}
    return [
        {**same, "model": model, "value": value, "ci_low": value - 0.02, "ci_high": value + 0.02, **more}
        for model, value in (("baseline", before), ("tuned", after), ("difference", after - before))
    ]


def metrics_table(
    before: float = 0.5, after: float = 0.7, scopes: list[str] = LONG_NAMES, **more: Any
) -> pa.Table:
    rows = []
    for metric, k in (("precision", 1), ("precision", 5), ("mrr", None), ("map", None), ("silhouette", None)):
        rows += metric_rows("all", metric, k, before, after, **more)
    for scope in ["macro", *scopes]:
        rows += metric_rows(scope, "precision", 5, before, after, **more)
    return pa.Table.from_pylist(rows)


def map_tables(count: int) -> tuple[pa.Table, dict[str, list[str]]]:
    generator = np.random.default_rng(0)
    ids = [f"n{number:06d}" for number in range(count)]
    maps = [
        Projection(model, "umap", 2, generator.normal(size=(count, 2)).astype(np.float32))
        for model in ("baseline", "tuned")
    ]
    notes = {
        ids[row]: [LONG_NAMES[int(v)]] for row, v in enumerate(generator.integers(0, 40, count)) if row % 9
    }
    return projections_table(maps, note_ids=ids), notes


@pytest.mark.parametrize("count", [3, 3000, 60_000])
def test_maps_picture(count: int) -> None:
    picture = maps_picture(*map_tables(count))
    pixels(picture)
    if count == 3000:
        assert all(shows(picture, color) > 20 for color, _ in COMBINATIONS)


def test_maps_picture_is_the_same_whatever_the_order_of_rows() -> None:
    table, notes = map_tables(50)
    backwards = table.take(np.arange(len(table))[::-1])
    assert maps_picture(table, notes) == maps_picture(backwards, dict(reversed(notes.items())))


def test_maps_picture_names_the_missing_map() -> None:
    table, notes = map_tables(50)
    with pytest.raises(PictureError, match="no 2-D tsne map of the model 'baseline'"):
        maps_picture(table, notes, method="tsne")
    with pytest.raises(PictureError, match="expected one of pca"):
        maps_picture(table, notes, method="mds")
    with pytest.raises(PictureError, match="different notes"):
        maps_picture(table.slice(1), notes)


def test_turning_restores_a_turned_and_mirrored_map() -> None:
    points = np.random.default_rng(0).normal(size=(30, 2))
    mirrored = points @ np.array([[0.6, 0.8], [0.8, -0.6]]) + 5
    np.testing.assert_allclose(turned_onto(points, mirrored), points - points.mean(axis=0), atol=1e-12)


def test_metrics_picture_draws_gains_and_losses() -> None:
    gain, loss = metrics_picture(metrics_table()), metrics_picture(metrics_table(0.7, -0.1))
    assert shows(gain, TUNED_COLOR) > 500
    assert shows(gain, WORSE_COLOR) == 0
    assert shows(loss, WORSE_COLOR) > 100


def test_metrics_picture_shows_word_matching_where_it_is_known() -> None:
    table = metrics_table(scopes=[])
    without = metrics_picture(table)
    assert b"word matching" not in without.svg and shows(without, LEXICAL_COLOR) == 0
    rows = []
    for metric, k in (("precision", 5), ("map", None)):
        same = {"split": "test", "scope": "all", "metric": metric, "k": k, "n": 40}
        for model, value in (("lexical", 0.9), ("tuned_over_lexical", -0.2)):
            ends = {"ci_low": value - 0.02, "ci_high": value + 0.02}
            rows.append({**same, "model": model, "value": value, **ends})
    picture = metrics_picture(pa.concat_tables([table, pa.Table.from_pylist(rows, schema=table.schema)]))
    assert b"word matching" in picture.svg and shows(picture, LEXICAL_COLOR) > 100
    text = picture.svg.decode("utf-8")
    assert text.count("◆ -0.200  [-0.220, -0.180]".replace("-", "\N{MINUS SIGN}")) == 2 and "0.900" in text
    assert shows(picture, WORSE_COLOR) > 100
    assert "95% intervals (jackknife over groups)" in text


@pytest.mark.parametrize("scopes", [LONG_NAMES, LONG_NAMES[:1]])
def test_specialty_picture_draws_gains_and_losses(scopes: list[str]) -> None:
    gain = specialty_change_picture(metrics_table(scopes=scopes))
    loss = specialty_change_picture(metrics_table(0.7, 0.4, scopes=scopes))
    unsure = specialty_change_picture(metrics_table(0.7, 0.71, scopes=scopes))
    assert shows(gain, TUNED_COLOR) > 60
    assert shows(loss, WORSE_COLOR) > 60
    assert shows(unsure, TUNED_COLOR) == shows(unsure, WORSE_COLOR) == 0


def test_figures_without_interval_or_value() -> None:
    pixels(metrics_picture(metrics_table(ci_low=float("nan"), ci_high=None)))
    pixels(specialty_change_picture(metrics_table(ci_low=None, ci_high=float("nan"))))
    with pytest.raises(PictureError, match="no figure of both models"):
        metrics_picture(metrics_table(value=float("nan")))
    with pytest.raises(PictureError, match="no difference of precision@5"):
        specialty_change_picture(metrics_table(), split="validation")
    with pytest.raises(PictureError, match="columns ci_low, k are missing"):
        metrics_picture(metrics_table().drop_columns(["k", "ci_low"]))


def test_trade_off() -> None:
    rows: list[dict[str, Any]] = [
        {
            "share": share,
            "validation_score": 0.5 + share / 10,
            "validation_passage_mrr": None,
            "validation_similarities_kept": 1 - share / 10,
            "validation_rank_kept": 1 - share / 20,
            "broken": "similarities" if share == 1 else "",
            "taken": share == 0.5,
        }
        for share in (0.0, 0.5, 1.0)
    ]
    pixels(trade_off_picture(rows))
    with pytest.raises(PictureError, match="at least one row"):
        trade_off_picture([])


def test_training_curve() -> None:
    rows = [
        {
            "epoch": float(e),
            "train_loss": 1 / (e + 1) if e else None,
            "validation_loss": 1.0,
            "validation_score": 0.6,
        }
        for e in range(4)
    ]
    picture = training_curve_picture(rows, best_epoch=2)
    pixels(picture)
    assert picture == training_curve_picture(pa.Table.from_pylist(rows[::-1]), best_epoch=2)
    pixels(training_curve_picture(rows[:1]))
    pixels(training_curve_picture([{"epoch": 0}]))
    for wrong in ([], [{"train_loss": 1.0}]):
        with pytest.raises(PictureError, match="each with its epoch"):
            training_curve_picture(wrong)


def test_labels_keep_their_distance() -> None:
    assert spread_labels([1.0, 1.1], gap=0.5) == pytest.approx([0.8, 1.3])
    assert spread_labels([3.0, 1.0], gap=0.5) == [3.0, 1.0]
    assert shorten("Cardiovascular", 7) == "Cardio…"


def test_a_picture_too_large_is_drawn_smaller_and_at_last_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure, "_RESOLUTIONS", (150, 60))
    table, notes = map_tables(500)
    full = len(maps_picture(table, notes).png)
    monkeypatch.setattr(figure, "LARGEST_BYTES", full - 1)
    assert len(maps_picture(table, notes).png) < full
    monkeypatch.setattr(figure, "LARGEST_BYTES", 1000)
    with pytest.raises(PictureError, match="at most 1000"):
        maps_picture(table, notes)


def test_the_room_loads_nothing_heavy() -> None:
    rooms = (
        "palette",
        "training_picture",
        "metrics_pictures",
        "maps_picture",
        "similarity_pictures",
        "heatmap_pictures",
        "progress_pictures",
        "task_pictures",
    )
    lines = [f"import medembed_pipeline.pictures.{room}" for room in rooms]
    heavy = ("matplotlib", "umap", "sklearn", "PIL", "torch", "scipy")
    check = f"import sys; print([m for m in {heavy} if m in sys.modules])"
    code = "\n".join([*lines, check])
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
