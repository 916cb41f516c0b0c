"""The whole training on a tiny model: it learns, repeats itself to the byte, and survives being stopped."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medembed_pipeline.encoder import EncoderSpec, model
from medembed_pipeline.encoder.folder import save_encoder
from medembed_pipeline.encoder.lower_layers import LowerLayers
from medembed_pipeline.encoder.model import load_encoder
from medembed_pipeline.encoder.tokens import budget_batches
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.training import TrainingData
from medembed_pipeline.training.adapters import AdaptedLinear
from medembed_pipeline.training.gradients import add_gradient
from medembed_pipeline.training.loop import TrainingResult, train
from medembed_pipeline.training.losses import contrastive_loss, similarities
from medembed_pipeline.training.optimization import (
    frozen_layers,
    switch_dropout_off,
    trainable_parameters,
    tune_biases,
)
from medembed_pipeline.training.settings import TrainingSettings
from medembed_pipeline.training.state import STATE_FILE, clear_state
from medembed_pipeline.training.tuning import read_once
from medembed_pipeline.training.validation import EpochChoice
from medembed_pipeline_tests.training.stopping import Pulled, stop_at

# Everything that can be lost is allowed to be: what keeps it has tests of its own.
OPTIONS = TrainingSettings(
    epochs=3,
    notes_per_batch=8,
    learning_rate=3e-3,
    early_stopping_patience=0,
    training_tokens=0,
    passage_words=5,
    anchors_per_batch=4,
    anchor_similarity_weight=1.0,
    anchor_vector_weight=0.1,
    average_shares=[],
    tuned="all",
)


def run(
    spec: EncoderSpec, data: TrainingData, options: TrainingSettings = OPTIONS, **kwargs: Any
) -> TrainingResult:
    return train(spec, data, options, device="cpu", precision="float32", **kwargs)


def weights_hash(result: TrainingResult, folder: Path) -> str:
    save_encoder(result.encoder, folder)
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "options",
    [
        OPTIONS,
        OPTIONS.model_copy(update={"loss": "triplet"}),
        OPTIONS.model_copy(update={"loss": "triplet", "triplet_distance": "euclidean"}),
        OPTIONS.model_copy(update={"micro_batch": 5, "dropout": True, "accumulation_steps": 2}),
        OPTIONS.model_copy(update={"tuned": "adapters", "lora_rank": 4, "learning_rate": 1e-2}),
        OPTIONS.model_copy(update={"tuned_share": 1.0}),
    ],
    ids=["contrastive", "triplet", "euclidean", "micro", "lora", "all layers"],
)
def test_it_learns_and_keeps_the_best_epoch(
    spec: EncoderSpec, data: TrainingData, options: TrainingSettings
) -> None:
    rows: list[dict[str, Any]] = []
    result = run(spec, data, options, on_epoch=rows.append)
    assert result.history == rows and [row["epoch"] for row in rows] == [0, 1, 2, 3]
    assert rows[0]["train_loss"] is None and rows[0]["steps"] == 0
    assert rows[3]["train_loss"] < rows[1]["train_loss"]
    assert result.improved
    best = rows[result.best_epoch]
    score = [row["validation_score"] for row in rows]
    assert score == [row["validation_precision_at_5"] for row in rows]
    assert result.best_epoch == int(np.argmax(score))
    assert best["validation_map"] > rows[0]["validation_map"] + 0.02
    # The encoder is the best epoch's: its score is found again.
    notes = sorted(data.validation_ids)
    vectors = result.encoder.encode([data.texts[note] for note in notes])
    place = {note: position for position, note in enumerate(notes)}
    gaps = [
        vectors[place[a]] @ vectors[place[p]] - vectors[place[a]] @ vectors[place[n]]
        for a, p, n in data.validation_triplets
    ]
    assert np.mean(np.array(gaps) > 0) == pytest.approx(best["validation_triplet_accuracy"])
    assert not any(isinstance(module, AdaptedLinear) for module in result.encoder.modules())


def test_same_seed_same_bytes_other_seed_other_bytes(
    spec: EncoderSpec, data: TrainingData, tmp_path: Path
) -> None:
    options = OPTIONS.model_copy(update={"epochs": 1, "dropout": True})
    torch.manual_seed(1)
    first = weights_hash(run(spec, data, options), tmp_path / "a")
    before = torch.get_rng_state()
    second = weights_hash(run(spec, data, options), tmp_path / "b")
    assert torch.equal(before, torch.get_rng_state())
    assert first == second
    assert weights_hash(run(spec, data, options.model_copy(update={"seed": 8})), tmp_path / "c") != first


@pytest.mark.parametrize("step", [1, 4, 6])
def test_stopped_and_resumed_ends_with_the_same_bytes(
    spec: EncoderSpec, data: TrainingData, tmp_path: Path, step: int
) -> None:
    options = OPTIONS.model_copy(
        update={"epochs": 2, "dropout": True, "accumulation_steps": 2, "micro_batch": 8}
    )
    undisturbed = run(spec, data, options)
    state = tmp_path / "state"
    with pytest.raises(Pulled):
        run(spec, data, options, state_folder=state, log_every_steps=1, on_step=stop_at(step))
    seen: list[int] = []
    resumed = run(
        spec, data, options, state_folder=state, log_every_steps=1, on_step=lambda done, *_: seen.append(done)
    )
    assert resumed.resumed_at == step and seen[0] == step + 1
    assert resumed.history == undisturbed.history
    assert weights_hash(resumed, tmp_path / "a") == weights_hash(undisturbed, tmp_path / "b")
    # The finished training's state gives the result again without a step.
    seen.clear()
    again = run(
        spec, data, options, state_folder=state, log_every_steps=1, on_step=lambda done, *_: seen.append(done)
    )
    assert seen == [] and weights_hash(again, tmp_path / "c") == weights_hash(undisturbed, tmp_path / "b")
    clear_state(state)
    assert list(state.iterdir()) == []


def test_killed_at_any_moment_resumes_from_the_last_saved_step(
    spec: EncoderSpec, data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = OPTIONS.model_copy(update={"epochs": 2})
    undisturbed = run(spec, data, options)
    state = tmp_path / "state"
    # A kill leaves what the last whole save wrote, and perhaps a half written file beside it.
    with pytest.raises(Pulled):
        run(
            spec,
            data,
            options,
            state_folder=state,
            save_every_seconds=0,
            log_every_steps=1,
            on_step=stop_at(4),
        )
    killed = tmp_path / "killed"
    shutil.copytree(state, killed)
    (killed / f"{STATE_FILE}.partial").write_bytes(b"half")
    resumed = run(spec, data, options, state_folder=killed)
    assert resumed.resumed_at >= 3
    assert weights_hash(resumed, tmp_path / "a") == weights_hash(undisturbed, tmp_path / "b")


def test_interrupted_inside_an_update_the_half_updated_weights_are_not_saved(
    spec: EncoderSpec, data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = run(spec, data)
    original, calls = torch.optim.AdamW.step, 0

    def half_an_update(self: torch.optim.AdamW, *args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        result = original(self, *args, **kwargs)
        if calls == 3:
            raise KeyboardInterrupt
        return result

    state = tmp_path / "state"
    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", half_an_update)
        with pytest.raises(KeyboardInterrupt):
            run(spec, data, state_folder=state, save_every_seconds=0)
    resumed = run(spec, data, state_folder=state)
    assert resumed.resumed_at == 2
    assert weights_hash(resumed, tmp_path / "a") == weights_hash(undisturbed, tmp_path / "b")


def test_stopped_during_validation(
    spec: EncoderSpec, data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = run(spec, data)
    from medembed_pipeline.encoder.model import Encoder

    original, calls = Encoder.encode_windows, 0

    def pulled_once(self: Encoder, *args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        # Phrases, and notes and passages of the base model, come first.
        if calls == 4:
            raise Pulled
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Encoder, "encode_windows", pulled_once)
    with pytest.raises(Pulled):
        run(spec, data, state_folder=tmp_path / "state")
    resumed = run(spec, data, state_folder=tmp_path / "state")
    assert resumed.history == undisturbed.history
    assert weights_hash(resumed, tmp_path / "a") == weights_hash(undisturbed, tmp_path / "b")


def test_the_state_of_another_training_and_a_damaged_one_are_left_alone(
    spec: EncoderSpec, data: TrainingData, tmp_path: Path
) -> None:
    options = OPTIONS.model_copy(update={"epochs": 1})
    run(spec, data, options, state_folder=tmp_path)
    assert run(spec, data, options, state_folder=tmp_path).resumed_at > 0
    others = [
        (spec, data, options.model_copy(update={"temperature": 0.2})),
        (replace(spec, pooling="cls"), data, options),
        (spec, replace(data, texts={**data.texts, data.train_ids[0]: "normal mri"}), options),
        (spec, replace(data, train_triplets=data.train_triplets[:-1]), options),
    ]
    for other in others:
        kept = (tmp_path / STATE_FILE).read_bytes()
        assert run(*other, state_folder=tmp_path).resumed_at == 0
        (tmp_path / STATE_FILE).write_bytes(kept)
    (tmp_path / STATE_FILE).write_bytes(kept[: len(kept) // 2])
    assert run(spec, data, options, state_folder=tmp_path).resumed_at == 0


def test_nothing_improved_gives_the_base_model(spec: EncoderSpec, data: TrainingData) -> None:
    texts = list(data.texts.values())
    base = load_encoder(spec, device="cpu", precision="float32").encode(texts)
    none = run(spec, data, OPTIONS.model_copy(update={"epochs": 0}))
    assert len(none.history) == 1 and not none.improved
    assert none.encoder.encode(texts).tobytes() == base.tobytes()
    # Steps too small to change any score.
    still = run(
        spec,
        data,
        OPTIONS.model_copy(update={"epochs": 5, "learning_rate": 1e-9, "early_stopping_patience": 2}),
    )
    assert still.best_epoch == 0 and [row["epoch"] for row in still.history] == [0, 1, 2]
    assert still.encoder.encode(texts).tobytes() == base.tobytes()


def test_a_loss_that_is_not_finite_is_one_clear_error(
    spec: EncoderSpec, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medembed_pipeline.training import objective as objective_module

    monkeypatch.setattr(
        objective_module, "contrastive_loss", lambda similarity, *_, **__: similarity.sum() * float("nan")
    )
    with pytest.raises(MedembedError, match=r"loss is nan at step 1 of \d+; lower learning_rate"):
        run(spec, data)


def test_gpu_out_of_memory_halves_the_micro_batch_with_a_warning(
    spec: EncoderSpec, data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medembed_pipeline.encoder.model import Encoder

    original = Encoder.forward
    options = OPTIONS.model_copy(update={"epochs": 1, "accumulation_steps": 2})

    def short_of_memory(limit: int) -> None:
        def forward(self: Encoder, token_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            if self.training and token_ids.numel() > limit * spec.max_tokens:
                raise torch.cuda.OutOfMemoryError("simulated")
            return original(self, token_ids, mask)

        monkeypatch.setattr(Encoder, "forward", forward)

    warned: list[str] = []
    short_of_memory(2)
    result = run(spec, data, options, on_warning=warned.append)
    assert result.micro_batch == 2
    assert [sentence[:62] for sentence in warned] == [
        "out of GPU memory: trying again with 4 notes at once instead o",
        "out of GPU memory: trying again with 2 notes at once instead o",
    ]
    # The result is the one of a training that began with that micro-batch: no failed try left a trace.
    monkeypatch.setattr(Encoder, "forward", original)
    asked = run(spec, data, options.model_copy(update={"micro_batch": 2}))
    assert weights_hash(result, tmp_path / "a") == weights_hash(asked, tmp_path / "b")
    short_of_memory(0)
    with pytest.raises(MedembedError, match="out of GPU memory with a single note"):
        run(spec, data, options, on_warning=warned.append)


@pytest.mark.parametrize("dropout", [False, True])
def test_micro_batches_give_the_gradient_of_the_whole_batch(
    spec: EncoderSpec, data: TrainingData, dropout: bool
) -> None:
    encoder = load_encoder(spec, device="cpu", precision="float32").train()
    if not dropout:
        switch_dropout_off(encoder)
    windows = encoder.tokenize([data.texts[note] for note in sorted(data.texts)[:11]])
    overlap = (torch.arange(11)[:, None] % 4 == torch.arange(11)[None, :] % 4).float()

    def gradients(micro_batch: int) -> tuple[float, dict[str, torch.Tensor]]:
        encoder.zero_grad()
        torch.manual_seed(0)
        loss = add_gradient(
            encoder,
            [windows],
            lambda vectors: contrastive_loss(similarities(vectors), overlap, temperature=0.1),
            scale=0.5,
            micro_batch=micro_batch,
        )
        return loss, {n: p.grad.clone() for n, p in encoder.named_parameters() if p.grad is not None}

    def by_hand() -> tuple[float, dict[str, torch.Tensor]]:
        # The same parts in the same order, with the whole graph kept.
        encoder.zero_grad()
        torch.manual_seed(0)
        order = np.argsort(-windows.lengths, kind="stable")
        parts = list(budget_batches(windows.lengths, 4 * int(windows.lengths.max())))
        vectors = torch.cat([encoder.embed(windows, part) for part in parts])[np.argsort(order)]
        loss = contrastive_loss(similarities(vectors), overlap, temperature=0.1)
        (loss * 0.5).backward()
        return float(loss.detach()), {
            n: p.grad.clone() for n, p in encoder.named_parameters() if p.grad is not None
        }

    expected_loss, expected = by_hand()
    random_after = torch.get_rng_state()
    loss, found = gradients(4)
    # The next batch's dropout is not a repetition of this one's.
    assert torch.equal(torch.get_rng_state(), random_after)
    if not dropout:
        whole_loss, whole = gradients(0)
        assert whole_loss == pytest.approx(loss, rel=1e-5)
        for name in whole:
            torch.testing.assert_close(whole[name], found[name], atol=1e-5, rtol=1e-4)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert found.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], atol=1e-5, rtol=1e-4)


def test_frozen_layers_stay_and_others_move(spec: EncoderSpec, data: TrainingData) -> None:
    before = load_encoder(spec, device="cpu").state_dict()

    def moved(share: float) -> set[str]:
        options = OPTIONS.model_copy(update={"epochs": 1, "tuned_share": share})
        after = run(spec, data, options).encoder.state_dict()
        return {name for name in before if not torch.equal(before[name], after[name])}

    half, whole = moved(0.5), moved(1.0)
    assert any(".layer.1." in name for name in half)
    assert not any(".layer.0." in name or "embeddings" in name for name in half)
    assert any(".layer.0." in name for name in whole)


def test_reading_texts_once_teaches_what_reading_them_at_every_step_does(
    spec: EncoderSpec, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = OPTIONS.model_copy(
        update={"tuned_share": 0.5, "tuned": "adapters", "average_shares": [0.5, 1.0]}
    )
    skipped: list[int] = []
    original = LowerLayers.skipped

    def counted(self: LowerLayers, states: torch.Tensor) -> Any:
        skipped.append(len(states))
        return original(self, states)

    monkeypatch.setattr(LowerLayers, "skipped", counted)
    once = run(spec, data, options)
    # Every train note of every epoch, all phrases, and the validation texts of every epoch and share.
    assert sum(skipped) > 3 * len(data.train_ids) and once.encoder.lower is None
    skipped.clear()
    monkeypatch.setattr(model, "MOST_STATE_BYTES", 0)
    each = run(spec, data, options)
    assert not skipped
    for name, weights in once.encoder.state_dict().items():
        torch.testing.assert_close(weights, each.encoder.state_dict()[name], atol=1e-5, rtol=1e-4)


def test_a_model_whose_first_layer_is_another_reads_whole_each_time(
    spec: EncoderSpec, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load_encoder(spec, device="cpu")
    texts = [data.texts[note] for note in data.train_ids[:4]]
    read_once(encoder, 1, texts)
    assert encoder.lower is not None
    stack = encoder.transformer.encoder
    original = stack.forward

    def more(_: torch.nn.Module, __: Any, out: Any) -> Any:
        hidden = out if torch.is_tensor(out) else out[0]
        changed = hidden * torch.linspace(0.5, 2.0, hidden.shape[-1])
        return changed if torch.is_tensor(out) else (changed, *out[1:])

    def with_more_beside_the_first(*args: Any, **kwargs: Any) -> Any:
        # As in DeBERTa: what is first in the list is treated in a way of its own.
        hook = stack.layer[0].register_forward_hook(more)
        try:
            return original(*args, **kwargs)
        finally:
            hook.remove()

    monkeypatch.setattr(stack, "forward", with_more_beside_the_first)
    read_once(encoder, 1, texts)
    assert encoder.lower is None


def test_at_least_one_layer_is_tuned_and_models_of_one_layer_wholly(spec: EncoderSpec) -> None:
    encoder = load_encoder(spec, device="cpu")
    assert [frozen_layers(encoder, share) for share in (0.01, 0.5, 0.74, 0.76, 1.0)] == [1, 1, 1, 0, 0]
    # As in ALBERT, whose layers are one: there is nothing to keep.
    encoder.transformer.config.num_hidden_layers = 12
    assert frozen_layers(encoder, 0.01) == 0


def test_only_biases_and_normalisation_are_tuned(spec: EncoderSpec, data: TrainingData) -> None:
    encoder = load_encoder(replace(spec, projection_dimensions=16), device="cpu")
    tune_biases(encoder)
    trained = trainable_parameters(encoder)
    assert {"projection.weight", "projection.bias"} < trained.keys()
    inside = [name for name in trained if not name.startswith("projection.")]
    assert any("LayerNorm" in name for name in inside) and any("query.bias" in name for name in inside)
    assert all(trained[name].ndim == 1 and "embeddings" not in name for name in inside)
    rows = run(spec, data, OPTIONS.model_copy(update={"tuned": "biases", "learning_rate": 1e-2})).history
    assert rows[3]["train_loss"] < rows[1]["train_loss"]


def test_windows_projection_and_cls_can_be_trained(
    spec: EncoderSpec, data: TrainingData, tmp_path: Path
) -> None:
    small = replace(spec, max_tokens=12, long_notes="windows", pooling="cls", projection_dimensions=16)
    result = run(small, data, OPTIONS.model_copy(update={"epochs": 1}))
    assert result.encoder.encode(["chest pain"]).shape == (1, 16)
    assert weights_hash(result, tmp_path / "a") == weights_hash(
        run(small, data, OPTIONS.model_copy(update={"epochs": 1})), tmp_path / "b"
    )


def test_reports_reach_the_log(spec: EncoderSpec, data: TrainingData) -> None:
    calls: list[tuple[int, int, float, float]] = []
    result = run(
        spec,
        data,
        OPTIONS.model_copy(update={"epochs": 1}),
        log_every_steps=3,
        on_step=lambda *call: calls.append(call),
    )
    total = result.history[-1]["steps"]
    assert [call[0] for call in calls] == [*range(3, total, 3), total]
    assert {call[1] for call in calls} == {total}
    assert all(loss > 0 and rate > 0 for _, _, loss, rate in calls)


def test_a_full_disk_is_one_clear_error_and_the_last_state_stands(
    spec: EncoderSpec, data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = run(spec, data)
    original, calls = torch.save, 0

    def full_from_the_third_on(content: Any, stream: Any) -> None:
        nonlocal calls
        calls += 1
        if calls >= 3:
            stream.write(b"half")
            raise OSError(28, "No space left on device")
        original(content, stream)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full_from_the_third_on)
        with pytest.raises(MedembedError, match=r"state can't be written .*No space left"):
            run(spec, data, state_folder=tmp_path, save_every_seconds=0)
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE]
    resumed = run(spec, data, state_folder=tmp_path)
    assert resumed.resumed_at > 0
    assert weights_hash(resumed, tmp_path / "a") == weights_hash(undisturbed, tmp_path / "b")


def test_the_main_metric_chooses_the_epoch_and_is_part_of_what_is_gone_on_with(
    spec: EncoderSpec, data: TrainingData, tmp_path: Path
) -> None:
    by_map = run(spec, data, state_folder=tmp_path, choice=EpochChoice(main_metric="map"))
    scores = [row["validation_score"] for row in by_map.history]
    assert scores == [row["validation_map"] for row in by_map.history]
    assert by_map.best_epoch == int(np.argmax(scores)) and by_map.main_metric == "map"
    assert run(spec, data, state_folder=tmp_path, choice=EpochChoice(main_metric="map")).resumed_at > 0
    assert (
        run(spec, data, state_folder=tmp_path, choice=EpochChoice(main_metric="precision@5")).resumed_at == 0
    )
