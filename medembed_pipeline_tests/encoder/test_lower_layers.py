"""What the lowest layers make of texts is computed once, and the rest goes on from there to the same vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from medembed_pipeline.encoder import EncoderSpec, model
from medembed_pipeline.encoder.lower_layers import LowerLayers
from medembed_pipeline.encoder.model import Encoder, load_encoder
from medembed_pipeline.encoder.modules import PoolingName
from medembed_pipeline.encoder.spec import LongNotesName
from medembed_pipeline.errors import MedembedError
from medembed_pipeline_tests.encoder.small_models import make_bert, make_qwen3, make_roberta, make_xlm_roberta
from medembed_pipeline_tests.encoder.test_encoder import texts_of

MAKERS = {"BERT": make_bert, "RoBERTa": make_roberta, "XLM-RoBERTa": make_xlm_roberta, "Qwen3": make_qwen3}
TEXTS = [*texts_of(20, seed=5), "fever", ""]


def _cut(folder: Path, *, long_notes: LongNotesName = "cut") -> Encoder:
    pooling: PoolingName = "lasttoken" if "qwen3" in folder.name.lower() else "mean"
    spec = EncoderSpec(base=str(folder), max_tokens=24, pooling=pooling, long_notes=long_notes)
    encoder = load_encoder(spec, device="cpu", precision="float32")
    encoder.lower = LowerLayers(encoder.transformer, 1)
    return encoder


@pytest.mark.parametrize("family", MAKERS)
def test_the_vectors_are_those_of_the_whole_model(family: str, tmp_path: Path) -> None:
    encoder = _cut(MAKERS[family](tmp_path / family.lower()))
    windows = encoder.tokenize(TEXTS)
    names = list(encoder.state_dict())
    read = encoder.read(windows, token_budget=100)
    assert read.states is not None and read.states.shape[0] == len(windows.token_ids)
    np.testing.assert_allclose(encoder.encode_windows(read), encoder.encode(TEXTS), atol=1e-6)
    # The model is whole again, and its weights have their names.
    assert list(encoder.state_dict()) == names


def test_they_are_of_the_tokens_that_were_read(tmp_path: Path) -> None:
    encoder = _cut(make_bert(tmp_path / "bert"), long_notes="windows")
    read = encoder.read(encoder.tokenize(TEXTS))
    some = read.chosen(np.array([3, 0, 7]))
    with torch.no_grad():
        found = encoder.embed(some, np.array([1, 2, 0])).numpy()
        expected = encoder.embed(encoder.tokenize(TEXTS).chosen(np.array([0, 7, 3])), np.arange(3)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert (read.text_index == encoder.tokenize(TEXTS).text_index).all()


def test_a_changed_lower_layer_is_not_seen_and_a_changed_upper_one_is(tmp_path: Path) -> None:
    encoder = _cut(make_bert(tmp_path / "bert"))
    read = encoder.read(encoder.tokenize(TEXTS))
    before = encoder.encode_windows(read)
    layers = encoder.transformer.encoder.layer
    with torch.no_grad():
        layers[0].output.dense.weight.mul_(3)
    np.testing.assert_array_equal(encoder.encode_windows(read), before)
    with torch.no_grad():
        layers[1].output.dense.weight.mul_(3)
    assert np.abs(encoder.encode_windows(read) - before).max() > 1e-3


def test_texts_that_would_take_too_much_memory_are_read_whole_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = _cut(make_bert(tmp_path / "bert"))
    windows = encoder.tokenize(TEXTS)
    states = encoder.read(windows).states
    assert states is not None
    monkeypatch.setattr(model, "MOST_STATE_BYTES", states.nbytes)
    assert encoder.read(windows).states is not None
    monkeypatch.setattr(model, "MOST_STATE_BYTES", states.nbytes - 1)
    read = encoder.read(windows)
    assert read.states is None
    np.testing.assert_array_equal(encoder.encode_windows(read), encoder.encode_windows(windows))


@pytest.mark.parametrize("layers", [0, 2, 9])
def test_a_cut_that_leaves_nothing_is_refused(layers: int, tmp_path: Path) -> None:
    encoder = _cut(make_bert(tmp_path / "bert"))
    with pytest.raises(MedembedError, match=r"cannot be cut off; expected 1 to 1"):
        LowerLayers(encoder.transformer, layers)
