"""Small pictures of the page: those that its tables name, grey, small, and few."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from medembed_pipeline.images.pixels import png_bytes
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.report.pictures_part import MOST, SIDE, named_pictures, small_pictures


def test_pictures_that_tables_name_are_made_small(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    packed = [
        png_bytes(random.integers(0, 255, shape, dtype=np.uint8)) for shape in ((300, 200), (90, 90, 3))
    ]
    lake = Lake(str(tmp_path))
    images = lake.write_table(
        Recipe("raw_images", "1", {}, {}), pa.table({"image_id": ["a", "b"], "picture": packed})
    )
    found = small_pictures(images, ["b", "a", "gone"])
    assert list(found) == ["a", "b"]
    sizes = []
    for address in found.values():
        head, _, data = address.partition(",")
        assert head == "data:image/jpeg;base64"
        with Image.open(io.BytesIO(base64.b64decode(data))) as opened:
            assert opened.mode == "L"
            sizes.append(opened.size)
    assert sizes == [(75, SIDE), (90, 90)] and small_pictures(images, []) == {}


def test_only_tables_with_pictures_name_any_and_not_too_many() -> None:
    many = pa.table({"image_id": [f"{row:04}" for row in range(MOST + 50)]})
    tables = {"one": pa.table({"image_id": pa.array(["z", None, "a"])}), "two": pa.table({"note_id": ["n"]})}
    assert named_pictures(tables) == ["a", "z"] and named_pictures({}) == []
    assert len(named_pictures({"many": many})) == MOST
    assert named_pictures(tables, ["q", "a", None, "b", "q"]) == ["a", "z", "q", "b"]
    assert named_pictures({"many": many}, ["first of more"]) == named_pictures({"many": many})
