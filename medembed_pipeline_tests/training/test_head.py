"""The head: it moves notes, leaves other texts where they are, and is written as layers that everybody loads."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from medembed_pipeline.encoder import EncoderSpec
from medembed_pipeline.encoder.folder import save_encoder
from medembed_pipeline.encoder.model import Encoder, load_encoder
from medembed_pipeline.encoder.spec import read_spec
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.training import TrainingData
from medembed_pipeline.training.cuttings import LONGEST_STRETCH, SHORTEST_STRETCH, stretches
from medembed_pipeline.training.head import GatedHead, put_on_head
from medembed_pipeline.training.head_objective import ROUNDS, within_notes
from medembed_pipeline.training.loop import TrainingResult, train
from medembed_pipeline.training.settings import TrainingSettings
from medembed_pipeline_tests.training.small_corpus import FILLER
from medembed_pipeline_tests.training.stopping import Pulled, stop_at

OPTIONS = TrainingSettings(
    tuned="head",
    head_steps=40,
    head_units=32,
    head_learning_rate=1e-2,
    passage_words=5,
    anchor_similarity_weight=1.0,
    anchor_vector_weight=0.1,
    keep_rank=0.0,
    keep_similarities=-1.0,
    average_shares=[0.5, 1.0],
)


def run(
    spec: EncoderSpec, data: TrainingData, options: TrainingSettings = OPTIONS, **kwargs: Any
) -> TrainingResult:
    return train(spec, data, options, device="cpu", precision="float32", **kwargs)


def unit(count: int, dimensions: int, seed: int) -> torch.Tensor:
    drawn = torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed))
    return nn.functional.normalize(drawn, dim=1)


def drawn_head(dimensions: int = 12, units: int = 20) -> GatedHead:
    head = GatedHead(dimensions, units)
    head.begin(unit(40, dimensions, 1).numpy(), unit(30, dimensions, 2).numpy(), seed=3)
    with torch.no_grad():
        head.units_out.copy_(torch.randn(dimensions, units, generator=torch.Generator().manual_seed(4)))
    return head


def through(layers: Iterable[nn.Module], vectors: torch.Tensor) -> torch.Tensor:
    for layer in layers:
        vectors = layer(vectors)
    return vectors


def test_as_dense_layers_it_gives_the_same() -> None:
    head, vectors = drawn_head(), unit(50, 12, 5)
    layers = head.layers()
    torch.testing.assert_close(through(layers, vectors), head(vectors), atol=1e-5, rtol=1e-5)
    assert [layer.linear.out_features for layer in layers] == [25, 44, 12]


def test_it_is_found_again_in_its_layers_and_in_no_others() -> None:
    head, vectors = drawn_head(), unit(50, 12, 5)
    found = GatedHead.of_layers(head.layers())
    assert found is not None and torch.equal(found(vectors), head(vectors))
    layers = head.layers()
    with torch.no_grad():
        layers[1].linear.weight[0, 1] = 1.0
    assert GatedHead.of_layers(layers) is None
    assert GatedHead.of_layers(layers[:2]) is None


def test_at_first_it_changes_nothing() -> None:
    head, notes = GatedHead(12, 20), unit(40, 12, 1)
    head.begin(notes.numpy(), unit(30, 12, 2).numpy(), seed=3)
    assert torch.equal(head(notes), notes)


def test_its_products_are_in_the_format_of_its_encoder_while_it_is_trained(spec: EncoderSpec) -> None:
    for precision, rounded in (("float32", False), ("bfloat16", True)):
        encoder = load_encoder(spec, device="cpu", precision=precision)
        head, vectors = drawn_head(encoder.dimensions), unit(50, encoder.dimensions, 5)
        exact = head.eval()(vectors)
        put_on_head(encoder, head)
        trained = head.train()(vectors)
        assert trained.dtype == torch.float32 and torch.equal(head.eval()(vectors), exact)
        assert torch.equal(trained, exact) is not rounded
        torch.testing.assert_close(trained, exact, atol=0.2, rtol=0.05)


def test_the_gate_shuts_on_what_is_no_note() -> None:
    """Planted: notes lie on one side. The head moves them by whatever it has learned, and the others hardly."""
    side = torch.zeros(16)
    side[0] = 2.0
    notes = nn.functional.normalize(unit(400, 16, 1) + side, dim=1)
    others = nn.functional.normalize(unit(400, 16, 2) - side, dim=1)
    head = GatedHead(16, 64)
    head.begin(notes[:200].numpy(), others[:200].numpy(), seed=3)
    with torch.no_grad():
        head.units_out.fill_(1.0)
        moved, stayed = ((head(each[200:]) - each[200:]).norm(dim=1).mean() for each in (notes, others))
    assert moved > 1 and stayed < moved / 100


def test_stretches_lie_beyond_the_beginning() -> None:
    text = " ".join(f"w{place}" for place in range(400))
    rng = np.random.default_rng(0)
    found = stretches([text, "too short"], 50, beyond=128, rng=rng)
    words = [each.split() for each in found]
    assert len(found) == 50 and min(int(each[0][1:]) for each in words) >= 128
    assert {len(each) for each in words} <= set(range(SHORTEST_STRETCH, LONGEST_STRETCH + 1))
    assert stretches(["too short"], 50, beyond=128, rng=rng) == []


def test_it_learns_and_the_transformer_stays(spec: EncoderSpec, data: TrainingData) -> None:
    rows: list[dict[str, Any]] = []
    result = run(spec, data, on_epoch=rows.append)
    assert (
        [row["epoch"] for row in rows] == list(range(ROUNDS + 1)) == [row["epoch"] for row in result.history]
    )
    assert rows[-1]["steps"] == 40 and rows[-1]["train_loss"] < rows[1]["train_loss"]
    assert result.improved and len(result.encoder.head) == 3
    assert rows[result.best_epoch]["validation_map"] > rows[0]["validation_map"] + 0.02
    base = load_encoder(spec, precision="float32").transformer.state_dict()
    tuned = result.encoder.transformer.state_dict()
    assert all(torch.equal(value, tuned[name]) for name, value in base.items())
    assert [row["share"] for row in result.trade_off] == [0.0, 0.5, 1.0]


def test_the_share_is_of_the_way_that_the_head_goes(spec: EncoderSpec, data: TrainingData) -> None:
    whole = run(spec, data, OPTIONS.model_copy(update={"average_shares": [1.0]}))
    half = run(spec, data, OPTIONS.model_copy(update={"average_shares": [0.5]}))
    base = load_encoder(spec, precision="float32")
    vectors = torch.from_numpy(base.encode(list(data.texts.values())))

    def way(result: TrainingResult) -> torch.Tensor:
        with torch.no_grad():
            return through(result.encoder.head, vectors) - vectors

    torch.testing.assert_close(way(half), way(whole) / 2, atol=1e-5, rtol=1e-4)


def test_a_saved_one_is_what_sentence_transformers_loads(
    spec: EncoderSpec, data: TrainingData, tmp_path: Path
) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    result = run(spec, data)
    save_encoder(result.encoder, tmp_path)
    texts = list(data.texts.values())
    ours = load_encoder(read_spec(tmp_path), precision="float32").encode(texts)
    np.testing.assert_allclose(ours, result.encoder.encode(texts), atol=1e-6)
    theirs = sentence_transformers.SentenceTransformer(str(tmp_path), device="cpu").encode(texts)
    np.testing.assert_allclose(theirs, ours, atol=1e-5)


def test_known_vectors_are_not_computed_again(
    spec: EncoderSpec, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = load_encoder(spec, precision="float32")
    ids = [*data.train_ids, *data.validation_ids]
    known = dict(zip(ids, base.encode([data.texts[note] for note in ids]), strict=True))
    seen: list[int] = []
    encode = Encoder.encode

    def counted(self: Encoder, texts: Any, **rest: Any) -> Any:
        seen.append(len(texts))
        return encode(self, texts, **rest)

    monkeypatch.setattr(Encoder, "encode", counted)
    with_known = run(spec, data, known=known)
    # Neither train nor validation notes; these have no passages, and no further parts.
    assert seen == [0, 0, 0, 0]
    texts = list(data.texts.values())
    np.testing.assert_allclose(
        with_known.encoder.encode(texts), run(spec, data).encoder.encode(texts), atol=1e-4
    )


def test_stopped_and_resumed_ends_with_the_same_bytes(
    spec: EncoderSpec, data: TrainingData, tmp_path: Path
) -> None:
    undisturbed = run(spec, data).encoder.state_dict()
    with pytest.raises(Pulled):
        run(spec, data, state_folder=tmp_path, log_every_steps=1, on_step=stop_at(13))
    resumed = run(spec, data, state_folder=tmp_path)
    assert resumed.resumed_at == 13
    assert all(torch.equal(value, undisturbed[name]) for name, value in resumed.encoder.state_dict().items())


def test_a_training_goes_on_from_a_head(spec: EncoderSpec, data: TrainingData, tmp_path: Path) -> None:
    first = run(spec, data)
    save_encoder(first.encoder, tmp_path)
    further = run(read_spec(tmp_path), data, base=spec)
    assert len(further.encoder.head) == 3
    # It begins with what the first one ended with.
    begun = further.history[0]["validation_score"]
    taken = next(row for row in first.trade_off if row["taken"])
    assert begun == pytest.approx(taken["validation_score"], abs=1e-6)


def test_a_head_upon_a_head_is_refused(spec: EncoderSpec, data: TrainingData, tmp_path: Path) -> None:
    save_encoder(run(spec, data).encoder, tmp_path)
    with pytest.raises(MedembedError, match="has layers after unit length"):
        run(read_spec(tmp_path), data)


def test_the_transformer_is_not_tuned_below_a_head(
    spec: EncoderSpec, data: TrainingData, tmp_path: Path
) -> None:
    save_encoder(run(spec, data).encoder, tmp_path)
    adapters = OPTIONS.model_copy(update={"tuned": "adapters", "map_steps": 0})
    with pytest.raises(MedembedError, match="warm_start: the checkpoint is a head"):
        run(read_spec(tmp_path), data, adapters, base=spec)


def test_where_nothing_may_be_lost_there_is_no_head(
    spec: EncoderSpec, data: TrainingData, tmp_path: Path
) -> None:
    result = run(spec, data, OPTIONS.model_copy(update={"keep_rank": 1.0, "keep_similarities": 1.0}))
    assert result.share == 0 and not result.improved and not len(result.encoder.head)
    texts = list(data.texts.values())
    np.testing.assert_array_equal(
        result.encoder.encode(texts), load_encoder(spec, precision="float32").encode(texts)
    )
    save_encoder(result.encoder, tmp_path)
    assert not read_spec(tmp_path).head


@pytest.mark.parametrize("changed", ["labels", "loss", "anchors_per_batch", "passage_weight"])
def test_each_part_can_be_switched_off(spec: EncoderSpec, data: TrainingData, changed: str) -> None:
    off: dict[str, Any] = {"labels": False, "loss": "triplet", "anchors_per_batch": 0, "passage_weight": 0.0}
    options = OPTIONS.model_copy(update={changed: off[changed]})
    result = run(spec, data, options)
    assert all(np.isfinite(row["train_loss"]) for row in result.history[1:])


def test_detail_is_kept_where_it_is_asked_for(spec: EncoderSpec, data: TrainingData) -> None:
    ids = data.train_ids
    texts, names = [data.texts[note] for note in ids], [set(data.specialties[note]) for note in ids]
    alike = np.array(
        [
            [a != b and bool(a_names & b_names) for b, b_names in enumerate(names)]
            for a, a_names in enumerate(names)
        ]
    )
    before = load_encoder(spec, precision="float32").encode(texts)
    options = OPTIONS.model_copy(update={"average_shares": []})

    def kept(weight: float) -> float:
        after = run(spec, data, options.model_copy(update={"detail_weight": weight})).encoder.encode(texts)
        return float(np.corrcoef((before @ before.T)[alike], (after @ after.T)[alike])[0, 1])

    assert kept(10.0) > kept(0.0) + 0.05


def test_labels_are_learned_from_what_comes_further_into_the_notes(
    spec: EncoderSpec, data: TrainingData
) -> None:
    """Planted: the beginnings of the train notes are about nothing, and what makes their specialty comes later."""
    rng = np.random.default_rng(2)
    texts = dict(data.texts)
    for note in data.train_ids:
        words = texts[note].split()
        texts[note] = " ".join([*rng.choice(FILLER, 24), *words, *words, *words])
    planted = replace(data, texts=texts)
    options = OPTIONS.model_copy(
        update={"anchors_per_batch": 0, "passage_weight": 0.0, "head_steps": 100, "average_shares": []}
    )

    def learned(share: float) -> float:
        result = run(spec, planted, options.model_copy(update={"further_share": share}))
        first, last = result.history[0], result.history[-1]
        return float(last["validation_map"] - first["validation_map"])

    assert learned(1.0) > learned(0.0) + 0.01


def test_noise_lies_as_the_parts_of_notes_do() -> None:
    """Planted: parts of notes differ in three directions of twenty."""
    rng = np.random.default_rng(1)
    planes = np.linalg.qr(rng.standard_normal((20, 3)))[0].T
    differences = (rng.standard_normal((500, 3)) @ planes).astype(np.float32)
    shape = within_notes(differences)
    noise = rng.standard_normal((4000, 20)).astype(np.float32) @ shape
    assert (noise**2).sum(axis=1).mean() == pytest.approx(1, abs=0.05)
    assert ((noise @ planes.T) ** 2).sum(axis=1).mean() > 0.9
    for few in (differences[:0], differences[:1], differences[:2] * 0):
        np.testing.assert_allclose(within_notes(few) @ within_notes(few).T, np.eye(20) / 20, atol=1e-6)


def test_windows_of_long_notes(spec: EncoderSpec, data: TrainingData, tmp_path: Path) -> None:
    windows = EncoderSpec(**{**vars(spec), "long_notes": "windows", "max_tokens": 12})
    result = run(windows, data)
    save_encoder(result.encoder, tmp_path)
    loaded = load_encoder(read_spec(tmp_path), precision="float32")
    texts = list(data.texts.values())
    np.testing.assert_allclose(loaded.encode(texts), result.encoder.encode(texts), atol=1e-6)


def test_the_size_of_the_vectors_stays() -> None:
    with pytest.raises(ValueError, match="projection_dimensions: a head keeps the size"):
        TrainingSettings(tuned="head", projection_dimensions=32)
