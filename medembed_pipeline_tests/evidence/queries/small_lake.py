"""A lake with just the tables that the ledger and the label review read, and a checkpoint that knows no note."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from medembed_pipeline.evaluation.metrics_table import metrics_table
from medembed_pipeline.evaluation.neighbors import neighbors_table
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource
from medembed_pipeline.lake.tables import Recipe, vector_column


@dataclass(frozen=True)
class UntrainedCheckpoint:
    """Stands in for the checkpoint: it has been trained on no note."""

    data_version: str = "checkpoint"

    def trained_note_ids(self) -> list[str]:
        return []


@dataclass
class SmallLake:
    """Notes, of which those in `test` are held out, with vectors of two models."""

    folder: Path
    note_ids: list[str]
    specialties: list[list[str]]
    groups: list[str]
    splits: list[str]
    embeddings: dict[str, npt.NDArray[np.float32]]
    lake: Lake = field(init=False)

    def __post_init__(self) -> None:
        self.lake = Lake(str(self.folder))
        held = [row for row, split in enumerate(self.splits) if split == "test" and self.specialties[row]]
        self.held = sorted(held, key=self.note_ids.__getitem__)
        self.write("cleaned_notes", specialties=self.specialties, duplicate_group=self.groups)
        self.write("note_splits", split=self.splits, group=self.groups)
        for model, matrix in self.embeddings.items():
            self.write(f"{model}_embeddings", embedding=vector_column(matrix))
        neighbors = [
            neighbors_table(
                model, self.note_ids, matrix, scored_note_ids=[self.note_ids[row] for row in self.held], k=12
            )
            for model, matrix in self.embeddings.items()
        ]
        self.publish("neighbors", pa.concat_tables(neighbors))
        self.publish("embedding_metrics", self.metrics(), dict(self.versions()))

    def write(self, name: str, **columns: Any) -> None:
        columns = {"note_id": pa.array(self.note_ids, pa.string()), **columns}
        if "specialties" in columns:
            columns["specialties"] = pa.array(self.specialties, pa.list_(pa.string()))
        self.publish(name, pa.table(columns))

    def publish(self, name: str, table: pa.Table, inputs: dict[str, str] | None = None) -> None:
        self.lake.write_table(Recipe(name, "1", {}, inputs or {}), table)

    def versions(self) -> dict[str, str]:
        """What the metrics are made from."""
        names = ("cleaned_notes", "note_splits", "baseline_embeddings", "tuned_embeddings", "neighbors")
        found = {name: self.lake.table(name).data_version for name in names}
        return found | {"finetuned_checkpoint": UntrainedCheckpoint().data_version}

    def metrics(self) -> pa.Table:
        return metrics_table(
            [self.note_ids[row] for row in self.held],
            baseline=self.embeddings["baseline"][self.held],
            tuned=self.embeddings["tuned"][self.held],
            specialties=[self.specialties[row] for row in self.held],
            groups=[self.groups[row] for row in self.held],
        )


def materialize(
    lake: SmallLake, definitions: Sequence[Any], monkeypatch: pytest.MonkeyPatch
) -> dg.ExecuteInProcessResult:
    """Materialize assets and run their checks on the small lake."""
    monkeypatch.setattr(
        "medembed_pipeline.evaluation.inputs.checkpoint_behind", lambda *_: UntrainedCheckpoint()
    )
    return dg.materialize(definitions, resources={"lake": LakeResource(url=str(lake.folder))})
