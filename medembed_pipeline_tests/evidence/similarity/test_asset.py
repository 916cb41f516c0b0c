"""The asset on a small lake with a real checkpoint: kept, complete, and encoding nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest
import torch

from medembed_pipeline.embeddings.vectors import embeddings_schema
from medembed_pipeline.encoder import EncoderSpec
from medembed_pipeline.encoder.model import Encoder, load_encoder
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.evaluation.metrics_table import METRICS_SCHEMA, metrics_table
from medembed_pipeline.evaluation.neighbors import NEIGHBORS_SCHEMA, neighbors_table
from medembed_pipeline.evidence.similarity.assets import similarity_evidence
from medembed_pipeline.evidence.similarity.checks import similarity_agrees_with_metrics
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource
from medembed_pipeline.lake.tables import Recipe, vector_column
from medembed_pipeline.training.checkpoint import write_checkpoint
from medembed_pipeline.training.checkpoints import checkpoint_of, point_to
from medembed_pipeline.training.loop import train
from medembed_pipeline.training.settings import TrainingSettings
from medembed_pipeline_tests.encoder.small_models import make_bert
from medembed_pipeline_tests.evidence.similarity.planted import rows, value
from medembed_pipeline_tests.training.small_corpus import make_data

# Not averaged, so that the checkpoint is the very model of an epoch.
OPTIONS = TrainingSettings(
    epochs=2,
    notes_per_batch=12,
    learning_rate=3e-3,
    early_stopping_patience=0,
    tuned="all",
    anchor_vector_weight=5.0,
    average_shares=[],
)
TEXT = "chest pain with fever noted"


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def write(lake: Lake, name: str, table: pa.Table, schema: pa.Schema | None = None) -> None:
    inputs = {}
    if name == "tuned_embeddings":
        inputs = {"finetuned_checkpoint": checkpoint_of(lake, "v1").data_version}
    lake.write_table(Recipe(name, "1", {}, inputs), table, schema=schema or table.schema)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bert(tmp_path_factory.mktemp("bert"))


def make_lake(folder: Path, base: Path, *, keep_epochs: bool) -> Lake:
    """A checkpoint trained on the small corpus; held out are its validation notes, under other ids."""
    lake = Lake(str(folder))
    spec = EncoderSpec(base=str(base), max_tokens=24)
    data = make_data()
    result = train(
        spec,
        data,
        OPTIONS,
        device="cpu",
        precision="float32",
        state_folder=folder / "state",
        keep_epochs_from=1 if keep_epochs else None,
    )
    with lake.staged_folder("checkpoints", "v1", last="manifest.json") as staged:
        write_checkpoint(staged, result, spec=spec, data=data, options=OPTIONS, data_versions={})
    point_to(lake, checkpoint_of(lake, "v1"), Recipe("finetuned_checkpoint", "1", {}, {}))
    ids = [f"held-{note}" for note in data.validation_ids] + ["held-unlabelled"]
    texts = [data.texts[note] for note in data.validation_ids] + [TEXT]
    names = [list(data.specialties[note]) for note in data.validation_ids] + [[]]
    notes = pa.table(
        {"note_id": ids, "text": texts, "specialties": names, "duplicate_group": ids},
    )
    write(lake, "cleaned_notes", notes)
    write(lake, "note_splits", pa.table({"note_id": ids, "split": ["test"] * len(ids), "group": ids}))
    encoders = {"baseline": load_encoder(spec, device="cpu", precision="float32"), "tuned": result.encoder}
    vectors = {model: encoder.encode(texts) for model, encoder in encoders.items()}
    near = []
    for model, matrix in vectors.items():
        table = pa.table({"note_id": ids, "embedding": vector_column(matrix)})
        write(lake, f"{model}_embeddings", table.cast(embeddings_schema(matrix.shape[1])))
        near.append(neighbors_table(model, ids, matrix, scored_note_ids=ids[:-1]))
    write(lake, "neighbors", pa.concat_tables(near), NEIGHBORS_SCHEMA)
    metrics = metrics_table(ids, vectors["baseline"], vectors["tuned"], names, ids)
    write(lake, "embedding_metrics", metrics, METRICS_SCHEMA)
    return lake


def materialize(lake: Lake, base: Path) -> tuple[dict[str, Any], bool]:
    """Metadata of the asset, and whether its check passed."""
    settings = EncoderSettings(base=str(base), max_tokens=24, device="cpu", precision="float32")
    result = dg.materialize(
        [similarity_evidence, similarity_agrees_with_metrics],
        resources={
            "lake": LakeResource(url=lake.path().rstrip("/")),
            "encoder": dg.ResourceDefinition.hardcoded_resource(settings),
        },
    )
    (event,) = result.asset_materializations_for_node("similarity_evidence")
    (check,) = result.get_asset_check_evaluations()
    return {name: item.value for name, item in event.metadata.items()}, check.passed


def test_kept_epochs_are_scored_and_a_rerun_encodes_nothing(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = make_lake(tmp_path / "lake", base, keep_epochs=True)
    encoded: list[int] = []
    original = Encoder.encode

    def counted(self: Encoder, texts: Any, **kwargs: Any) -> Any:
        encoded.append(len(texts))
        return original(self, texts, **kwargs)

    monkeypatch.setattr(Encoder, "encode", counted)
    metadata, passed = materialize(lake, base)
    assert passed and metadata["kept"] is False
    assert metadata["notes"] == 32 and metadata["epochs_kept"] == 2
    # Both epochs, once each; the note without a specialty is not among the scored ones.
    assert encoded == [32, 32]
    table = lake.table("similarity_evidence").read()
    best = checkpoint_of(lake, "v1").manifest()["best_epoch"]
    assert best > 0
    metrics = lake.table("embedding_metrics").read()
    for epoch, model in ((0, "baseline"), (best, "tuned")):
        for name, metric, k in (("precision@5", "precision", 5), ("map", "map", None)):
            found = value(table, figure="progress", group=name, position=epoch)
            expected = value(metrics, model=model, scope="all", metric=metric, k=k)
            assert found == pytest.approx(expected, abs=1e-9)
    pairs = ("similarity", "specialties", "documents")
    pictures = {f"{name}_{when}" for name in pairs for when in ("before", "after")}
    pictures |= {"boxes", "neighbors", "loss", "validation", "held_out_by_epoch", "maps_by_epoch"}
    assert pictures <= metadata.keys()
    for name in pictures:
        for suffix in ("png", "svg"):
            content = (
                tmp_path / "lake" / "pictures" / "similarity_evidence" / f"{name}.{suffix}"
            ).read_bytes()
            assert TEXT.encode() not in content
    # The table stands; and where it is gone, the vectors are still known.
    again, _ = materialize(lake, base)
    assert again["kept"] is True and again["epochs_kept"] == 2
    lake.remove("similarity_evidence.parquet")
    anew, _ = materialize(lake, base)
    assert anew["kept"] is False and lake.table("similarity_evidence").read().equals(table)
    assert encoded == [32, 32]


def test_without_kept_epochs_no_model_is_loaded(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = make_lake(tmp_path / "lake", base, keep_epochs=False)
    monkeypatch.setattr(Encoder, "encode", lambda *_, **__: pytest.fail("nothing is to be encoded"))
    metadata, passed = materialize(lake, base)
    assert passed and metadata["epochs_kept"] == 0
    table = lake.table("similarity_evidence").read()
    assert rows(table, figure="progress_map") == [] and "progress_maps" not in metadata
    assert {row["group"] for row in rows(table, figure="progress")} >= {"train_loss", "validation_map"}


def test_the_check_finds_figures_of_other_notes(tmp_path: Path, base: Path) -> None:
    lake = make_lake(tmp_path / "lake", base, keep_epochs=False)
    metrics = lake.table("embedding_metrics").read()
    column = metrics.schema.get_field_index("value")
    off = np.where(np.array(metrics["metric"].to_pylist()) == "margin", 1e-3, 0.0)
    changed = pa.array(metrics["value"].to_numpy() + off)
    write(lake, "embedding_metrics", metrics.set_column(column, METRICS_SCHEMA.field("value"), changed))
    _, passed = materialize(lake, base)
    assert not passed
