"""The asset and its checks on a small lake with two small models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from medembed_pipeline.evidence.diagnostics.assets import embedding_diagnostics
from medembed_pipeline.evidence.diagnostics.checks import health_figures_hold_together
from medembed_pipeline.evidence.diagnostics.table import HealthNotes
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline_tests.encoder.small_models import make_bert
from medembed_pipeline_tests.evidence.diagnostics.small_lake import SECRET, materialize, write_lake
from medembed_pipeline_tests.evidence.diagnostics.spaces import make_notes, make_rows

DEFINITIONS = [embedding_diagnostics, health_figures_hold_together]
Models = tuple[Path, Path]


@pytest.fixture(scope="module")
def models(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Models:
    return small_model, make_bert(tmp_path_factory.mktemp("tuned"), seed=1)


def a_lake(folder: Path, **more: Any) -> Lake:
    notes = make_notes(90)
    return write_lake(
        folder, notes, {"baseline": make_rows(notes), "tuned": make_rows(notes, detail=0.3)}, **more
    )


def no_model(*_: Any, **__: Any) -> Any:
    raise AssertionError("a model was loaded")


def metadata(result: Any) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node("embedding_diagnostics")
    return {name: entry.value for name, entry in event.metadata.items()}


def test_table_pictures_checks_and_a_rerun_that_computes_nothing(
    tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = a_lake(tmp_path)
    result = materialize(lake, DEFINITIONS, models, monkeypatch)
    health = lake.table("embedding_diagnostics")
    rows = health.read().to_pylist()
    assert {row["name"] for row in rows if row["figure"] == "within_class_recall"} == {
        "near_duplicate",
        "sample_name",
    }
    for name in ("figures_before_and_after", "how_often_notes_are_found", "spread_within_specialties"):
        for suffix in ("png", "svg"):
            assert (tmp_path / "pictures" / "embedding_diagnostics" / f"{name}.{suffix}").is_file()
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert checks["health_figures_hold_together"].passed, checks["health_figures_hold_together"].description

    assert metadata(materialize(lake, DEFINITIONS, models, monkeypatch))["kept"] is True
    again = materialize(lake, DEFINITIONS, models, monkeypatch, hub_neighbors=5)
    assert metadata(again)["kept"] is False


def test_names_of_samples_reach_neither_the_table_nor_the_metadata(
    tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = a_lake(tmp_path)
    result = materialize(lake, DEFINITIONS, models, monkeypatch)
    shown = "".join(str(event) for event in result.all_events)
    assert "embedding_diagnostics" in shown
    footer = lake.table("embedding_diagnostics").footer.to_json().decode()
    for text in (shown, footer, str(lake.table("embedding_diagnostics").read().to_pylist())):
        assert SECRET.casefold() not in text.casefold()


def test_without_sample_names_no_model_is_loaded(
    tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medembed_pipeline.encoder.model.load_encoder", no_model)
    lake = a_lake(tmp_path, named=False)
    result = materialize(lake, DEFINITIONS, models, monkeypatch)
    rows = lake.table("embedding_diagnostics").read().to_pylist()
    assert [row["name"] for row in rows if row["figure"] == "within_class_recall"] == ["near_duplicate"] * 2
    assert all(check.passed for check in result.get_asset_check_evaluations())


def test_the_order_of_rows_does_not_matter(
    tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = []
    for name, order in (("one", None), ("two", np.random.default_rng(0).permutation(90).tolist())):
        lake = a_lake(tmp_path / name, order=order)
        materialize(lake, [embedding_diagnostics], models, monkeypatch)
        versions.append(lake.table("embedding_diagnostics").data_version)
    assert versions[0] == versions[1]


def test_another_name_is_another_result_and_a_repeated_row_is_not(
    tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = a_lake(tmp_path)

    def kept() -> Any:
        result = materialize(lake, [embedding_diagnostics], models, monkeypatch)
        return metadata(result)["kept"]

    assert kept() is False
    raw = lake.table("raw_transcriptions").read()
    lake.write_table(Recipe("raw_transcriptions", "1", {}, {}), pa.concat_tables([raw, raw.slice(0, 5)]))
    assert kept() is True
    lake.write_table(Recipe("raw_transcriptions", "1", {}, {}), raw.drop_columns(["sample_name"]))
    assert kept() is False


def test_without_a_label_the_shape_of_the_space_remains(
    tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = make_notes(40)
    notes = HealthNotes(full.note_ids, [[] for _ in range(40)], full.held_out, full.training, full.kinds)
    rows = make_rows(full)
    lake = write_lake(tmp_path, notes, {"baseline": rows, "tuned": rows})
    result = materialize(lake, DEFINITIONS, models, monkeypatch)
    assert set(lake.table("embedding_diagnostics").read()["figure"].to_pylist()) == {
        *("hubness_skew", "unreachable_share", "hub", "k_occurrence"),
        *("uniformity", "effective_rank", "within_class_recall"),
    }
    assert all(check.passed for check in result.get_asset_check_evaluations())


def test_the_check_notices_figures_that_do_not_fit(
    tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = a_lake(tmp_path)
    materialize(lake, DEFINITIONS, models, monkeypatch)
    table = lake.table("embedding_diagnostics")
    rows = table.read().to_pylist()
    spoiled = [row for row in rows if (row["model"], row["figure"]) != ("tuned", "alignment")]
    next(row for row in spoiled if row["figure"] == "k_occurrence")["value"] += 1
    next(row for row in spoiled if row["figure"] == "knn_macro_f1")["value"] = 1.5

    # The checks read the published table: the asset finds it made from its recipe and keeps it.
    lake.write_table(
        table.footer.recipe, pa.Table.from_pylist(spoiled, table.schema), facts=table.footer.facts
    )
    result = materialize(lake, DEFINITIONS, models, monkeypatch)
    assert metadata(result)["kept"] is True
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    whole = checks["health_figures_hold_together"]
    assert not whole.passed and whole.severity.value == "ERROR"
    for problem in ("alignment", "knn_macro_f1 is 1.5", "k-occurrences sum to"):
        assert problem in (whole.description or "")
