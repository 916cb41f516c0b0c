"""The asset `task_metrics` and its checks on a small lake with two small models."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from medembed_pipeline.embeddings.vectors import TextEncoder, embeddings_table
from medembed_pipeline.encoder import EncoderSpec
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource, launchpad_resource
from medembed_pipeline.lake.store import KeyedStore
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.tasks.assets import task_metrics
from medembed_pipeline.tasks.checks import deciding_tasks_are_kept, every_task_was_asked
from medembed_pipeline.tasks.passages import SMALLEST_GROUPS, passage_task
from medembed_pipeline.tasks.scoring import triplets_right
from medembed_pipeline.tasks.task import NotAsked, RankingTask
from medembed_pipeline_tests.encoder.small_models import WORDS, make_bert

DEFINITIONS = [task_metrics, every_task_was_asked, deciding_tasks_are_kept]
NOTES, WINDOW = 30, 16
Models = tuple[Path, Path]


def _same(encoder: TextEncoder) -> TextEncoder:
    return encoder


@dataclass(frozen=True)
class SmallCheckpoint:
    """Stands in for the checkpoint: a model folder, trained on no note."""

    folder: Path
    is_given: bool = False
    data_version: str = "checkpoint"

    def trained_note_ids(self) -> list[str]:
        return []

    def encoder_spec(self, long_notes: Literal["cut", "windows"]) -> EncoderSpec:
        return EncoderSpec(str(self.folder), max_tokens=WINDOW, long_notes=long_notes)


@pytest.fixture(scope="module")
def models(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Models:
    return small_model, make_bert(tmp_path_factory.mktemp("tuned"), seed=1)


@pytest.fixture
def lake(tmp_path: Path, models: Models) -> Lake:
    """Held-out notes of 40 words with the vectors of both models."""
    from medembed_pipeline.encoder.model import load_encoder

    found = Lake(str(tmp_path))
    generator = np.random.default_rng(0)
    ids = [f"note{row:02}" for row in range(NOTES)]
    texts = [" ".join(generator.choice(WORDS, 40)) for _ in ids]
    tables: dict[str, dict[str, Any]] = {
        "cleaned_notes": {
            "note_id": ids,
            "text": texts,
            "specialties": pa.array([["any"]] * NOTES, pa.list_(pa.string())),
            "duplicate_group": ids,
        },
        "note_splits": {"note_id": ids, "split": ["test"] * NOTES, "group": ids},
    }
    for name, folder in zip(("baseline", "tuned"), models, strict=True):
        encoder = load_encoder(EncoderSpec(str(folder), max_tokens=WINDOW), device="cpu", precision="float32")
        rows, _ = embeddings_table(
            ids, texts, load_encoder=partial(_same, encoder), store=KeyedStore(found, "other", name)
        )
        tables[f"{name}_embeddings"] = {column: rows[column] for column in rows.column_names}
    for name, columns in tables.items():
        found.write_table(Recipe(name, "1", {}, {}), pa.table(columns), facts={"precision": "float32"})
    return found


def materialize(
    lake: Lake, models: Models, monkeypatch: pytest.MonkeyPatch, *, precision: str = "float32", **more: Any
) -> dg.ExecuteInProcessResult:
    monkeypatch.setattr(
        "medembed_pipeline.evaluation.inputs.checkpoint_behind", lambda *_: SmallCheckpoint(models[1])
    )
    encoder = EncoderSettings.model_validate(
        {"base": str(models[0]), "max_tokens": WINDOW, "precision": precision, "device": "cpu"}
    )
    chosen = {"families": ["passages", "everyday_language", "own"], "passage_words": 10, **more}
    return dg.materialize(
        DEFINITIONS,
        resources={"lake": LakeResource(url=lake.url), "encoder": launchpad_resource("encoder", encoder)},
        run_config={"ops": {"task_metrics": {"config": chosen}}},
    )


def records(lake: Lake) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in lake.table("task_metrics").footer.facts["tasks"]}


def kept(result: dg.ExecuteInProcessResult) -> Any:
    (event,) = result.asset_materializations_for_node("task_metrics")
    return event.metadata["kept"].value


def no_model(*_: Any, **__: Any) -> Any:
    raise AssertionError("a model was loaded")


def test_every_family_has_figures_and_a_broken_task_stops_itself(
    lake: Lake, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.write_bytes(b"text_a,text_b,score\none,two,three\n", "tasks", "broken", "pairs.csv")
    result = materialize(lake, models, monkeypatch)
    found = records(lake)
    assert set(found) == {
        *("passages", "everyday_paraphrase", "everyday_topic", "everyday_negation", "broken")
    }
    for name, one in found.items():
        if name == "broken":
            assert "pairs.csv" in one["problem"] and one["decides"] and one["difference"] is None
        else:
            assert one["problem"] == "" and one["ci_low"] <= one["difference"] <= one["ci_high"]
            assert one["difference"] == pytest.approx(one["tuned"] - one["baseline"])
    checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert not checks["every_task_was_asked"].passed
    assert "broken" in (checks["every_task_was_asked"].description or "")
    assert not checks["deciding_tasks_are_kept"].passed

    # Nothing changed: no model is loaded. A task is mended: the vectors of all other texts are there.
    monkeypatch.setattr("medembed_pipeline.encoder.model.load_encoder", no_model)
    assert kept(materialize(lake, models, monkeypatch)) is True
    lake.filesystem.rm(lake.path("tasks", "broken"), recursive=True)
    assert kept(materialize(lake, models, monkeypatch)) is False
    assert "broken" not in records(lake)


def test_texts_are_encoded_in_the_number_format_of_the_notes(
    lake: Lake, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medembed_pipeline.encoder import model

    loaded: list[Any] = []
    real = model.load_encoder

    def load(spec: EncoderSpec, **more: Any) -> Any:
        loaded.append(more["precision"])
        return real(spec, **more)

    monkeypatch.setattr("medembed_pipeline.encoder.model.load_encoder", load)
    materialize(lake, models, monkeypatch, precision="bfloat16")
    assert loaded == ["float32", "float32"]


def test_passages_of_too_few_notes_inform_and_do_not_decide(
    lake: Lake, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = lake.table("cleaned_notes").read()
    few = SMALLEST_GROUPS - 1
    texts = [
        text if row < few else " ".join(text.split()[:20])
        for row, text in enumerate(notes["text"].to_pylist())
    ]
    changed = notes.set_column(notes.schema.get_field_index("text"), "text", pa.array(texts))
    lake.write_table(Recipe("cleaned_notes", "1", {}, {}), changed)
    materialize(lake, models, monkeypatch, families=["passages"])
    one = records(lake)["passages"]
    assert f"only {few} independent ones of {NOTES} held-out notes" in one["problem"] and not one["decides"]


def test_a_note_that_is_read_whole_gives_a_passage_from_anywhere_but_not_most_of_itself() -> None:
    texts = [" ".join(f"w{row}x{place}" for place in range(40)) for row in range(30)]
    options: dict[str, Any] = {"window": 0, "per_note": 1, "notes_at_most": 30, "seed": 1}
    ids = [f"n{row:02}" for row in range(30)]
    task = passage_task(ids, texts, ids, words=10, **options)
    assert isinstance(task, RankingTask)
    starts = [text.split().index(query.split()[0]) for text, query in zip(texts, task.queries, strict=True)]
    assert min(starts) < 10 and max(starts) > 20
    assert isinstance(passage_task(ids, texts, ids, words=21, **options), NotAsked)


def test_a_triplet_is_right_where_the_second_text_is_the_nearer_and_a_tie_is_half() -> None:
    anchor, near, far = np.array([[1.0, 0.0]]), np.array([[0.8, 0.6]]), np.array([[0.0, 1.0]])
    for same, other, expected in ((near, far, 1.0), (far, near, 0.0), (near, near, 0.5)):
        assert triplets_right(anchor, same, other).tolist() == [expected]
