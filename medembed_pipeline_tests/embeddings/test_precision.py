"""Vectors say in which number format they were computed, and those of two formats are never compared."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from medembed_pipeline.embeddings.assets import baseline_embeddings
from medembed_pipeline.encoder import precision as precision_room
from medembed_pipeline.encoder.precision import with_resolved_precision
from medembed_pipeline.encoder.settings import EncoderSettings, missing_packages
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource, launchpad_resource, refuse_mixed_precisions
from medembed_pipeline.lake.tables import LakeTable, Recipe, vectors

TEXTS = ["Chest pain on exertion since May.", "Fracture of the left wrist.", "Headache and double vision."]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path / "lake"))
    notes = pa.table({"note_id": [f"n{row}" for row in range(len(TEXTS))], "text": TEXTS})
    lake.write_table(Recipe("cleaned_notes", "1", {}, {}), notes)
    return lake


def encode(lake: Lake, small_model: Path, monkeypatch: pytest.MonkeyPatch, *, bfloat16: bool) -> None:
    """Materialize the baseline's vectors with precision 'auto' on a machine that has bfloat16, or has not."""
    monkeypatch.setattr(precision_room, "cpu_computes_in_bfloat16", lambda: bfloat16)
    settings = EncoderSettings(base=str(small_model), max_tokens=32, device="cpu", precision="auto")
    done = dg.materialize(
        [baseline_embeddings],
        resources={
            "lake": LakeResource(url=lake.url),
            "encoder": launchpad_resource("encoder", settings, with_resolved_precision),
        },
    )
    assert done.success


def test_a_lake_that_moves_to_another_kind_of_machine_gets_vectors_of_one_kind(
    lake: Lake, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode(lake, small_model, monkeypatch, bfloat16=False)
    exact = lake.table("baseline_embeddings")
    encode(lake, small_model, monkeypatch, bfloat16=True)
    coarse = lake.table("baseline_embeddings")
    for table, name in ((exact, "float32"), (coarse, "bfloat16")):
        assert table.footer.facts["precision"] == name
        assert table.footer.recipe.settings["EncoderSettings"]["precision"] == name
    assert coarse.footer.facts["encoded_notes"] == len(TEXTS)
    rows = [vectors(table.read().column("embedding")) for table in (exact, coarse)]
    assert 0 < np.abs(rows[0] - rows[1]).max() < 0.05
    with pytest.raises(MedembedError, match=r"a in float32 and b in bfloat16.*'float32'"):
        refuse_mixed_precisions({"a": exact, "b": coarse})
    refuse_mixed_precisions({"a": exact, "b": exact, "cleaned_notes": lake.table("cleaned_notes")})
    # Back on the first machine nothing is encoded again: its vectors are kept.
    encode(lake, small_model, monkeypatch, bfloat16=False)
    again = lake.table("baseline_embeddings")
    assert again.data_version == exact.data_version and again.footer.facts["encoded_notes"] == 0


@pytest.mark.skipif(bool(missing_packages("openvino")), reason="openvino is not installed (extra fast)")
def test_vectors_of_another_backend_say_so_and_are_never_compared_with_those_of_torch(
    lake: Lake, small_model: Path
) -> None:
    settings = EncoderSettings(base=str(small_model), max_tokens=32, device="cpu", precision="float32")
    made: dict[str, LakeTable] = {}
    for backend in ("torch", "openvino", "torch"):
        chosen = EncoderSettings.model_validate({**settings.model_dump(), "backend": backend})
        done = dg.materialize(
            [baseline_embeddings],
            resources={
                "lake": LakeResource(url=lake.url),
                "encoder": launchpad_resource("encoder", chosen, with_resolved_precision),
            },
        )
        assert done.success
        (event,) = done.asset_materializations_for_node("baseline_embeddings")
        table = lake.table("baseline_embeddings")
        assert event.metadata["computed_in"].value == table.footer.facts["precision"] == chosen.computed_in
        if backend in made:
            # Back in torch nothing is encoded again.
            assert table.data_version == made[backend].data_version
        made.setdefault(backend, table)
    assert "backend" not in made["torch"].footer.recipe.settings["EncoderSettings"]
    assert made["openvino"].footer.recipe.settings["EncoderSettings"]["backend"] == "openvino"
    assert made["openvino"].footer.facts["encoded_notes"] == len(TEXTS)
    with pytest.raises(MedembedError, match=r"a in float32 and b in openvino-float32.*backend.*'torch'"):
        refuse_mixed_precisions({"a": made["torch"], "b": made["openvino"]})


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("flags : avx2 fma", "float32"), ("flags : avx2 avx512_bf16", "bfloat16"), ("amx_bf16", "bfloat16")],
)
def test_a_cpu_without_bfloat16_instructions_computes_in_float32(
    flags: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: flags)
    found = with_resolved_precision(EncoderSettings(device="cpu"))
    assert found.precision == expected
    assert found.model_copy(update={"precision": "auto"}) == EncoderSettings(device="cpu")


@pytest.mark.parametrize("chosen", ["float32", "bfloat16"])
def test_a_precision_that_was_chosen_stands(chosen: str) -> None:
    settings = EncoderSettings.model_validate({"precision": chosen, "device": "cuda"})
    assert with_resolved_precision(settings) is settings


def test_asking_a_cpu_loads_no_torch() -> None:
    script = (
        "import sys\n"
        "from medembed_pipeline.encoder.precision import with_resolved_precision\n"
        "from medembed_pipeline.encoder.settings import EncoderSettings\n"
        "print(with_resolved_precision(EncoderSettings(device='cpu')).precision, 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] in ("float32", "bfloat16") and done.stdout.split()[1] == "False"
