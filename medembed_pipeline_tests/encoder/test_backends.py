"""Another backend gives torch's vectors, says so, and is exported once."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from medembed_pipeline.encoder import (
    EncoderSpec,
    choosing,
    encoder_fingerprint,
    encoder_fingerprints,
    exported,
)
from medembed_pipeline.encoder import settings as settings_room
from medembed_pipeline.encoder.choosing import choose, chosen_backend
from medembed_pipeline.encoder.devices import resolve_computed_in
from medembed_pipeline.encoder.fingerprint import EXPORTED, export_key
from medembed_pipeline.encoder.model import Encoder, load_encoder
from medembed_pipeline.encoder.modules import PoolingName
from medembed_pipeline.encoder.settings import (
    COMPUTED_IN,
    EncoderSettings,
    backend_and_precision,
    missing_packages,
)
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.section import SettingsError, validate

TEXTS = [
    "the patient was seen for chest pain and cough.",
    "mri of the left knee",
    "a fracture of the right knee was noted, stable, follow up in two weeks. " * 4,
    "",
    "blood pressure elevated",
]
needs_openvino = pytest.mark.skipif(
    bool(missing_packages("openvino")),
    reason="openvino is not installed: pip install 'medembed_pipeline[fast]'",
)
needs_nncf = pytest.mark.skipif(
    bool(missing_packages("openvino-int8")),
    reason="nncf is not installed: pip install 'medembed_pipeline[fast]'",
)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.einsum("ij,ij->i", one, other)
    return found


@needs_openvino
@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken", "max", "weightedmean"])
def test_every_pooling_gives_the_vectors_of_torch(
    bert_folder: Path, lake: Lake, pooling: PoolingName
) -> None:
    spec = replace(EncoderSpec(str(bert_folder), max_tokens=32), pooling=pooling, projection_dimensions=16)
    theirs = load_encoder(spec, device="cpu", precision="float32", seed=3).encode(TEXTS)
    ours = load_encoder(spec, precision="openvino-float32", seed=3, lake=lake)
    assert ours.precision == "openvino-float32" and ours.dimensions == 16 and ours.device.type == "cpu"
    assert cosines(ours.encode(TEXTS), theirs).min() > 0.99999


@needs_openvino
def test_windows_prompts_and_other_families_are_honoured(roberta_folder: Path, lake: Lake) -> None:
    spec = EncoderSpec(
        str(roberta_folder),
        max_tokens=16,
        long_notes="windows",
        document_prompt="note: ",
        include_prompt=False,
    )
    theirs = load_encoder(spec, device="cpu", precision="float32").encode(TEXTS, token_budget=64)
    ours = load_encoder(spec, precision="openvino-float32", lake=lake).encode(TEXTS, token_budget=64)
    assert cosines(ours, theirs).min() > 0.99999


@needs_openvino
def test_a_model_is_exported_once_and_its_other_formats_share_it(
    bert_folder: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = EncoderSpec(str(bert_folder), max_tokens=32)
    first = load_encoder(spec, precision="openvino-float32", lake=lake).encode(TEXTS)
    assert lake.names(*EXPORTED) == [export_key(bert_folder, quantised=False)]
    # Nothing of this machine, and nothing that is sent to anybody.
    kept = Path(lake.path(*EXPORTED, export_key(bert_folder, quantised=False)))
    assert str(bert_folder) not in (kept / "model.xml").read_text(encoding="utf-8")
    assert sys.modules["openvino_telemetry"] is None
    monkeypatch.setattr(exported, "_converted", None)
    again = load_encoder(replace(spec, pooling="cls"), precision="openvino-bfloat16", lake=lake)
    assert again.encode(TEXTS).shape == first.shape
    np.testing.assert_array_equal(
        load_encoder(spec, precision="openvino-float32", lake=lake).encode(TEXTS), first
    )
    # Without a lake it would have to be made anew.
    with pytest.raises(TypeError):
        load_encoder(spec, precision="openvino-float32")


@needs_nncf
def test_quantised_vectors_are_near_those_of_torch(bert_folder: Path, lake: Lake) -> None:
    spec = EncoderSpec(str(bert_folder), max_tokens=32)
    theirs = load_encoder(spec, device="cpu", precision="float32").encode(TEXTS)
    ours = load_encoder(spec, precision="openvino-int8-float32", lake=lake).encode(TEXTS)
    assert 0.95 < cosines(ours, theirs).min() < 0.999999
    assert lake.names(*EXPORTED) == [export_key(bert_folder, quantised=True)]


@needs_openvino
def test_a_model_that_cannot_be_exported_is_refused_with_what_to_do(
    bert_folder: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(*_: object) -> None:
        raise RuntimeError("no such operation")

    spec = EncoderSpec(str(bert_folder), max_tokens=32)
    with monkeypatch.context() as patched:
        patched.setattr(exported._TokenVectors, "forward", unable)
        with pytest.raises(MedembedError, match=r"cannot be exported.*backend to 'torch'"):
            load_encoder(spec, precision="openvino-float32", lake=lake)
    # And so is one that computes something else once it is exported.
    real = exported.ExportedTransformer.forward

    def other(self: exported.ExportedTransformer, **windows: torch.Tensor) -> exported.Hidden:
        return exported.Hidden(real(self, **windows).last_hidden_state.flip(-1))

    monkeypatch.setattr(exported.ExportedTransformer, "forward", other)
    with pytest.raises(MedembedError, match=r"other vectors once it is exported.*'torch'"):
        load_encoder(spec, precision="openvino-float32", lake=lake)
    assert lake.names(*EXPORTED) == []


def test_the_backend_and_its_format_are_in_the_fingerprint_and_in_the_recipe(bert_folder: Path) -> None:
    spec = EncoderSpec(str(bert_folder))
    found = [encoder_fingerprint(spec, precision=name) for name in COMPUTED_IN]
    assert len(set(found)) == 6 and encoder_fingerprints(spec, COMPUTED_IN) == set(found)
    settings = EncoderSettings(precision="bfloat16", device="cpu")
    # What was made before there were backends stands.
    assert "backend" not in settings.result_values() and settings.computed_in == "bfloat16"
    for name in COMPUTED_IN:
        other = settings.with_computed_in(name)
        assert other.computed_in == name and resolve_computed_in(other) == name
        assert other.in_torch().computed_in == backend_and_precision(name)[1]
        assert ("backend" in other.result_values()) == name.startswith("openvino")


def test_a_backend_that_is_not_installed_is_refused_with_the_command(
    bert_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings_room, "find_spec", lambda name: None)
    for backend, named in (
        ("openvino", "openvino, which is"),
        ("openvino-int8", "openvino and nncf, which are"),
    ):
        with pytest.raises(
            SettingsError, match=rf"backend = '{backend}'.*{named} not.*medembed_pipeline\[fast\]"
        ):
            validate(EncoderSettings, {"backend": backend}, where="medembed.toml")
        with pytest.raises(MedembedError, match=r"pip install 'medembed_pipeline\[fast\]'"):
            load_encoder(EncoderSpec(str(bert_folder), max_tokens=32), precision=f"{backend}-float32")
    with pytest.raises(SettingsError, match="backend = 'onnx'"):
        validate(EncoderSettings, {"backend": "onnx"}, where="medembed.toml")


@needs_openvino
def test_a_backend_of_the_cpu_is_not_asked_for_on_a_gpu() -> None:
    with pytest.raises(SettingsError, match=r"'openvino' computes on the CPU.*'cuda'"):
        validate(EncoderSettings, {"backend": "openvino", "device": "cuda"}, where="medembed.toml")


def test_the_fastest_that_agrees_is_chosen_and_always_the_same() -> None:
    def measured(**rates: tuple[float, float]) -> dict[str, dict[str, float]]:
        return {
            name.replace("_", "-"): {"notes_per_second": rate, "cosine": cosine}
            for name, (rate, cosine) in rates.items()
        }

    ours = (10.0, 0.997)
    assert choose(measured(torch=ours)) == "torch"
    assert choose(measured(torch=ours, openvino=(10.9, 1.0))) == "torch"
    assert choose(measured(torch=ours, openvino=(11.1, 1.0))) == "openvino"
    assert choose(measured(torch=ours, openvino=(12.0, 1.0), openvino_int8=(20.0, 0.98))) == "openvino"
    fast = measured(torch=ours, openvino=(12.0, 1.0), openvino_int8=(20.0, 0.992))
    assert choose(fast) == choose(dict(reversed(fast.items()))) == "openvino-int8"


@needs_openvino
def test_auto_is_tried_once_and_remembered(
    bert_folder: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = EncoderSettings(
        base=str(bert_folder), max_tokens=32, device="cpu", precision="float32", backend="auto"
    )
    with pytest.raises(MedembedError, match="'auto' was not resolved"):
        resolve_computed_in(settings)
    monkeypatch.setattr(choosing, "TRIED_NOTES", 4)
    said: list[str] = []
    choice = chosen_backend(settings, lake, said.append)
    assert set(choice.trial) >= {"torch", "openvino"} and choice.trial["openvino"]["cosine"] > 0.999
    assert choice.settings.backend == choose(choice.trial) and choice.settings.computed_in in COMPUTED_IN
    assert said == [choice.why] and "notes/s" in choice.why
    assert choice.metadata() == {"computed_in": choice.settings.computed_in, "backend_chosen": choice.why}
    assert chosen_backend(settings, lake, said.append) == choice
    # What was measured is asked for, and not measured again.
    (name,) = lake.names(*choosing.FOLDER)
    slower = json.loads(json.dumps(choice.trial))
    slower["openvino"]["notes_per_second"] = 100 * slower["torch"]["notes_per_second"]
    lake.write_json(slower, *choosing.FOLDER, name)
    monkeypatch.setattr(choosing, "_tried", None)
    assert chosen_backend(settings, lake, said.append).settings.backend == "openvino"
    named = settings.model_copy(update={"backend": "torch"})
    assert chosen_backend(named, lake, said.append).metadata() == {"computed_in": "float32"}


def test_auto_without_anything_to_choose_from_is_torch(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_room, "find_spec", lambda name: None)
    settings = EncoderSettings(backend="auto", device="cpu")
    choice = chosen_backend(settings, lake, lambda line: None)
    assert choice.settings.backend == "torch" and "extra fast" in choice.why
    assert lake.names("store") == []


@needs_openvino
def test_an_encoder_of_another_backend_has_nothing_to_train(bert_folder: Path, lake: Lake) -> None:
    spec = EncoderSpec(str(bert_folder), max_tokens=32)
    encoder: Encoder = load_encoder(spec, precision="openvino-float32", lake=lake)
    assert [name for name, _ in encoder.named_parameters()] == []
