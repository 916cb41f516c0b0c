"""A lake with the tables that the assets of the room read, and stand-ins for both encoders."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.images.pixels import png_bytes
from medembed_pipeline.images.vectors import image_embeddings_schema
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource
from medembed_pipeline.lake.tables import Recipe, vector_column
from medembed_pipeline.triage import assets, checks
from medembed_pipeline.triage.arms import NOTE, PICTURE
from medembed_pipeline_tests.triage.small_cases import QUICK, Small

TABLES = [
    assets.triage_predictions,
    assets.triage_metrics,
    assets.modality_ledger,
    assets.shortcut_meter,
    assets.triage_verdict,
]
ROOM = [assets.triage_model, *TABLES, checks.triage_could_be_learned, checks.triage_rules]


def write_small(lake: Lake, found: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables above the room; a note's vector is found by its words."""
    rows = found.paired.to_pylist()
    vector_of = {row["note"]: found.rows[NOTE][place] for place, row in enumerate(rows)}

    def encode(lake: Lake, notes: Sequence[str], encoder: EncoderSettings) -> FloatArray:
        return np.array([vector_of[note] for note in notes])

    monkeypatch.setattr("medembed_pipeline.triage.inputs.note_vectors", encode)
    monkeypatch.setattr("medembed_pipeline.triage.assets.encoders_part", lambda *settings: {})
    pictured = [place for place, row in enumerate(rows) if row["image_id"] is not None]
    images = pa.array([rows[place]["image_id"] for place in pictured], pa.string())
    matrix = found.rows[PICTURE][pictured].astype(np.float32)
    random = np.random.default_rng(0)
    pictures = [png_bytes(random.integers(0, 255, (40, 40), dtype=np.uint8)) for _ in pictured]
    raw = pa.table({"image_id": images, "picture": pa.array(pictures, pa.binary())})
    schema = image_embeddings_schema(matrix.shape[1])
    for name, table in (
        ("paired_cases", found.paired),
        ("case_splits", found.splits),
        ("raw_images", raw),
        ("image_embeddings", pa.table([images, vector_column(matrix)], schema=schema)),
    ):
        lake.write_table(Recipe(name, "1", {}, {}), table)


def materialize(lake: Lake, *definitions: Any, **changed: Any) -> dg.ExecuteInProcessResult:
    """Materialize with quick settings, and those that are changed."""
    settings = json.loads(QUICK.model_copy(update=changed).model_dump_json())
    names = [one.key.path[-1] for one in definitions if one in (assets.triage_model, *TABLES)]
    return dg.materialize(
        list(definitions),
        resources={
            "lake": LakeResource(url=lake.url),
            "encoder": dg.ResourceDefinition.hardcoded_resource(EncoderSettings(precision="float32")),
        },
        run_config={"ops": {name: {"config": settings} for name in names if name != "triage_verdict"}},
    )
