"""The asset and its check, on a lake written by hand."""

import json
from dataclasses import replace
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from medembed_pipeline.evaluation.metrics_table import METRICS_SCHEMA, metrics_table
from medembed_pipeline.evidence.leakage.assets import leakage_estimate
from medembed_pipeline.evidence.leakage.checks import leakage_estimate_agrees_with_the_metrics
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.training.checkpoints import FOLDER, MANIFEST, POINTER
from medembed_pipeline_tests.evidence.leakage.planted import Planted, plant

CONFIG = {"ops": {"leakage_estimate": {"config": {"repeats": 3}}}}


def vectors(rows: np.ndarray) -> pa.Array:
    flat = pa.array(rows.astype(np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])


def make_lake(folder: Path, planted: Planted) -> Lake:
    lake = Lake(str(folder))
    order = np.argsort(planted.note_ids)
    ids = [planted.note_ids[row] for row in order]
    split_of = {note: "train" for note in planted.trained} | dict.fromkeys(planted.held_out, "test")
    tables = {
        "cleaned_notes": pa.table(
            {
                "note_id": ids,
                "specialties": [planted.specialties[row] for row in order],
                "document_types": pa.array(
                    [planted.document_types[row] for row in order], pa.list_(pa.string())
                ),
                "duplicate_group": [(planted.near_duplicates or planted.groups)[row] for row in order],
                "patients": pa.array(
                    [[planted.groups[row]] if planted.near_duplicates else [] for row in order],
                    pa.list_(pa.string()),
                ),
            }
        ),
        "note_splits": pa.table(
            {
                "note_id": ids,
                "split": [split_of.get(note, "validation") for note in ids],
                "group": [planted.groups[row] for row in order],
            }
        ),
        "baseline_embeddings": pa.table({"note_id": ids, "embedding": vectors(planted.baseline[order])}),
        "tuned_embeddings": pa.table({"note_id": ids, "embedding": vectors(planted.tuned[order])}),
    }
    shares = {"SplitSettings": {"train": 0.7, "validation": 0.1, "test": 0.2, "seed": 7}}
    for name, table in tables.items():
        inputs = {"finetuned_checkpoint": "1"} if name == "tuned_embeddings" else {}
        lake.write_table(Recipe(name, "1", shares if name == "note_splits" else {}, inputs), table)
    checkpoint = folder / FOLDER / "abc"
    checkpoint.mkdir(parents=True)
    (checkpoint / "trained_notes.json").write_text(json.dumps(sorted(planted.trained)))
    (checkpoint / MANIFEST).write_text(json.dumps({"files": {}}))
    lake.write_json({"version": "abc", "data_version": "1", "recipe": {}}, POINTER)
    held = [row for row in order if planted.note_ids[row] in planted.held_out]
    metrics = metrics_table(
        [planted.note_ids[row] for row in held],
        planted.baseline[held].astype(np.float32),
        planted.tuned[held].astype(np.float32),
        [planted.specialties[row] for row in held],
        [planted.groups[row] for row in held],
    )
    inputs = {name: lake.table(name).data_version for name in ("baseline_embeddings", "tuned_embeddings")}
    lake.write_table(Recipe("embedding_metrics", "1", {}, inputs), metrics, schema=METRICS_SCHEMA)
    return lake


def materialize(lake: Lake, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [leakage_estimate, leakage_estimate_agrees_with_the_metrics],
        resources={"lake": LakeResource(url=lake.url)},
        instance=instance,
        run_config=CONFIG,
    )


def figures_compared(check: dg.AssetCheckEvaluation) -> int:
    value = check.metadata["figures_compared"].value
    assert isinstance(value, int)
    return value


@pytest.mark.parametrize("kind", ["memory", "learnt"])
def test_it_publishes_its_table_facts_and_pictures_once(tmp_path: Path, kind: str) -> None:
    planted = plant(kind, count=160)
    lake = make_lake(tmp_path / "lake", planted)
    with dg.DagsterInstance.ephemeral() as instance:
        first = materialize(lake, instance)
        again = materialize(lake, instance)
    checks = first.get_asset_check_evaluations()
    assert [check.passed for check in checks] == [True] and figures_compared(checks[0]) > 30
    table = lake.table("leakage_estimate")
    facts = table.footer.facts
    assert facts["held_out_notes"] == len(planted.held_out) and facts["repeats"] == 3
    if kind == "memory":
        assert facts["memorization_share_by_row"] == 1.0 == facts["memorization_share_training_notes"]
    assert {"note_splits", "tuned_embeddings", "finetuned_checkpoint", "split_shares"} <= set(
        table.footer.recipe.inputs
    )
    for suffix, magic in (("png", b"\x89PNG"), ("svg", b"<svg")):
        path = tmp_path / "lake" / "pictures" / "leakage_estimate" / f"gain_by_protocol.{suffix}"
        assert path.read_bytes().startswith(magic)
    kept = again.asset_materializations_for_node("leakage_estimate")[0].metadata["kept"].value
    assert kept is True


def test_where_patients_are_known_the_metrics_are_those_of_held_out_patients(tmp_path: Path) -> None:
    planted = plant("memory", count=120)
    patients = replace(planted, near_duplicates=[f"text {row}" for row in range(120)])
    lake = make_lake(tmp_path / "lake", patients)
    with dg.DagsterInstance.ephemeral() as instance:
        (check,) = materialize(lake, instance).get_asset_check_evaluations()
    assert check.passed and figures_compared(check) > 30
    facts = lake.table("leakage_estimate").footer.facts
    assert facts["held_out_protocol"] == "by_patient" and facts["memorization_share_by_group"] == 1.0


def test_the_check_fails_where_the_figures_differ(tmp_path: Path) -> None:
    lake = make_lake(tmp_path / "lake", plant("learnt", count=120))
    table = lake.table("embedding_metrics")
    altered = table.read().to_pylist()
    for row in altered:
        if (row["scope"], row["metric"], row["k"], row["model"]) == ("all", "precision", 5, "tuned"):
            row["value"] += 0.001
    recipe = table.footer.recipe
    lake.write_table(recipe, pa.Table.from_pylist(altered, schema=METRICS_SCHEMA), schema=METRICS_SCHEMA)
    with dg.DagsterInstance.ephemeral() as instance:
        check = materialize(lake, instance).get_asset_check_evaluations()[0]
    assert not check.passed
    compared = figures_compared(check)
    assert check.description == f"{compared - 1} of {compared} figures are those of embedding_metrics"


def test_the_check_waits_for_metrics_of_the_same_vectors(tmp_path: Path) -> None:
    lake = make_lake(tmp_path / "lake", plant("learnt", count=120))
    table = lake.table("embedding_metrics")
    other = Recipe("embedding_metrics", "1", {}, {**table.footer.recipe.inputs, "tuned_embeddings": "older"})
    lake.write_table(other, table.read(), schema=METRICS_SCHEMA)
    with dg.DagsterInstance.ephemeral() as instance:
        check = materialize(lake, instance).get_asset_check_evaluations()[0]
    assert check.passed and figures_compared(check) == 0
    assert "other vectors" in (check.description or "")
