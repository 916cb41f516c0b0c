"""Base models that say more in their files: prompts, poolings, Dense layers. The oracle is sentence-transformers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medembed_pipeline.encoder import (
    EncoderSpec,
    Role,
    encoder_fingerprint,
    read_spec,
    spec_of_base,
    spec_of_settings,
)
from medembed_pipeline.encoder.folder import save_encoder
from medembed_pipeline.encoder.model import Encoder, load_encoder
from medembed_pipeline.encoder.modules import POOLINGS, DenseLayer
from medembed_pipeline.encoder.pooling import pool
from medembed_pipeline.encoder.settings import EncoderSettings, missing_packages
from medembed_pipeline.errors import MedembedError
from medembed_pipeline_tests.encoder.small_models import (
    as_sentence_transformers,
    make_bert,
    make_qwen3,
    make_roberta,
    make_xlm_roberta,
)
from medembed_pipeline_tests.encoder.test_encoder import texts_of

E5 = {"query": "query: ", "passage": "passage: "}
BGE = {"query": "patient with pain and fever seen for: "}
QWEN3 = {"query": "Instruct: follow up the patient\nQuery:", "document": ""}
TEXTS = [*texts_of(12, seed=2), "fever", "x" * 50, ""]


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bases")
    return {
        "bert": make_bert(folder / "bert"),
        "roberta": make_roberta(folder / "roberta"),
        "xlm_roberta": make_xlm_roberta(folder / "xlm_roberta"),
        "qwen3": make_qwen3(folder / "qwen3"),
        "qwen3_right": make_qwen3(folder / "qwen3_right", padding_side="right"),
    }


Families = dict[str, dict[str, Any]]
FAMILIES: Families = {
    "E5, BERT": {"base": "bert", "prompts": E5},
    "E5, XLM-RoBERTa": {"base": "xlm_roberta", "prompts": E5},
    "BGE": {"base": "bert", "pooling": "cls", "prompts": BGE},
    "BGE-M3": {"base": "xlm_roberta", "pooling": "cls"},
    "Qwen3": {"base": "qwen3", "pooling": "lasttoken", "prompts": QWEN3},
    "Qwen3, padded on the right": {"base": "qwen3_right", "pooling": "lasttoken", "prompts": QWEN3},
    "two Dense layers": {"base": "bert", "dense": [(48, torch.nn.Tanh()), (16, torch.nn.GELU())]},
    "Dense after Qwen3": {
        "base": "qwen3",
        "pooling": "lasttoken",
        "prompts": QWEN3,
        "dense": [(48, torch.nn.ReLU()), (24, torch.nn.Identity())],
    },
    "prompt left out, mean": {"base": "bert", "prompts": E5, "include_prompt": False},
    "prompt left out, first token": {
        "base": "roberta",
        "pooling": "cls",
        "prompts": E5,
        "include_prompt": False,
    },
    "prompt left out, left padding": {"base": "qwen3", "prompts": QWEN3, "include_prompt": False},
    **{
        f"prompt left out, {pooling}": {
            "base": "xlm_roberta",
            "pooling": pooling,
            "prompts": E5,
            "include_prompt": False,
        }
        for pooling in ("weightedmean", "max")
    },
    **{
        pooling: {"base": "qwen3", "pooling": pooling, "prompts": QWEN3, "dense": [(8, torch.nn.SiLU())]}
        for pooling in ("max", "weightedmean", "mean_sqrt_len_tokens")
    },
    "never normalised": {"base": "bert", "normalize": False},
}


def make(bases: dict[str, Path], folder: Path, name: str) -> Path:
    options = dict(FAMILIES[name])
    return as_sentence_transformers(bases[options.pop("base")], folder, **options)


def load(spec: EncoderSpec) -> Encoder:
    return load_encoder(spec, device="cpu", precision="float32")


def library(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu")


def same(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_vectors_are_those_of_sentence_transformers_and_stay_so_when_saved(
    name: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    folder = make(bases, tmp_path / "model", name)
    theirs = library(folder)
    prompts = FAMILIES[name].get("prompts", {})
    # encode_document looks for `document` first, and finds an empty one where none is stated: the name is given here.
    document = {"prompt_name": "passage"} if "passage" in prompts else {}
    queries = theirs.encode_query(TEXTS, normalize_embeddings=True)
    documents = theirs.encode_document(TEXTS, normalize_embeddings=True, **document)
    spec = spec_of_base(str(folder), max_tokens=32)
    assert spec == read_spec(folder)
    ours = load(spec)
    assert ours.dimensions == documents.shape[1]
    # Small batches of different lengths, so that there is padding.
    same(ours.encode(TEXTS, role="query", token_budget=200), queries)
    same(ours.encode(TEXTS, token_budget=200), documents)
    # The oracle tells texts apart, and roles where there are prompts, or the comparison would prove nothing.
    assert np.sort(documents[:12] @ documents[:12].T, axis=1)[:, -2].max() < 0.9999
    assert (np.abs(queries - documents).max() > 0.01) == bool(prompts) == spec.tells_queries_apart

    save_encoder(ours, tmp_path / "saved")
    read = library(tmp_path / "saved")
    same(read.encode_query(TEXTS), queries)
    same(read.encode_document(TEXTS), documents)
    same(read.encode(TEXTS), documents)
    again = read_spec(tmp_path / "saved")
    assert replace(again, base=spec.base) == spec
    assert load(again).encode(TEXTS, role="query").tobytes() == ours.encode(TEXTS, role="query").tobytes()
    (tmp_path / "saved" / "medembed_encoder.json").unlink()
    assert read_spec(tmp_path / "saved") == again


@pytest.mark.skipif(bool(missing_packages("openvino")), reason="openvino is not installed (extra fast)")
@pytest.mark.parametrize(
    "name",
    [
        *("E5, XLM-RoBERTa", "BGE", "Qwen3", "two Dense layers", "Dense after Qwen3"),
        *("prompt left out, first token", "prompt left out, weightedmean"),
    ],
)
def test_every_family_has_the_same_vectors_in_openvino(
    name: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    spec = spec_of_base(str(make(bases, tmp_path / "model", name)), max_tokens=32)
    torchs, exported = load(spec), load_encoder(spec, precision="openvino-float32")
    roles: tuple[Role, ...] = ("query", "document")
    for role in roles:
        expected = torchs.encode(TEXTS, role=role, token_budget=200)
        np.testing.assert_allclose(exported.encode(TEXTS, role=role, token_budget=200), expected, atol=1e-4)


@pytest.mark.parametrize("include_prompt", [True, False])
@pytest.mark.parametrize("base", ["bert", "roberta", "xlm_roberta", "qwen3"])
def test_every_window_begins_with_the_prompt(
    base: str, include_prompt: bool, bases: dict[str, Path], tmp_path: Path
) -> None:
    folder = as_sentence_transformers(
        bases[base], tmp_path / "model", prompts=E5, include_prompt=include_prompt
    )
    spec = spec_of_base(str(folder), max_tokens=32)
    cut, whole = load(spec), load(replace(spec, long_notes="windows"))
    long = " ".join(texts_of(1, seed=3, longest=91)[0].split() * 3)
    windows = whole.tokenize([long, "fever", ""], role="query")
    first = cut.tokenize([long, "fever", ""], role="query")
    rows = [windows.token_ids[a:b].tolist() for a, b in zip(windows.starts, windows.starts[1:], strict=False)]
    count = int((windows.text_index == 0).sum())
    assert count > 3 and windows.text_index.tolist() == [*[0] * count, 1, 2]
    # What is cut is the first window; the others hold the rest of the text, in its order, after the same beginning.
    assert [rows[0], *rows[count:]] == [
        first.token_ids[a:b].tolist() for a, b in zip(first.starts, first.starts[1:], strict=False)
    ]
    tokenizer = whole.tokenizer
    added = tokenizer("fever", return_special_tokens_mask=True)["special_tokens_mask"]
    before, tail = added.index(0), added[::-1].index(0)
    head = before + windows.prompt_tokens
    assert {tuple(row[:head]) for row in rows[:count]} == {tuple(rows[0][:head])}
    assert rows[0][before:head] == tokenizer("query:", add_special_tokens=False)["input_ids"]
    inner = [token for row in rows[:count] for token in row[head : len(row) - tail]]
    whole_text = tokenizer("query: " + long, add_special_tokens=False)["input_ids"]
    assert inner == whole_text[windows.prompt_tokens :]
    assert windows.lengths.max() == 32 and set(windows.lengths[1 : count - 1].tolist()) == {32}
    # A window counts by what it says of the text.
    total = np.zeros(32)
    for row in range(count):
        vector = whole.embed(windows, np.array([row])).detach().numpy()[0]
        total += vector * (len(rows[row]) - windows.prompt_tokens)
    same(whole.encode([long], role="query")[0], total / np.linalg.norm(total))
    same(whole.encode(["fever"], role="query"), library(folder).encode_query(["fever"]))


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("left_out", [0, 2])
def test_pooling_is_the_same_on_whichever_side_the_padding_is(pooling: Any, left_out: int) -> None:
    from sentence_transformers.sentence_transformer.modules.pooling import Pooling

    generator = torch.Generator().manual_seed(0)
    states = torch.randn(3, 6, 4, generator=generator)
    right = torch.arange(6) < torch.tensor([[6], [3], [4]])
    left = right.flip(1)
    moved = torch.zeros_like(states)
    for row in range(3):
        moved[row, left[row]] = states[row, right[row]]
    found = pool(states, right, pooling, left_out=left_out)
    torch.testing.assert_close(pool(moved, left, pooling, left_out=left_out), found)
    module = Pooling(4, pooling, include_prompt=not left_out)
    for tokens, mask in ((states, right), (moved, left)):
        features = {"token_embeddings": tokens, "attention_mask": mask.long(), "prompt_length": left_out}
        torch.testing.assert_close(module(features)["sentence_embedding"], found)


def test_prompts_of_the_settings_stand_for_those_of_the_files(bases: dict[str, Path], tmp_path: Path) -> None:
    given = {"query_prompt": "query: ", "document_prompt": "passage: ", "max_tokens": 32}
    spec = spec_of_settings(EncoderSettings.model_validate({"base": str(bases["bert"]), **given}))
    folder = as_sentence_transformers(bases["bert"], tmp_path / "model", prompts=E5)
    assert replace(spec, base=str(folder)) == read_spec(folder)
    same(load(spec).encode(TEXTS, role="query"), library(folder).encode_query(TEXTS))
    settings = EncoderSettings(base=str(folder), max_tokens=32, query_prompt="the ")
    changed = spec_of_settings(settings)
    assert (changed.query_prompt, changed.document_prompt) == ("the ", "passage: ")
    same(load(changed).encode(TEXTS, role="query"), library(folder).encode(TEXTS, prompt="the "))


def test_pooling_is_what_the_files_say_unless_it_is_chosen(bases: dict[str, Path], tmp_path: Path) -> None:
    folder = make(bases, tmp_path / "model", "BGE")
    assert spec_of_settings(EncoderSettings(base=str(folder))).pooling == "cls"
    assert spec_of_settings(EncoderSettings(base=str(folder), pooling="mean")).pooling == "mean"
    assert spec_of_settings(EncoderSettings(base=str(bases["bert"]))).pooling == "mean"


def test_a_learned_projection_comes_after_the_models_own_layers(
    bases: dict[str, Path], tmp_path: Path
) -> None:
    two = make(bases, tmp_path / "two", "two Dense layers")
    spec = spec_of_base(str(two), max_tokens=32, projection_dimensions=8)
    assert spec.dense == (DenseLayer(48, "Tanh"), DenseLayer(16, "GELU")) and spec.projection_dimensions == 8
    encoder = load(spec)
    before = load(spec_of_base(str(two), max_tokens=32))
    assert encoder.projection is not None
    expected = before.encode(TEXTS) @ encoder.projection.weight.detach().numpy().T
    same(encoder.encode(TEXTS), expected / np.linalg.norm(expected, axis=1, keepdims=True))
    save_encoder(encoder, tmp_path / "saved")
    same(library(tmp_path / "saved").encode(TEXTS), encoder.encode(TEXTS))
    saved = read_spec(tmp_path / "saved")
    assert replace(saved, base=spec.base) == spec
    assert load(saved).encode(TEXTS).tobytes() == encoder.encode(TEXTS).tobytes()

    one = as_sentence_transformers(bases["bert"], tmp_path / "one", dense=[(24, torch.nn.Identity())])
    assert read_spec(one).projection_dimensions == 24
    same(load(spec_of_base(str(one), max_tokens=32)).encode(TEXTS), library(one).encode(TEXTS))
    same(
        load(spec_of_base(str(one), max_tokens=32, projection_dimensions=24)).encode(TEXTS),
        library(one).encode(TEXTS),
    )
    more = spec_of_base(str(one), max_tokens=32, projection_dimensions=48)
    assert more.dense == (DenseLayer(24),)
    # Drawn orthogonal into more dimensions, it keeps every angle.
    found, plain = load(more).encode(TEXTS), library(one).encode(TEXTS)
    same(found @ found.T, plain @ plain.T)
    assert encoder_fingerprint(more, seed=1) != encoder_fingerprint(more, seed=2)


def test_old_weights_and_lower_casing_are_read(bases: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file

    folder = make(bases, tmp_path / "model", "two Dense layers")
    spec = spec_of_base(str(folder), max_tokens=32)
    expected = load(spec).encode(TEXTS)
    for place in ("2_Dense", "3_Dense"):
        weights = folder / place / "model.safetensors"
        torch.save(load_file(weights), folder / place / "pytorch_model.bin")
        weights.unlink()
    assert load(spec).encode(TEXTS).tobytes() == expected.tobytes()
    (folder / "3_Dense" / "pytorch_model.bin").write_bytes(b"PK")
    with pytest.raises(MedembedError, match=r"pytorch_model\.bin: can't be read as weights"):
        load(spec)
    (folder / "3_Dense" / "pytorch_model.bin").unlink()
    with pytest.raises(MedembedError, match="holds no weights of the Dense module"):
        load(spec)

    cased = as_sentence_transformers(bases["roberta"], tmp_path / "cased")
    loud = [text.upper() for text in TEXTS]
    plain = read_spec(cased)
    before = encoder_fingerprint(plain)
    assert np.abs(load(plain).encode(loud) - load(plain).encode(TEXTS)).max() > 0.01
    file = cased / "sentence_bert_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "do_lower_case": True}))
    quiet = load(read_spec(cased))
    same(quiet.encode(loud), library(cased).encode(loud))
    same(quiet.encode(loud), load(plain).encode(TEXTS))
    assert encoder_fingerprint(plain) != before
    save_encoder(quiet, tmp_path / "saved")
    same(library(tmp_path / "saved").encode(loud), quiet.encode(loud))


def test_the_fingerprint_covers_prompts_and_layers(bases: dict[str, Path], tmp_path: Path) -> None:
    folder = make(bases, tmp_path / "model", "two Dense layers")
    spec = read_spec(folder)
    others = {
        "itself": spec,
        "query": replace(spec, query_prompt="query: "),
        "document": replace(spec, document_prompt="query: "),
        "left out": replace(spec, document_prompt="query: ", include_prompt=False),
        "pooling": replace(spec, pooling="lasttoken"),
        "fewer layers": replace(spec, dense=spec.dense[:1]),
    }
    found = {name: encoder_fingerprint(each) for name, each in others.items()}
    assert len(set(found.values())) == len(found)
    weights = folder / "3_Dense" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert encoder_fingerprint(spec) != found["itself"]
    assert encoder_fingerprint(others["fewer layers"]) == found["fewer layers"]


def change(folder: Path, file: str, **more: Any) -> None:
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **more}))


def change_modules(folder: Path, edit: Callable[[list[dict[str, Any]]], object]) -> None:
    path = folder / "modules.json"
    modules = json.loads(path.read_text())
    edit(modules)
    path.write_text(json.dumps(modules))


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "two poolings": (
        lambda folder: change(folder, "1_Pooling/config.json", pooling_mode=["cls", "mean"]),
        "pools by cls and mean; supported is one of mean, cls, lasttoken",
    ),
    "unknown pooling": (
        lambda folder: change(folder, "1_Pooling/config.json", pooling_mode="attention"),
        "pools by attention",
    ),
    "normalised first": (
        lambda folder: change_modules(folder, lambda modules: modules.insert(2, modules.pop())),
        "its modules are Transformer, Pooling, Normalize, Dense; supported are",
    ),
    "no pooling": (
        lambda folder: change_modules(folder, lambda modules: modules.pop(1)),
        "its modules are Transformer, Dense, Normalize",
    ),
    "another module": (
        lambda folder: change_modules(
            folder, lambda modules: modules[2].update(type="sentence_transformers.models.LSTM")
        ),
        r"module of type 'sentence_transformers\.models\.LSTM'; supported are",
    ),
    "a module of its own": (
        lambda folder: change_modules(folder, lambda modules: modules[2].update(type="custom_dense.Dense")),
        r"module of type 'custom_dense\.Dense'.*no code that comes with a model",
    ),
    "activation": (
        lambda folder: change(
            folder, "2_Dense/config.json", activation_function="torch.nn.modules.activation.Softmax"
        ),
        r"2_Dense: the Dense module's activation function is '.*Softmax'; supported are torch\.nn's Identity",
    ),
    "activation of its own": (
        lambda folder: change(folder, "2_Dense/config.json", activation_function="custom.ReLU"),
        r"activation function is 'custom\.ReLU'",
    ),
    "residual": (lambda folder: change(folder, "2_Dense/config.json", use_residual=True), "use_residual"),
    "tokens": (
        lambda folder: change(folder, "2_Dense/config.json", module_input_name="token_embeddings"),
        "module_input_name is 'token_embeddings'",
    ),
    "task": (
        lambda folder: change(folder, "sentence_bert_config.json", transformer_task="fill-mask"),
        "transformer_task is 'fill-mask'",
    ),
    "chat": (
        lambda folder: change(
            folder, "sentence_bert_config.json", modality_config={"text": {}, "message": {}}
        ),
        "takes message and text; supported is text",
    ),
    "kind of model": (
        lambda folder: change(folder, "config_sentence_transformers.json", model_type="SparseEncoder"),
        "the model is a SparseEncoder",
    ),
    "prompts": (
        lambda folder: change(folder, "config_sentence_transformers.json", prompts=["query: "]),
        "'prompts' is no table",
    ),
    "modules": (lambda folder: (folder / "modules.json").write_text('["x"]'), "expected a list"),
    "subfolder": (
        lambda folder: change_modules(folder, lambda modules: modules[0].update(path="0_Transformer")),
        "lies in the subfolder '0_Transformer'",
    ),
    "code of its own": (
        lambda folder: change(folder, "config.json", auto_map={"AutoModel": "modeling.Own"}),
        r"names code of its own.*modeling\.Own",
    ),
    "truncation": (
        lambda folder: change(folder, "tokenizer_config.json", truncation_side="left"),
        "cuts texts at their beginning",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_honoured_is_refused_with_the_folder_and_the_reason(
    name: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    folder = as_sentence_transformers(bases["bert"], tmp_path / "model", dense=[(8, torch.nn.Tanh())])
    load(spec_of_base(str(folder), max_tokens=32))
    spoil, message = REFUSED[name]
    spoil(folder)
    with pytest.raises(MedembedError, match=message) as caught:
        load(spec_of_base(str(folder), max_tokens=32))
    assert str(folder) in str(caught.value)


def test_models_of_several_parts_are_refused(tmp_path: Path, bases: dict[str, Path]) -> None:
    from transformers import AutoTokenizer, T5Config, T5Model

    T5Model(T5Config(vocab_size=200, d_model=16, d_kv=4, d_ff=16, num_layers=1, num_heads=2)).save_pretrained(
        tmp_path
    )
    AutoTokenizer.from_pretrained(bases["bert"]).save_pretrained(tmp_path)
    with pytest.raises(MedembedError, match="is of type t5, which has several parts"):
        load(EncoderSpec(str(tmp_path), max_tokens=16))


def test_a_prompt_must_leave_room(bases: dict[str, Path]) -> None:
    spec = EncoderSpec(str(bases["bert"]), max_tokens=16, document_prompt="pain " * 14)
    with pytest.raises(
        MedembedError, match=r"document_prompt: takes 16 tokens .* leaves nothing of max_tokens 16"
    ):
        load(spec)
    fits = load(replace(spec, document_prompt="pain " * 13, long_notes="windows"))
    assert np.isfinite(fits.encode(["fever and cough"])).all()
    with pytest.raises(MedembedError, match="role: 'passage' is unknown; expected 'query' or 'document'"):
        fits.encode(["fever"], role="passage")  # type: ignore[arg-type]


def test_a_spec_that_is_not_the_folders_is_refused(bases: dict[str, Path]) -> None:
    with pytest.raises(
        MedembedError, match="has the Dense layers none, but 8 Tanh are expected; read its spec anew"
    ):
        load(EncoderSpec(str(bases["bert"]), max_tokens=16, dense=(DenseLayer(8, "Tanh"),)))
