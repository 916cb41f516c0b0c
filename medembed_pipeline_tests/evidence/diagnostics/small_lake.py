"""A lake with just the tables that `embedding_diagnostics` reads, and a checkpoint that is another small model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from medembed_pipeline.encoder import EncoderSpec
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.evidence.diagnostics.table import HealthNotes
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource, launchpad_resource
from medembed_pipeline.lake.tables import Recipe, vector_column
from medembed_pipeline_tests.evidence.diagnostics.spaces import neighbors_of

SECRET = "Zanzibar procedure"
"""Begins every sample name: it must show nowhere."""


@dataclass(frozen=True)
class OtherCheckpoint:
    """Stands in for the checkpoint: a model folder, trained on no note."""

    folder: Path
    data_version: str = "checkpoint"

    def trained_note_ids(self) -> list[str]:
        return []

    def encoder_spec(self, long_notes: Literal["cut", "windows"]) -> EncoderSpec:
        return EncoderSpec(str(self.folder), max_tokens=32, long_notes=long_notes)


def write_lake(
    folder: Path,
    notes: HealthNotes,
    embeddings: dict[str, FloatArray],
    *,
    order: Sequence[int] | None = None,
    named: bool = True,
) -> Lake:
    """Publish what the asset reads, with the rows in some order; `named`: with a column `sample_name`."""
    lake = Lake(str(folder))
    rows = list(order) if order is not None else list(range(len(notes.note_ids)))
    ids = [notes.note_ids[row] for row in rows]
    raw: dict[str, Any] = {"row_id": [f"row of {note_id}" for note_id in ids]}
    if named:
        kinds = notes.kinds["sample_name"]
        raw["sample_name"] = [f"{SECRET} {min(kinds[row])} - {row}" for row in rows]
    groups = notes.kinds["near_duplicate"]
    tables = {
        "raw_transcriptions": raw,
        "cleaned_notes": {
            "note_id": ids,
            "specialties": pa.array([notes.specialties[row] for row in rows], pa.list_(pa.string())),
            "duplicate_group": [min(groups[row]) for row in rows],
            "source_rows": [[f"row of {note_id}"] for note_id in ids],
        },
        "note_splits": {
            "note_id": ids,
            "split": ["test" if notes.held_out[row] else "train" for row in rows],
            "group": [min(groups[row]) for row in rows],
        },
        **{
            f"{model}_embeddings": {"note_id": ids, "embedding": vector_column(matrix[rows])}
            for model, matrix in embeddings.items()
        },
    }
    for name, columns in tables.items():
        lake.write_table(Recipe(name, "1", {}, {}), pa.table(columns))
    held = np.array([bool(names) for names in notes.specialties]) & notes.held_out
    scored = HealthNotes(notes.note_ids, notes.specialties, held, notes.training, notes.kinds)
    lake.write_table(Recipe("neighbors", "1", {}, {}), neighbors_of(scored, embeddings))
    return lake


def materialize(
    lake: Lake,
    definitions: Sequence[Any],
    models: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    **settings: Any,
) -> dg.ExecuteInProcessResult:
    """Materialize on the small lake, with a base model and a checkpoint."""
    base, tuned = models
    monkeypatch.setattr(
        "medembed_pipeline.evaluation.inputs.checkpoint_behind", lambda *_: OtherCheckpoint(tuned)
    )
    encoder = EncoderSettings(base=str(base), max_tokens=32, precision="float32", device="cpu")
    return dg.materialize(
        definitions,
        resources={
            "lake": LakeResource(url=lake.url),
            "encoder": launchpad_resource("encoder", encoder),
        },
        run_config={"ops": {"embedding_diagnostics": {"config": settings}}} if settings else None,
    )
