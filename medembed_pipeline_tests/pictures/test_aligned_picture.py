from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from medembed_pipeline.maps.tables import Projection, projections_table
from medembed_pipeline.pictures.aligned_picture import arrows_picture
from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.maps_picture import maps_picture
from medembed_pipeline.pictures.palette import BLUE
from medembed_pipeline_tests.pictures.test_pictures import LONG_NAMES, pixels, shows

FLOORS = [
    {"method": "aligned_umap", "dimensions": 2, "noise_floor": 0.3, "scale": 2.0},
    {"method": "aligned_umap", "dimensions": 3, "noise_floor": 0.1, "scale": 2.0},
    {"method": "joint_pca", "dimensions": 2, "noise_floor": 1e-8, "scale": 0.5},
]


def tables(
    count: int, *, shift: float = 2.0, methods: tuple[str, ...] = ("aligned_umap", "joint_pca")
) -> Any:
    """Notes of which the first half, ranked first, moved by `shift` to the right."""
    generator = np.random.default_rng(0)
    ids = [f"n{number:06d}" for number in range(count)]
    before = generator.normal(size=(count, 2)).astype(np.float32)
    after = before.copy()
    after[: count // 2, 0] += shift
    maps = [
        Projection(model, method, 2, places)
        for method in methods
        for model, places in (("baseline", before), ("tuned", after))
    ]
    displacement = pa.table(
        {
            "note_id": ids,
            "displacement": pa.array(np.linspace(1.2, 0, count), pa.float32()),
            "neighbor_overlap": pa.array(np.round(np.linspace(0, 1, count), 1), pa.float32()),
            "rank": pa.array(range(1, count + 1), pa.int32()),
        }
    )
    notes = {note_id: [LONG_NAMES[row % 40]] for row, note_id in enumerate(ids) if row % 9}
    return projections_table(maps, note_ids=ids), displacement, notes


@pytest.mark.parametrize("count", [4, 900, 12_000])
def test_arrows(count: int) -> None:
    projections, displacement, notes = tables(count)
    picture = arrows_picture(projections, displacement, notes, noise_floors=FLOORS)
    pixels(picture)
    assert b"AlignedUMAP" in picture.svg and b"noise floor 0.3" in picture.svg
    assert len(picture.svg) < 1_500_000
    assert picture == arrows_picture(
        projections.take(np.arange(len(projections))[::-1]), displacement, notes, noise_floors=FLOORS
    )


def test_an_arrow_that_noise_could_draw_is_shown_as_such() -> None:
    def drawn(shift: float, floor: float) -> str:
        projections, displacement, notes = tables(60, shift=shift, methods=("aligned_umap",))
        floors = [{**FLOORS[0], "noise_floor": floor}]
        return arrows_picture(projections, displacement, notes, noise_floors=floors, most=10).svg.decode()

    assert drawn(2.0, 0.3).count("stroke-dasharray") == 0
    assert drawn(0.2, 0.3).count("stroke-dasharray") == 10


def test_arrows_show_the_notes_that_moved_most() -> None:
    projections, displacement, _ = tables(60)
    everyone = {note_id: ["Urology"] for note_id in displacement["note_id"].to_pylist()}
    first = arrows_picture(projections, displacement, everyone, noise_floors=FLOORS, most=10)
    assert shows(first, BLUE) > 300
    assert b"Urology (10)" in first.svg
    backwards = displacement.set_column(3, "rank", displacement["rank"].take(np.arange(60)[::-1]))
    still = arrows_picture(projections, backwards, everyone, noise_floors=FLOORS, most=10)
    assert shows(first, BLUE) > shows(still, BLUE) + 100


def test_one_method_alone_and_models_of_different_dimensions() -> None:
    projections, displacement, notes = tables(60, methods=("aligned_umap",))
    unknown = displacement.set_column(1, "displacement", pa.nulls(60, pa.float32()))
    picture = arrows_picture(projections, unknown, notes, noise_floors=FLOORS[:2])
    assert b"Joint PCA" not in picture.svg and b"away from their old neighbours" in picture.svg


def test_what_does_not_fit_is_refused() -> None:
    projections, displacement, notes = tables(60)
    with pytest.raises(PictureError, match="no 2-D map by any of aligned_umap, joint_pca"):
        arrows_picture(projections, displacement, notes, noise_floors=FLOORS[1:2])
    with pytest.raises(PictureError, match="note_displacement has 59 notes and the aligned_umap map 60"):
        arrows_picture(projections, displacement.slice(1), notes, noise_floors=FLOORS)


def test_aligned_maps_share_one_frame_and_are_not_turned() -> None:
    projections, _, notes = tables(200, shift=0.0)
    picture = maps_picture(projections, notes, method="aligned_umap")
    assert b"stays near its place" in picture.svg
    image = pixels(picture)
    width = image.shape[1]
    left = image[150:, int(0.025 * width) : int(0.37 * width)]
    shifted = image[150:, int(0.025 * width) + round(0.368 * width) :][:, : left.shape[1]]
    # The same places in both panels, up to a pixel at the edges of the markers.
    assert np.abs(left.astype(int) - shifted).mean() < 12


def test_the_module_loads_nothing_heavy() -> None:
    code = (
        "import sys, medembed_pipeline.pictures.aligned_picture\n"
        "print([m for m in ('matplotlib', 'umap', 'sklearn', 'PIL', 'torch', 'scipy') if m in sys.modules])"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
