"""The assets on a small lake: what lands becomes cases, what cannot be used is told, nothing quotes a note or a
name."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
from PIL import Image

from medembed_pipeline.images import landing
from medembed_pipeline.images.assets import case_splits, landing_images, paired_cases
from medembed_pipeline.images.checks import (
    cases_have_both_partners,
    few_pictures_are_rejected,
    no_case_crosses_splits,
)
from medembed_pipeline.images.pixels import Limits, Picture, read_picture
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource
from medembed_pipeline.samples.case_plan import CaseCorpus
from medembed_pipeline.samples.cases import write_drawn_cases

ROOM = [
    landing_images,
    paired_cases,
    case_splits,
    few_pictures_are_rejected,
    cases_have_both_partners,
    no_case_crosses_splits,
]


def materialize(folder: Path) -> dg.ExecuteInProcessResult:
    return dg.materialize(ROOM, resources={"lake": LakeResource(url=str(folder))})


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    for event in result.get_asset_materialization_events():
        if event.asset_key == dg.AssetKey(asset):
            return {name: value.value for name, value in event.materialization.metadata.items()}
    raise AssertionError(asset)


def test_an_absent_folder_gives_empty_tables(tmp_path: Path) -> None:
    result = materialize(tmp_path)
    assert all(one.passed for one in result.get_asset_check_evaluations())
    assert [
        Lake(str(tmp_path)).table(name).rows for name in (*landing.TABLE_NAMES, "paired_cases", "case_splits")
    ] == [0] * 5


def test_what_lands_becomes_cases_and_only_what_is_new_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "landing_images"
    write_drawn_cases(folder / "drawn", CaseCorpus(patients=12))
    (folder / "Miller.png").write_text("Anna Miller has a cough")
    (folder / "Miller.gif").write_bytes(b"GIF89a")
    result = materialize(tmp_path)
    lake = Lake(str(tmp_path))
    assert lake.table("raw_images").rows == 24 and lake.table("paired_cases").footer.facts["complete"] == 24
    rejected = lake.table("rejected_images").read(["source_file", "reason"]).to_pylist()
    assert {row["reason"] for row in rejected} == {"not_a_picture", "unsupported_file"}
    checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert checks["no_case_crosses_splits"].passed and checks["cases_have_both_partners"].passed
    assert not checks["few_pictures_are_rejected"].passed
    assert lake.table("paired_cases").footer.facts["drawn"] == 24
    shown = "".join(str(event) for event in result.all_events)
    note = lake.table("paired_cases").strings("note")[0]
    assert "Miller" not in shown and "drawn_0000_0" not in shown and note not in shown

    unpacked = []

    def counted(data: bytes, limits: Limits) -> Picture:
        unpacked.append(len(data))
        return read_picture(data, limits)

    monkeypatch.setattr(landing, "read_picture", counted)
    assert metadata(materialize(tmp_path), "raw_images")["kept"] is True and not unpacked
    data = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)).save(data, "PNG")
    (folder / "new.png").write_bytes(data.getvalue())
    before = dict(
        zip(*lake.table("case_splits").read(["case_id", "split"]).to_pydict().values(), strict=True)
    )
    result = materialize(tmp_path)
    assert len(unpacked) == 1 and metadata(result, "paired_cases")["without_note"] == 1
    after = dict(zip(*lake.table("case_splits").read(["case_id", "split"]).to_pydict().values(), strict=True))
    assert len(after) == 25 and before.items() <= after.items()


def test_disabled_there_is_no_asset_of_pictures(tmp_path: Path) -> None:
    import os
    import subprocess
    import sys

    file = tmp_path / "off.toml"
    file.write_text("[images]\nenabled = false\n")
    code = (
        "from medembed_pipeline.definitions import defs\n"
        "graph = defs.resolve_asset_graph()\n"
        "groups = {graph.get(key).group_name for key in graph.get_all_asset_keys()}\n"
        "print(groups & {'images', 'image_text', 'triage'})\n"
    )
    environment = {**os.environ, "MEDEMBED_SETTINGS": str(file)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_what_other_settings_or_models_have_made_of_pictures_can_go(tmp_path: Path) -> None:
    from medembed_pipeline.images.landing import unpacked_version
    from medembed_pipeline.images.settings import ImagesSettings
    from medembed_pipeline.maintenance import removable
    from medembed_pipeline.settings import Settings

    lake = Lake(str(tmp_path))
    current = unpacked_version(ImagesSettings())
    old = [
        ("store", "unpacked_images", "old"),
        ("store", "image_vectors", "other"),
        ("image_text_models", "x"),
    ]
    for parts in (*old, ("store", "unpacked_images", current)):
        lake.write_bytes(b"x", *parts, "file")
    assert {item.parts for item in removable(lake, Settings())} == set(old)
