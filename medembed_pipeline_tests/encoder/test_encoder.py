"""Texts to vectors: against transformers by hand, in any order and batch, and through the saved folder."""

import hashlib
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medembed_pipeline.encoder import EncoderSpec, encoder_fingerprint, read_spec
from medembed_pipeline.encoder.folder import save_encoder
from medembed_pipeline.encoder.model import Encoder, load_encoder
from medembed_pipeline.errors import MedembedError
from medembed_pipeline_tests.encoder.small_models import WORDS, make_bert

Pooling = Literal["mean", "cls"]


def texts_of(count: int, seed: int = 0, longest: int = 90) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=rng.integers(1, longest))) for _ in range(count)]


def load(folder: Path, **fields: object) -> Encoder:
    spec = EncoderSpec(**{"base": str(folder), "max_tokens": 32, **fields})  # type: ignore[arg-type]
    return load_encoder(spec, device="cpu", precision="float32")


def by_hand(folder: Path, text: str, pooling: Pooling, max_tokens: int = 32) -> npt.NDArray[np.float32]:
    """One text alone through transformers: the oracle."""
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(folder)(
        text, truncation=True, max_length=max_tokens, return_tensors="pt"
    )
    with torch.inference_mode():
        states = AutoModel.from_pretrained(folder).eval()(tokens["input_ids"]).last_hidden_state[0]
    pooled = states[0] if pooling == "cls" else states.mean(0)
    vector: npt.NDArray[np.float32] = (pooled / pooled.norm()).numpy()
    return vector


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("kind", ["bert_folder", "roberta_folder"])
def test_encode_matches_transformers_one_text_at_a_time(
    kind: str, pooling: Pooling, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(kind)
    texts = texts_of(12)
    found = load(folder, pooling=pooling).encode(texts, token_budget=100)
    assert found.dtype == np.float32 and found.shape == (12, 32)
    expected = np.stack([by_hand(folder, text, pooling) for text in texts])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # The oracle tells texts apart, or the comparison would prove nothing.
    assert (expected @ expected.T)[~np.eye(12, dtype=bool)].min() < 0.99


def test_windows_are_the_token_weighted_mean_of_their_unit_vectors(bert_folder: Path) -> None:
    text = " ".join(texts_of(1, seed=3, longest=91)[0].split() * 3)
    encoder = load(bert_folder, long_notes="windows")
    inner = encoder.tokenizer(text, add_special_tokens=False)["input_ids"]
    parts = [inner[first : first + 30] for first in range(0, len(inner), 30)]
    assert len(parts) > 2 and len(parts[-1]) < 30
    total = np.zeros(32)
    for part in parts:
        ids = torch.tensor([[encoder.tokenizer.cls_token_id, *part, encoder.tokenizer.sep_token_id]])
        with torch.inference_mode():
            state = encoder.transformer(ids).last_hidden_state[0].mean(0).numpy()
        total += state / np.linalg.norm(state) * (len(part) + 2)
    np.testing.assert_allclose(encoder.encode([text])[0], total / np.linalg.norm(total), atol=1e-5)
    short = "chest pain"
    np.testing.assert_allclose(encoder.encode([short]), load(bert_folder).encode([short]), atol=1e-6)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.permutations(range(14)),
    budget=st.integers(1, 600),
    block=st.integers(1, 20),
    windows=st.booleans(),
)
def test_a_vector_depends_on_no_other_text(
    order: list[int], budget: int, block: int, windows: bool, encoders: dict[bool, Encoder]
) -> None:
    texts = [*texts_of(10, seed=5), "", "chest pain", "chest pain", "x" * 400]
    encoder = encoders[windows]
    expected = np.concatenate([encoder.encode([text]) for text in texts])
    found = np.empty_like(expected)
    seen = []
    reports: list[int] = []
    for indices, vectors in encoder.encode_stream(
        (texts[i] for i in order), token_budget=budget, block_size=block, on_batch=reports.append
    ):
        found[[order[i] for i in indices]] = vectors
        seen.extend(indices.tolist())
    assert seen == list(range(14))
    assert reports == sorted(reports) and reports[-1] == 14
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


@pytest.fixture(scope="module")
def encoders(bert_folder: Path) -> dict[bool, Encoder]:
    return {False: load(bert_folder), True: load(bert_folder, long_notes="windows")}


def test_long_texts_cut_before_the_tokenizer_keep_their_tokens(bert_folder: Path) -> None:
    encoder = load(bert_folder)
    # Long words become one [UNK], so the first characters of this text hold far fewer tokens than the window.
    texts = [" ".join(["q1w2" * 30] * 60), "x" * 2000, " ".join(texts_of(20, seed=8))]
    windows = encoder.tokenize(texts)
    whole = encoder.tokenizer(texts, truncation=True, max_length=32)["input_ids"]
    found = [
        windows.token_ids[a:b].tolist() for a, b in zip(windows.starts, windows.starts[1:], strict=False)
    ]
    assert found == whole


