"""Notes are documents: their vectors are those with the prompt of documents, and are made anew when it changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from medembed_pipeline.embeddings.assets import baseline_embeddings
from medembed_pipeline.encoder import spec_of_settings
from medembed_pipeline.encoder.model import load_encoder
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource, launchpad_resource
from medembed_pipeline.lake.tables import Recipe, vectors
from medembed_pipeline.settings import Settings

TEXTS = ["chest pain and fever", "fracture of the left knee"]


def materialize(lake: Lake, small_model: Path, **more: Any) -> tuple[EncoderSettings, np.ndarray, int]:
    settings = EncoderSettings(
        base=str(small_model), max_tokens=32, device="cpu", precision="float32", **more
    )
    done = dg.materialize(
        [baseline_embeddings],
        resources={"lake": LakeResource(url=lake.url), "encoder": launchpad_resource("encoder", settings)},
    )
    assert done.success
    table = lake.table("baseline_embeddings")
    return settings, vectors(table.read().column("embedding")), table.footer.facts["encoded_notes"]


def test_notes_are_embedded_as_documents(tmp_path: Path, small_model: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    lake.write_table(Recipe("cleaned_notes", "1", {}, {}), pa.table({"note_id": ["a", "b"], "text": TEXTS}))
    _, plain, count = materialize(lake, small_model)
    assert count == 2
    settings, prompted, count = materialize(lake, small_model, document_prompt="the patient was ")
    assert count == 2 and np.abs(prompted - plain).max() > 0.01
    encoder = load_encoder(spec_of_settings(settings), device="cpu", precision="float32")
    np.testing.assert_allclose(prompted, encoder.encode(TEXTS), atol=1e-6)
    # Without it, what was made before is found again.
    _, again, count = materialize(lake, small_model)
    assert count == 0 and np.array_equal(again, plain)


def test_settings_that_are_not_used_are_in_no_recipe() -> None:
    values = Settings().encoder.result_values()
    assert values == {
        "base": "bundled",
        "pooling": "mean",
        "max_tokens": 128,
        "long_notes": "cut",
        "precision": "auto",
    }
    prompted = EncoderSettings(query_prompt="query: ").result_values()
    assert prompted == {**values, "query_prompt": "query: "}
    assert EncoderSettings(base="owner/model").result_values()["pooling"] == "auto"
