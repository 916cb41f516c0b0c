"""A checkpoint that is a head over its base model takes the base model's vectors, and encodes only what that lacks."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from medembed_pipeline.embeddings.beneath import base_beneath
from medembed_pipeline.embeddings.vectors import encoded_texts
from medembed_pipeline.encoder import EncoderSpec, encoder_fingerprint, spec_of_settings
from medembed_pipeline.encoder.model import Encoder, load_encoder
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import vectors
from medembed_pipeline.training.checkpoint import write_checkpoint
from medembed_pipeline.training.checkpoints import Checkpoint
from medembed_pipeline.training.loop import train
from medembed_pipeline.training.settings import TrainingSettings
from medembed_pipeline_tests.encoder.small_models import make_bert
from medembed_pipeline_tests.training.small_corpus import make_data

OPTIONS = TrainingSettings(
    tuned="head", head_steps=20, head_units=16, passage_words=5, keep_rank=0, keep_similarities=-1
)
DATA = make_data()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> EncoderSettings:
    folder = make_bert(tmp_path_factory.mktemp("bert"))
    return EncoderSettings(base=str(folder), max_tokens=24, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def checkpoint(settings: EncoderSettings, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder, spec = tmp_path_factory.mktemp("checkpoint"), spec_of_settings(settings)
    result = train(spec, DATA, OPTIONS, device="cpu", precision="float32")
    assert result.improved
    made_from = {"base_model": encoder_fingerprint(spec, precision="auto")}
    write_checkpoint(folder, result, spec=spec, data=DATA, options=OPTIONS, data_versions=made_from)
    return Checkpoint("v", "d", folder)


def encode(
    lake: Lake,
    texts: list[str],
    spec: EncoderSpec,
    settings: EncoderSettings,
    beneath: EncoderSpec | None = None,
) -> np.ndarray:
    ids = [str(row) for row in range(len(texts))]
    table, _ = encoded_texts(lake, ids, texts, spec, settings, beneath=beneath)
    return vectors(table.column("embedding"))


def test_only_what_the_base_model_lacks_is_encoded(
    checkpoint: Checkpoint, settings: EncoderSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, texts = Lake(str(tmp_path)), [*DATA.texts.values(), "one text more", "and another one"]
    spec, base = checkpoint.encoder_spec("cut"), base_beneath(checkpoint, settings)
    assert base == spec_of_settings(settings) and len(spec.head) == 3
    encode(lake, texts[:-2], base, settings)
    seen: list[int] = []
    inner = Encoder.encode

    def counted(self: Encoder, some: list[str], **rest: object) -> np.ndarray:
        seen.append(len(some))
        return inner(self, some, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Encoder, "encode", counted)
    found = encode(lake, texts, spec, settings, base)
    assert seen == [2]
    whole = load_encoder(spec, device="cpu", precision="float32")
    np.testing.assert_allclose(found, inner(whole, texts), atol=1e-6)
    assert not np.allclose(
        found, inner(load_encoder(base, device="cpu", precision="float32"), texts), atol=1e-3
    )


@pytest.mark.parametrize("changed", ["windows", "another base", "went on", "no head"])
def test_where_it_is_more_than_a_head_over_this_model_it_encodes_itself(
    checkpoint: Checkpoint, settings: EncoderSettings, tmp_path: Path, changed: str
) -> None:
    if changed == "windows":
        settings = settings.model_copy(update={"long_notes": "windows"})
    else:
        for file in checkpoint.folder.iterdir():
            (tmp_path / file.name).symlink_to(file)
        manifest = checkpoint.manifest()
        if changed == "another base":
            manifest["data_versions"] = {"base_model": "another"}
        if changed == "went on":
            manifest["data_versions"]["warm_start"] = "a checkpoint"
        name, told = "manifest.json", manifest
        if changed == "no head":
            name = "medembed_encoder.json"
            told = {**json.loads((checkpoint.folder / name).read_text()), "head": []}
        (tmp_path / name).unlink()
        (tmp_path / name).write_text(json.dumps(told))
        checkpoint = dataclasses.replace(checkpoint, folder=tmp_path)
    assert base_beneath(checkpoint, settings) is None
