from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from medembed_pipeline.maps.tables import Projection, projections_table
from medembed_pipeline.pictures import figure
from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.figure import Picture, shorten, spread_labels
from medembed_pipeline.pictures.maps_picture import maps_picture, turned_onto
from medembed_pipeline.pictures.palette import COMBINATIONS

LONG_NAMES = [f"A $pecialty_with ^a rather long name {number}" for number in range(40)]


def pixels(picture: Picture, least: int = 900) -> np.ndarray:
    """The picture as [height, width, 3], once it is a PNG that is small and wide enough, and an SVG beside it."""
    assert picture.svg.startswith((b"<?xml", b"<svg")) and picture.svg.rstrip().endswith(b"</svg>")
    assert len(picture.png) <= 200_000
    with Image.open(io.BytesIO(picture.png)) as image:
        assert image.format == "PNG"
        assert image.width >= least
        return np.asarray(image.convert("RGB"))


def shows(picture: Picture, color: str) -> int:
    """How many pixels have nearly this colour."""
    wanted = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)])
    return int((np.abs(pixels(picture, 300).astype(int) - wanted).max(axis=2) <= 12).sum())


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


def test_labels_keep_their_distance() -> None:
    assert spread_labels([1.0, 1.1], gap=0.5) == pytest.approx([0.8, 1.3])
    assert spread_labels([3.0, 1.0], gap=0.5) == [3.0, 1.0]
    assert shorten("Cardiovascular", 7) == "Cardio…"


def test_a_picture_too_large_is_drawn_smaller_and_at_last_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure, "_SCALES", (1.5, 0.6))
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
        "charts",
        "curves",
        "drawing",
        "grids",
        "maps_picture",
        "similarity_pictures",
    )
    lines = [f"import medembed_pipeline.pictures.{room}" for room in rooms]
    heavy = ("matplotlib", "vl_convert", "umap", "sklearn", "PIL", "torch", "scipy")
    check = f"import sys; print([m for m in {heavy} if m in sys.modules])"
    code = "\n".join([*lines, check])
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
