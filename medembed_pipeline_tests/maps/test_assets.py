"""The three assets and their checks on a small lake."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.maps.assets import aligned_projections, note_displacement, projections
from medembed_pipeline.maps.checks import aligned_projections_place_every_note, projections_place_every_note
from medembed_pipeline.maps.displacement import NOTE_DISPLACEMENT_SCHEMA
from medembed_pipeline.maps.tables import ALIGNED_PROJECTIONS_SCHEMA, PROJECTIONS_SCHEMA
from medembed_pipeline_tests.maps.test_aligned import embedding_rows, neighbors_rows
from medembed_pipeline_tests.maps.test_displacement import some_ids, spaces

ASSETS = [projections, aligned_projections, note_displacement]
CHECKS = [projections_place_every_note, aligned_projections_place_every_note]
SMALL: dict[str, Any] = {
    "ops": {"projections": {"config": {"methods": ["pca", "umap"], "dimensions": [2], "umap_neighbors": 5}}}
}


def fill_lake(lake: Lake, count: int, widths: tuple[int, int]) -> None:
    ids, (baseline, tuned) = some_ids(count), spaces(count, widths=widths)
    nearest = pa.concat_tables(
        [neighbors_rows(baseline, ids, "baseline"), neighbors_rows(tuned, ids, "tuned")]
    )
    tables = {
        "cleaned_notes": pa.table({"note_id": ids, "specialties": [["Urology", "Surgery"]] * count}),
        "baseline_embeddings": embedding_rows(baseline, ids),
        "tuned_embeddings": embedding_rows(tuned, ids),
        "neighbors": nearest,
    }
    for name, table in tables.items():
        lake.write_table(Recipe(name, "1", {}, {}), table)


def materialize(lake: Lake, assets: list[Any]) -> dg.ExecuteInProcessResult:
    config = SMALL if projections in assets else {}
    return dg.materialize(assets, resources={"lake": LakeResource(url=lake.url)}, run_config=config)


@pytest.mark.parametrize(("count", "widths"), [(40, (12, 12)), (4, (12, 12)), (30, (16, 5))])
def test_maps_displacement_pictures_and_checks(tmp_path: Path, count: int, widths: tuple[int, int]) -> None:
    lake = Lake(str(tmp_path))
    fill_lake(lake, count, widths)
    result = materialize(lake, [*ASSETS, *CHECKS])
    assert all(one.passed for one in result.get_asset_check_evaluations())
    assert len(result.get_asset_check_evaluations()) == 2

    same = widths[0] == widths[1]
    schemas = {
        "projections": PROJECTIONS_SCHEMA,
        "aligned_projections": ALIGNED_PROJECTIONS_SCHEMA,
        "note_displacement": NOTE_DISPLACEMENT_SCHEMA,
    }
    rows = {
        "projections": 4 * count,
        "aligned_projections": (8 if same else 4) * count,
        "note_displacement": count,
    }
    for name, schema in schemas.items():
        table = lake.table(name).read()
        assert table.schema.remove_metadata().equals(schema.remove_metadata())
        assert len(table) == rows[name]
        (event,) = result.asset_materializations_for_node(name)
        pictures = {
            "projections": ["umap_map"],
            "aligned_projections": ["aligned_umap_map", "arrows", *(["joint_pca_map"] if same else [])],
            "note_displacement": ["neighbors_kept", *(["displacement"] if same else [])],
        }[name]
        for picture in pictures:
            assert str(event.metadata[picture].value).startswith("![")
            assert (tmp_path / "pictures" / name / f"{picture}.png").stat().st_size < 200_000
            ElementTree.parse(tmp_path / "pictures" / name / f"{picture}.svg")
    aligned = lake.table("aligned_projections").footer.facts
    assert len(aligned["noise_floors"]) == (4 if same else 2)
    assert bool(aligned["left_out"]) is not same
    assert lake.table("note_displacement").read()["displacement"].null_count == (0 if same else count)


def test_a_second_run_keeps_the_tables(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    fill_lake(lake, 12, (6, 6))
    first = materialize(lake, [note_displacement])
    second = materialize(lake, [note_displacement])
    kept = [
        one.asset_materializations_for_node("note_displacement")[0].metadata["kept"].value
        for one in (first, second)
    ]
    assert kept == [False, True]


def test_the_check_finds_a_missing_note_and_a_wrong_value(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    fill_lake(lake, 12, (6, 6))
    materialize(lake, [aligned_projections])
    table = lake.table("aligned_projections").read()

    def checked(changed: pa.Table) -> dg.AssetCheckEvaluation:
        lake.write_table(Recipe("aligned_projections", "1", {"rows": len(changed)}, {}), changed)
        result = dg.materialize(
            [dg.AssetSpec("aligned_projections"), aligned_projections_place_every_note],
            selection=dg.AssetSelection.checks(aligned_projections_place_every_note),
            resources={"lake": LakeResource(url=lake.url)},
        )
        (one,) = result.get_asset_check_evaluations()
        return one

    assert checked(table).passed
    first = checked(table.slice(1))
    assert not first.passed and first.metadata["incomplete_maps"].value == 1
    assert "baseline aligned_umap 2-D" in (first.description or "")
    trust = pc.if_else(pc.equal(table["model"], "tuned"), 1.5, table["trustworthiness"])
    wrong = table.set_column(
        table.column_names.index("trustworthiness"), "trustworthiness", trust.cast(pa.float32())
    )
    assert checked(wrong).metadata["wrong_values"].value == len(table) // 2
    place = np.where(np.arange(len(table)) == 5, np.nan, table["x"].to_numpy())
    lost = table.set_column(table.column_names.index("x"), "x", pa.array(place, pa.float32()))
    assert checked(lost).metadata["wrong_values"].value == 1
