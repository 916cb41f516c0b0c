"""Models with layers after unit length. The oracle is sentence-transformers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from medembed_pipeline.encoder import (
    EncoderSpec,
    encoder_fingerprint,
    read_spec,
    spec_of_base,
    spec_of_settings,
    vector_dimensions,
)
from medembed_pipeline.encoder.fingerprint import ENCODER_REVISION, TOKENIZER_FILES
from medembed_pipeline.encoder.folder import save_encoder
from medembed_pipeline.encoder.modules import DenseLayer, read_modules
from medembed_pipeline.encoder.settings import EncoderSettings, missing_packages
from medembed_pipeline.encoder.shards import encode_texts, encoder_settings
from medembed_pipeline.encoder.spec import SPEC_FILE
from medembed_pipeline.engine import Worker
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.fingerprint import digest, file_sha256
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import vectors
from medembed_pipeline_tests.encoder.small_models import as_sentence_transformers
from medembed_pipeline_tests.encoder.test_base_models import TEXTS, change_modules, library, load, same
from medembed_pipeline_tests.encoder.test_encoder import texts_of

HEAD = [(12, torch.nn.ReLU()), (20, torch.nn.ReLU()), (8, torch.nn.Identity())]
LAYERS = (DenseLayer(12, "ReLU"), DenseLayer(20, "ReLU"), DenseLayer(8))
KINDS: dict[str, dict[str, Any]] = {
    "head": {"head": HEAD},
    "one layer": {"head": [(40, torch.nn.Tanh())]},
    "after Dense": {"head": HEAD, "dense": [(48, torch.nn.Tanh()), (16, torch.nn.Identity())]},
    "after a projection": {"head": HEAD, "dense": [(24, torch.nn.Identity())]},
    "with prompts": {
        "head": HEAD,
        "prompts": {"query": "query: ", "document": "passage: "},
        "pooling": "cls",
    },
}


@pytest.fixture(scope="module")
def folder(bert_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return as_sentence_transformers(bert_folder, tmp_path_factory.mktemp("head") / "model", head=HEAD)


@pytest.mark.parametrize("name", KINDS)
def test_vectors_are_those_of_sentence_transformers_and_stay_so_when_saved(
    name: str, bert_folder: Path, tmp_path: Path
) -> None:
    folder = as_sentence_transformers(bert_folder, tmp_path / "model", **KINDS[name])
    theirs = library(folder)
    queries, documents = theirs.encode_query(TEXTS), theirs.encode_document(TEXTS)
    spec = spec_of_base(str(folder), max_tokens=32)
    assert spec == read_spec(folder)
    ours = load(spec)
    assert ours.dimensions == vector_dimensions(spec) == documents.shape[1] == KINDS[name]["head"][-1][0]
    same(ours.encode(TEXTS, role="query", token_budget=200), queries)
    same(ours.encode(TEXTS, token_budget=200), documents)
    # The oracle tells texts apart, or the comparison would prove nothing.
    assert documents.std(axis=0).max() > 0.02
    assert load(replace(spec, head=())).dimensions == {"after Dense": 16, "after a projection": 24}.get(
        name, 32
    )

    save_encoder(ours, tmp_path / "saved")
    read = library(tmp_path / "saved")
    same(read.encode_query(TEXTS), queries)
    same(read.encode_document(TEXTS), documents)
    again = read_spec(tmp_path / "saved")
    assert replace(again, base=spec.base) == spec
    assert load(again).encode(TEXTS, role="query").tobytes() == ours.encode(TEXTS, role="query").tobytes()
    (tmp_path / "saved" / SPEC_FILE).unlink()
    assert read_spec(tmp_path / "saved") == again


def test_the_head_takes_unit_vectors_and_each_window_goes_through_it(folder: Path) -> None:
    spec = read_spec(folder)
    assert spec.head == LAYERS
    whole, plain = load(replace(spec, long_notes="windows")), load(replace(spec, head=()))
    long = " ".join(texts_of(1, seed=3, longest=91)[0].split() * 3)
    windows = whole.tokenize([long])
    assert len(windows.lengths) > 3
    with torch.inference_mode():
        parts = plain.embed(windows, np.arange(len(windows.lengths)))
        torch.testing.assert_close(parts.norm(dim=1), torch.ones(len(parts)))
        for layer in whole.head:
            parts = layer(parts)
    rows = torch.nn.functional.normalize(parts, dim=1).numpy()
    total = (rows * windows.lengths[:, None]).sum(0)
    found = whole.encode([long, "fever"])
    same(found[0], total / np.linalg.norm(total))
    same(found[1:], library(folder).encode(["fever"]))


@pytest.mark.skipif(bool(missing_packages("openvino")), reason="openvino is not installed (extra fast)")
def test_vectors_are_the_same_in_openvino(folder: Path) -> None:
    from medembed_pipeline.encoder.model import load_encoder

    spec = read_spec(folder)
    found = load_encoder(spec, precision="openvino-float32").encode(TEXTS)
    np.testing.assert_allclose(found, load(spec).encode(TEXTS), atol=1e-4)


def test_a_worker_is_told_of_the_head(folder: Path, tmp_path: Path) -> None:
    spec, lake = read_spec(folder), Lake(str(tmp_path))
    how = encoder_settings(
        lake,
        spec,
        device="cpu",
        precision="float32",
        token_budget=4096,
        fingerprint=encoder_fingerprint(spec),
    )
    table = encode_texts([pa.table({"text": TEXTS})], json.loads(json.dumps(how)), Worker(lake, 1))
    same(vectors(table.column("embedding")), load(spec).encode(TEXTS))


def test_the_fingerprint_covers_the_heads_layers_and_weights(folder: Path, bert_folder: Path) -> None:
    spec = read_spec(folder)
    others = {
        "itself": spec,
        "none": replace(spec, head=()),
        "shorter": replace(spec, head=spec.head[:2]),
        "before unit length": replace(spec, head=(), dense=spec.head),
    }
    found = {name: encoder_fingerprint(each) for name, each in others.items()}
    assert len(set(found.values())) == len(found)
    last = read_modules(folder).head_folders[-1] / "model.safetensors"
    content = last.read_bytes()
    try:
        last.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert encoder_fingerprint(spec) != found["itself"]
        assert encoder_fingerprint(others["none"]) == found["none"]
        assert encoder_fingerprint(others["shorter"]) == found["shorter"]
    finally:
        last.write_bytes(content)


def test_without_a_head_fingerprints_and_files_are_as_before_there_were_heads(
    bert_folder: Path, tmp_path: Path
) -> None:
    dense = [(48, torch.nn.Tanh()), (8, torch.nn.Identity())]
    folder = as_sentence_transformers(bert_folder, tmp_path / "model", dense=dense)
    spec = read_spec(folder)
    files = [
        *("model.safetensors", "config.json", *TOKENIZER_FILES),
        *(
            f"{place}/{name}"
            for place in ("2_Dense", "3_Dense")
            for name in ("config.json", "model.safetensors")
        ),
    ]
    layers = [{"dimensions": 48, "activation": "Tanh"}, {"dimensions": 8, "activation": "Identity"}]
    expected = {
        "revision": ENCODER_REVISION,
        "pooling": "mean",
        "max_tokens": 32,
        "long_notes": "cut",
        "projection_dimensions": 0,
        "projection_seed": None,
        "files": {name: file_sha256(folder / name) for name in files if (folder / name).is_file()},
        "dense": layers,
        "precision": "float32",
    }
    assert encoder_fingerprint(spec) == digest(expected)

    save_encoder(load(spec), tmp_path / "saved")
    modules = json.loads((tmp_path / "saved" / "modules.json").read_text())
    assert [module["path"] for module in modules] == ["", "1_Pooling", "2_Dense", "3_Dense", "4_Normalize"]
    assert json.loads((tmp_path / "saved" / SPEC_FILE).read_text()) == {
        "pooling": "mean",
        "max_tokens": 32,
        "long_notes": "cut",
        "projection_dimensions": 0,
        "query_prompt": "",
        "document_prompt": "",
        "include_prompt": True,
        "dense": layers,
    }


def test_a_projection_to_be_learned_is_refused(folder: Path) -> None:
    settings = EncoderSettings(base=str(folder))
    assert spec_of_settings(settings).head == LAYERS
    with pytest.raises(
        MedembedError, match=r"a head\), and a new last layer .* set map_steps and projection_dimensions"
    ):
        spec_of_settings(settings, projection_dimensions=8)


ORDERS: dict[str, tuple[Callable[[list[dict[str, Any]]], object], str]] = {
    "no last Normalize": (lambda modules: modules.pop(), "Normalize, Dense, Dense, Dense;"),
    "Normalize twice": (
        lambda modules: modules.append(modules[-1]),
        "Normalize, Dense, Dense, Dense, Normalize, Normalize;",
    ),
    "Normalize twice, no Dense": (lambda modules: modules.__delitem__(slice(3, 6)), "Normalize, Normalize;"),
    "two heads": (
        lambda modules: modules.extend([modules[3], modules[-1]]),
        "Normalize, Dense, Dense, Dense, Normalize, Dense, Normalize;",
    ),
    "Pooling in the head": (
        lambda modules: modules.insert(3, modules[1]),
        "Normalize, Pooling, Dense, Dense, Dense, Normalize;",
    ),
}


@pytest.mark.parametrize("name", ORDERS)
def test_other_orders_are_refused(name: str, bert_folder: Path, tmp_path: Path) -> None:
    folder = as_sentence_transformers(bert_folder, tmp_path / "model", head=HEAD)
    spoil, kinds = ORDERS[name]
    change_modules(folder, spoil)
    with pytest.raises(
        MedembedError, match=f"its modules are Transformer, Pooling, {kinds} supported"
    ) as caught:
        read_spec(folder)
    assert str(folder) in str(caught.value)


def test_a_head_that_is_not_the_folders_or_is_damaged_is_refused(
    folder: Path, bert_folder: Path, tmp_path: Path
) -> None:
    expected = "but 12 ReLU, 20 ReLU, 8 Identity are expected; read its spec anew"
    with pytest.raises(MedembedError, match=f"has after unit length the Dense layers none, {expected}"):
        load(EncoderSpec(str(bert_folder), max_tokens=32, head=LAYERS))
    before = as_sentence_transformers(bert_folder, tmp_path / "dense", dense=HEAD)
    with pytest.raises(MedembedError, match=f"has after unit length the Dense layers none, {expected}"):
        load(EncoderSpec(str(before), max_tokens=32, head=LAYERS))
    with pytest.raises(MedembedError, match="has the Dense layers none, but 12 ReLU"):
        load(EncoderSpec(str(folder), max_tokens=32, dense=LAYERS))
    # The head takes what the spec gives: without the Dense layer before it, vectors of another length.
    projected = as_sentence_transformers(
        bert_folder, tmp_path / "projected", dense=[(24, torch.nn.Tanh())], head=HEAD
    )
    with pytest.raises(MedembedError, match=r"4_Dense: the Dense module's weights are .* of \(12, 32\)"):
        load(replace(read_spec(projected), dense=()))
    (read_modules(projected).head_folders[1] / "model.safetensors").unlink()
    with pytest.raises(MedembedError, match="5_Dense: holds no weights of the Dense module"):
        load(read_spec(projected))