def test_equal_texts_are_encoded_once_and_batches_keep_to_the_budget(
    bert_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load(bert_folder)
    shapes: list[tuple[int, int]] = []
    forward = encoder.forward

    def watched(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        shapes.append((ids.shape[0], ids.shape[1]))
        return forward(ids, mask)

    monkeypatch.setattr(encoder, "forward", watched)
    texts = texts_of(40, seed=1)
    encoder.encode([*texts, *texts, *reversed(texts)], token_budget=200)
    assert sum(rows for rows, _ in shapes) == len(set(texts))
    assert max(rows * columns for rows, columns in shapes) <= 200


def test_no_text_gives_no_vector(bert_folder: Path) -> None:
    assert load(bert_folder).encode([]).shape == (0, 32)


def test_same_texts_same_bytes(bert_folder: Path) -> None:
    texts = texts_of(50)
    first, second = (hashlib.sha256(load(bert_folder).encode(texts).tobytes()).hexdigest() for _ in range(2))
    assert first == second


def test_gpu_out_of_memory_halves_the_budget_with_a_warning(
    bert_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load(bert_folder)
    texts = texts_of(30)
    expected = encoder.encode(texts)
    forward = encoder.forward

    def short_of_memory(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if ids.numel() > 256:
            raise torch.cuda.OutOfMemoryError("simulated")
        return forward(ids, mask)

    monkeypatch.setattr(encoder, "forward", short_of_memory)
    with pytest.warns(UserWarning, match="token_budget halved from 960 to 480"):
        found = encoder.encode(texts, token_budget=960)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    monkeypatch.setattr(encoder, "forward", lambda ids, mask: short_of_memory(ids.repeat(300, 300), mask))
    with pytest.raises(MedembedError, match="out of GPU memory with a single window"):
        encoder.encode(texts[:1])


@pytest.mark.parametrize("dimensions", [0, 8, 48])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_saved_folder_gives_the_same_vectors_everywhere(
    bert_folder: Path, tmp_path: Path, pooling: Pooling, dimensions: int
) -> None:
    from sentence_transformers import SentenceTransformer

    encoder = load(bert_folder, pooling=pooling, projection_dimensions=dimensions)
    texts = texts_of(20)
    expected = encoder.encode(texts)
    assert expected.shape == (20, dimensions or 32)
    save_encoder(encoder, tmp_path / "model")
    library = SentenceTransformer(str(tmp_path / "model"), device="cpu")
    assert library.max_seq_length == 32
    np.testing.assert_allclose(library.encode(texts), expected, atol=1e-5)
    spec = read_spec(tmp_path / "model")
    assert (spec.pooling, spec.max_tokens, spec.projection_dimensions) == (pooling, 32, dimensions)
    again = load_encoder(spec, device="cpu", precision="float32")
    assert again.encode(texts).tobytes() == expected.tobytes()
    # The library's own folder is read as well as ours.
    library.save(str(tmp_path / "library"))
    theirs = read_spec(tmp_path / "library")
    assert (theirs.pooling, theirs.max_tokens, theirs.projection_dimensions) == (pooling, 32, dimensions)
    read_back = load_encoder(theirs, device="cpu", precision="float32")
    np.testing.assert_allclose(read_back.encode(texts), expected, atol=1e-5)


def test_orthogonal_projection_keeps_angles_and_its_seed(bert_folder: Path) -> None:
    texts = texts_of(10)
    plain = load(bert_folder).encode(texts)
    wide = load(bert_folder, projection_dimensions=48).encode(texts)
    np.testing.assert_allclose(wide @ wide.T, plain @ plain.T, atol=1e-5)
    spec = EncoderSpec(base=str(bert_folder), max_tokens=32, projection_dimensions=8)
    one, two, other = (load_encoder(spec, device="cpu", seed=seed).encode(texts) for seed in (1, 1, 2))
    assert one.tobytes() == two.tobytes() != other.tobytes()


def test_saving_twice_gives_the_same_bytes(bert_folder: Path, tmp_path: Path) -> None:
    encoder = load(bert_folder, projection_dimensions=8, long_notes="windows")
    save_encoder(encoder, tmp_path / "one")
    encoder.encode(texts_of(5))
    save_encoder(encoder, tmp_path / "two")
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert len(files) > 8
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    assert not any(str(tmp_path) in (tmp_path / "one" / name).read_text("latin-1") for name in files)
    assert not any(str(bert_folder) in (tmp_path / "one" / name).read_text("latin-1") for name in files)
    assert read_spec(tmp_path / "one").long_notes == "windows"


def test_fingerprint_follows_what_decides_the_vectors(bert_folder: Path, tmp_path: Path) -> None:
    spec = EncoderSpec(base=str(bert_folder), max_tokens=32)
    names = {
        "same": spec,
        "window": EncoderSpec(base=str(bert_folder), max_tokens=31),
        "pooling": EncoderSpec(base=str(bert_folder), max_tokens=32, pooling="cls"),
        "windows": EncoderSpec(base=str(bert_folder), max_tokens=32, long_notes="windows"),
        "projection": EncoderSpec(base=str(bert_folder), max_tokens=32, projection_dimensions=8),
        "weights": EncoderSpec(base=str(make_bert(tmp_path / "other", seed=1)), max_tokens=32),
    }
    found = {name: encoder_fingerprint(each) for name, each in names.items()}
    assert len(set(found.values())) == len(found)
    assert encoder_fingerprint(spec, precision="bfloat16") not in found.values()
    copy = EncoderSpec(base=str(make_bert(tmp_path / "copy")), max_tokens=32)
    (tmp_path / "copy" / "README.md").write_text("not a part of the model")
    assert encoder_fingerprint(copy) == found["same"]
    projected = names["projection"]
    assert encoder_fingerprint(projected, seed=1) != encoder_fingerprint(projected, seed=2)
