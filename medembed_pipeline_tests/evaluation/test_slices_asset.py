"""Slices from the landing file to the table: refused early, and made anew only when a value has changed."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

import medembed_pipeline.notes.assets as notes_assets
from medembed_pipeline.embeddings.vectors import embeddings_schema
from medembed_pipeline.evaluation.assets import slice_metrics
from medembed_pipeline.evaluation.settings import EvaluationSettings
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource
from medembed_pipeline.lake.tables import Recipe, vector_column
from medembed_pipeline.settings import Settings
from medembed_pipeline.training.checkpoints import FOLDER, MANIFEST, POINTER
from medembed_pipeline_tests.evaluation.corpus import unit

SPECIALTIES = ["Cardiology", "Neurology", "Urology"]
NOTES = [notes_assets.landing, notes_assets.cleaned_notes, notes_assets.note_splits]


def materialize(
    lake: Lake, assets: list[Any], config: dict[str, Any] | None = None
) -> dict[str, dict[str, Any]]:
    """The metadata by asset; raises what a step failed with."""
    result = dg.materialize(
        assets,
        resources={"lake": LakeResource(url=lake.url)},
        run_config={"ops": config or {}, "loggers": {"console": {"config": {"log_level": "ERROR"}}}},
        raise_on_error=False,
    )
    if not result.success:
        failure = next(event for event in result.all_events if event.is_step_failure)
        raise AssertionError(str(failure.step_failure_data.error))
    return {
        event.asset_key.path[-1]: {
            name: value.value for name, value in event.materialization.metadata.items()
        }
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None
    }


def measure(lake: Lake, slices: list[str]) -> dict[str, Any]:
    return materialize(lake, [slice_metrics], {"slice_metrics": {"config": {"slices": slices}}})[
        "slice_metrics"
    ]


def land(lake: Lake, name: str, rows: list[dict[str, str]]) -> None:
    file = Path(lake.path("landing", name))
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def rows(count: int = 90) -> list[dict[str, str]]:
    """Different notes: a site of two, an age of many, a name of its own for each."""
    random = np.random.default_rng(5)
    vocabulary = ["".join(random.choice(list("abcdefghij"), 7)) for _ in range(400)]
    return [
        {
            "text": " ".join(random.choice(vocabulary, 30)),
            "label": SPECIALTIES[number % 3],
            "site": "North" if number % 2 else "South",
            "age": str(18 + number % 60),
            "person": f"Person {number}",
        }
        for number in range(count)
    ]


def plant(lake: Lake) -> None:
    """Vectors of both models and a checkpoint that was trained on the train notes."""
    cleaned = lake.table("cleaned_notes")
    columns = cleaned.read(["note_id", "specialties"]).to_pydict()
    splits = lake.table("note_splits").read(["note_id", "split"]).to_pydict()
    trained = [note for note, split in zip(*splits.values(), strict=True) if split == "train"]
    files = {"model.safetensors": "ab"}
    lake.write_json(trained, FOLDER, "aaaa", "trained_notes.json")
    lake.write_json({"files": files, "base": "a base"}, FOLDER, "aaaa", MANIFEST)
    lake.write_json({"version": "aaaa", "data_version": digest(files), "recipe": {"inputs": {}}}, POINTER)
    random = np.random.default_rng(3)
    centers = random.normal(size=(3, 8))[[SPECIALTIES.index(names[0]) for names in columns["specialties"]]]
    for model, strength in (("baseline", 0.3), ("tuned", 0.9)):
        vectors = unit(strength * centers + random.normal(size=centers.shape))
        inputs = {"cleaned_notes": cleaned.data_version, "finetuned_checkpoint": digest(files)}
        table = pa.table({"note_id": columns["note_id"], "embedding": vector_column(vectors)})
        schema = embeddings_schema(8)
        lake.write_table(Recipe(f"{model}_embeddings", "1", {}, inputs), table.cast(schema), schema=schema)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path))
    land(lake, "notes.csv", rows())
    materialize(lake, NOTES, {"note_splits": {"config": {"train": 0.4, "validation": 0.1, "test": 0.5}}})
    plant(lake)
    return lake


def test_slices_are_measured_on_held_out_notes_and_made_anew_only_for_another_value(lake: Lake) -> None:
    metadata = measure(lake, ["site", "age"])
    table = lake.table("slice_metrics")
    values = {(row["slice"], row["value_name"]) for row in table.read().to_pylist()}
    assert values >= {("site", "North"), ("site", "South")} and len(values) == 2 + 4
    held_out = lake.table("note_splits").strings("split").count("test")
    counted = {
        row["value_name"]: row["n"]
        for row in table.read().to_pylist()
        if (row["slice"], row["model"], row["metric"]) == ("site", "difference", "map")
    }
    assert sum(counted.values()) == held_out
    # Values may name a person or a place: they are in the table and in no metadata.
    assert "North" not in str(metadata) and "North" not in str(table.footer.facts)
    assert measure(lake, ["site", "age"])["kept"]

    # A file of other columns reaches the landed rows, and no slice.
    raw = lake.table("raw_transcriptions")
    Path(lake.path("landing", "notes.csv")).rename(Path(lake.path("landing", "renamed.csv")))
    materialize(lake, [notes_assets.landing])
    assert lake.table("raw_transcriptions").footer.recipe.digest != raw.footer.recipe.digest
    assert measure(lake, ["site", "age"])["kept"]
    assert not measure(lake, ["site"])["kept"]


def test_without_slices_the_table_is_empty_and_reads_nothing(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    assert measure(lake, [])["dagster/row_count"] == 0 and measure(lake, [])["kept"]


@pytest.mark.parametrize(
    ("slices", "message"),
    [
        (
            ["site", "sex"],
            r"slices: sex is no column of the landing files\. The columns there are: age, person, site\.",
        ),
        (["person"], "the column person has 9[01] different values"),
    ],
    ids=["no column", "too many values"],
)
def test_what_is_no_slice_is_refused_before_anything_is_made(
    lake: Lake, slices: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AssertionError, match=message):
        measure(lake, slices)
    assert not lake.exists("slice_metrics.parquet")
    wrong = Settings(evaluation=EvaluationSettings(slices=slices))
    monkeypatch.setattr(notes_assets, "SETTINGS", wrong)
    notes = lake.table("cleaned_notes").data_version
    land(lake, "more.csv", rows(91)[90:])
    with pytest.raises(AssertionError, match=message) as caught:
        materialize(lake, NOTES)
    assert "Person 1" not in str(caught.value)
    assert lake.table("cleaned_notes").data_version == notes
