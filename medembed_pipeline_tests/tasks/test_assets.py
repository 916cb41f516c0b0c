"""The asset and its checks on a small lake, with a stand-in for the encoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from medembed_pipeline.encoder import EncoderSpec
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource, launchpad_resource
from medembed_pipeline.lake.tables import Recipe, vector_column
from medembed_pipeline.tasks.assets import task_metrics
from medembed_pipeline.tasks.checks import deciding_tasks_are_kept, every_task_was_asked
from medembed_pipeline.tasks.clinical_terms import CodedTerm
from medembed_pipeline_tests.tasks.words import WordModel

DEFINITIONS = [task_metrics, every_task_was_asked, deciding_tasks_are_kept]
SECRET = "zanzibar"
NOTES = 48
PAIRS = "text_a,text_b,score\n" + "".join(f"w{row} v{row},w{row % 5} v{row},{row}\n" for row in range(12))


@dataclass(frozen=True)
class SomeCheckpoint:
    """Stands in for the checkpoint, trained on no note."""

    data_version: str = "checkpoint"
    is_given: bool = False

    def trained_note_ids(self) -> list[str]:
        return []

    def encoder_spec(self, long_notes: Literal["cut", "windows"]) -> EncoderSpec:
        return EncoderSpec("tuned", long_notes=long_notes)


class Models:
    """What was loaded, by the name of its base."""

    def __init__(self, noise: float) -> None:
        self.loaded: dict[str, WordModel] = {}
        self._noise = noise

    def load(self, spec: EncoderSpec, **_: Any) -> WordModel:
        name = "tuned" if spec.base == "tuned" else "baseline"
        assert name not in self.loaded, "loaded twice"
        return self.loaded.setdefault(name, self.model(name))

    def model(self, name: str) -> WordModel:
        return WordModel(name, noise=self._noise if name == "tuned" else 0.0)


def text(row: int) -> str:
    return f"{SECRET} " + " ".join(f"r{row % 9}w{word % 7} u{row}x{word}" for word in range(40))


def a_lake(folder: Path, models: Models) -> Lake:
    lake = Lake(str(folder))
    ids = [f"note{row:02}" for row in range(NOTES)]
    texts = [text(row) for row in range(NOTES)]
    groups = [f"group{row // 2}" for row in range(NOTES)]
    tables: dict[str, dict[str, Any]] = {
        "cleaned_notes": {
            "note_id": ids,
            "text": texts,
            "duplicate_group": groups,
            "specialties": pa.array([["Urology"]] * NOTES, pa.list_(pa.string())),
        },
        "note_splits": {
            "note_id": ids,
            "split": ["train" if row < 4 else "test" for row in range(NOTES)],
            "group": groups,
        },
    }
    for name in ("baseline", "tuned"):
        matrix = models.model(name).encode(texts)
        tables[f"{name}_embeddings"] = {"note_id": ids, "embedding": vector_column(matrix)}
    for name, columns in tables.items():
        lake.write_table(Recipe(name, "1", {}, {}), pa.table(columns))
    return lake


@pytest.fixture()
def models(monkeypatch: pytest.MonkeyPatch) -> Models:
    found = Models(noise=1.5)
    monkeypatch.setattr("medembed_pipeline.encoder.model.load_encoder", found.load)
    monkeypatch.setattr(
        "medembed_pipeline.tasks.encoding.encoder_fingerprint", lambda spec, **_: f"print-{spec.base}"
    )
    monkeypatch.setattr("medembed_pipeline.evaluation.inputs.checkpoint_behind", lambda *_: SomeCheckpoint())
    terms = [
        CodedTerm(f"C{code}", f"term{code} t{term}", f"title{code} term{code}")
        for code in range(12)
        for term in "ab"
    ]
    monkeypatch.setattr("medembed_pipeline.tasks.gather.coded_terms", lambda: terms)
    return found


def materialize(lake: Lake, **settings: Any) -> dg.ExecuteInProcessResult:
    encoder = EncoderSettings(max_tokens=16, precision="float32", device="cpu")
    return dg.materialize(
        DEFINITIONS,
        resources={"lake": LakeResource(url=lake.url), "encoder": launchpad_resource("encoder", encoder)},
        run_config={"ops": {"task_metrics": {"config": {"passage_words": 12, **settings}}}},
    )


def kept(result: dg.ExecuteInProcessResult) -> Any:
    (event,) = result.asset_materializations_for_node("task_metrics")
    return event.metadata["kept"].value


def checks(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


def test_table_pictures_checks_and_what_is_encoded_once(tmp_path: Path, models: Models) -> None:
    lake = a_lake(tmp_path, models)
    (tmp_path / "tasks" / "mine").mkdir(parents=True)
    (tmp_path / "tasks" / "mine" / "pairs.csv").write_text(PAIRS)
    (tmp_path / "tasks" / "broken").mkdir()
    (tmp_path / "tasks" / "broken" / "pairs.csv").write_text(PAIRS + f"{SECRET},x,many\n")
    result = materialize(lake)
    records = {one["name"]: one for one in lake.table("task_metrics").footer.facts["tasks"]}
    sets = {"everyday_paraphrase", "everyday_topic", "everyday_negation"}
    assert set(records) == {"passages", "clinical_terms", *sets, "mine", "broken"}
    assert records["passages"]["groups"] == 22 and records["passages"]["n"] == 132
    assert records["passages"]["judgement"] == "lost" and records["broken"]["failed"]
    for name in ("what_was_kept", "before_and_after"):
        for suffix in ("png", "svg"):
            assert (tmp_path / "pictures" / "task_metrics" / f"{name}.{suffix}").is_file()
    asked, deciding = checks(result)["every_task_was_asked"], checks(result)["deciding_tasks_are_kept"]
    assert (
        not asked.passed
        and "tasks/broken/pairs.csv, row 14: the score is no finite number" in asked.description
    )
    assert (
        not deciding.passed
        and "passages: lost" in deciding.description
        and "broken: not measured" in deciding.description
    )
    assert {asked.severity.value, deciding.severity.value} == {"WARN"}

    for model in models.loaded.values():
        assert len(model.texts) == len(set(model.texts))
        # The notes' vectors are those of the embeddings.
        assert not any(one.startswith(SECRET) for one in model.texts)
    shown = "".join(str(event) for event in result.all_events)
    assert SECRET not in shown and SECRET not in lake.table("task_metrics").footer.to_json().decode()

    models.loaded.clear()
    assert kept(materialize(lake)) is True
    assert kept(materialize(lake, confidence=0.9)) is False and not models.loaded
    (tmp_path / "tasks" / "broken" / "pairs.csv").write_text(PAIRS)
    again = materialize(lake, confidence=0.9)
    assert kept(again) is False and not models.loaded
    assert checks(again)["every_task_was_asked"].passed


def test_only_what_is_asked_for(tmp_path: Path, models: Models) -> None:
    lake = a_lake(tmp_path, models)
    result = materialize(lake, families=["own"])
    assert lake.table("task_metrics").rows == 0 and not models.loaded
    assert all(one.passed for one in checks(result).values())
    assert "no task decides" in (checks(result)["deciding_tasks_are_kept"].description or "")


def test_an_equal_model_keeps_all(tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_noise", 0.0)
    result = materialize(a_lake(tmp_path, models), families=["passages", "clinical_terms"])
    assert checks(result)["deciding_tasks_are_kept"].passed
    rows = Lake(str(tmp_path)).table("task_metrics").read().to_pylist()
    assert np.allclose([row["value"] for row in rows if row["model"] == "difference"], 0)
