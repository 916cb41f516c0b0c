"""Models of single epochs kept inside the checkpoint: loadable, whole after a stop, and without any other effect."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medembed_pipeline.encoder import EncoderSpec, encoder_fingerprint, read_spec
from medembed_pipeline.encoder.folder import save_encoder
from medembed_pipeline.encoder.model import load_encoder
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.training import TrainingData, verify_checkpoint
from medembed_pipeline.training.assets import first_kept_epoch
from medembed_pipeline.training.checkpoint import write_checkpoint
from medembed_pipeline.training.checkpoints import Checkpoint
from medembed_pipeline.training.loop import TrainingResult, train
from medembed_pipeline.training.settings import TrainingSettings
from medembed_pipeline.training.state import clear_state
from medembed_pipeline_tests.training.stopping import Pulled, stop_at

OPTIONS = TrainingSettings(
    tuned="adapters",
    anchor_vector_weight=5.0,
    epochs=3,
    notes_per_batch=12,
    learning_rate=1e-2,
    early_stopping_patience=0,
    average_shares=[],
    map_steps=0,
)
SAVE = "medembed_pipeline.training.run.save_encoder"


def run(
    spec: EncoderSpec, data: TrainingData, options: TrainingSettings = OPTIONS, **kwargs: Any
) -> TrainingResult:
    return train(spec, data, options, device="cpu", precision="float32", **kwargs)


def publish(
    folder: Path,
    result: TrainingResult,
    spec: EncoderSpec,
    data: TrainingData,
    options: TrainingSettings = OPTIONS,
) -> Path:
    write_checkpoint(folder, result, spec=spec, data=data, options=options, data_versions={"triplets": "x"})
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def plain(spec: EncoderSpec, data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(tmp_path_factory.mktemp("plain") / "checkpoint", run(spec, data), spec, data)


@pytest.fixture(scope="module")
def kept(spec: EncoderSpec, data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    result = run(spec, data, state_folder=folder / "state", keep_epochs_from=1)
    return publish(folder / "checkpoint", result, spec, data)


def test_the_checkpoint_is_the_same_but_for_the_epochs_and_the_manifest(plain: Path, kept: Path) -> None:
    before, after = content(plain), content(kept)
    epochs = {name for name in after if name.startswith("epochs/")}
    assert {name.split("/")[1] for name in epochs} == {"1", "2", "3"}
    assert after.keys() - epochs == before.keys()
    assert {name for name in before if before[name] != after[name]} == {"manifest.json"}
    manifests = [json.loads(files["manifest.json"]) for files in (before, after)]
    assert manifests[1].pop("files").keys() - manifests[0].pop("files").keys() == epochs
    assert manifests[0] == manifests[1]


def test_the_manifest_covers_the_epochs(kept: Path, tmp_path: Path) -> None:
    assert verify_checkpoint(kept) == []
    spoilt = shutil.copytree(kept, tmp_path / "spoilt")
    (spoilt / "epochs/2/model.safetensors").write_bytes(b"")
    (spoilt / "epochs/3/config.json").unlink()
    assert verify_checkpoint(spoilt) == [
        "epochs/3/config.json: missing",
        "epochs/2/model.safetensors: altered (its sha256 is not the manifest's)",
    ]


def test_each_epoch_scores_what_the_history_says_and_the_best_is_the_checkpoint(
    kept: Path, data: TrainingData
) -> None:
    history = json.loads((kept / "history.json").read_text())
    best = json.loads((kept / "manifest.json").read_text())["best_epoch"]
    specs = Checkpoint("v", "d", kept).epoch_specs("cut")
    assert list(specs) == [1, 2, 3] and best in specs
    assert encoder_fingerprint(specs[best]) == encoder_fingerprint(read_spec(kept))
    assert len({encoder_fingerprint(spec) for spec in specs.values()}) == 3
    for epoch, spec in specs.items():
        encoder = load_encoder(spec, device="cpu", precision="float32")
        vectors = {note: encoder.encode([text])[0] for note, text in data.texts.items()}
        gaps = [
            vectors[anchor] @ vectors[positive] - vectors[anchor] @ vectors[negative]
            for anchor, positive, negative in data.validation_triplets
        ]
        assert np.mean(np.array(gaps) > 0) == pytest.approx(history[epoch]["validation_triplet_accuracy"])


def test_sentence_transformers_loads_an_epoch(kept: Path, data: TrainingData) -> None:
    from sentence_transformers import SentenceTransformer

    texts = list(data.texts.values())
    folder = kept / "epochs" / "2"
    ours = load_encoder(read_spec(folder), device="cpu", precision="float32")
    library = SentenceTransformer(str(folder), device="cpu")
    np.testing.assert_allclose(library.encode(texts), ours.encode(texts), atol=1e-5)


def steps_of_an_epoch(plain: Path) -> int:
    return int(json.loads((plain / "history.json").read_text())[1]["steps"])


@pytest.mark.parametrize("epoch", [1, 2])
def test_stopped_and_resumed_ends_with_the_same_bytes(
    spec: EncoderSpec, data: TrainingData, plain: Path, kept: Path, tmp_path: Path, epoch: int
) -> None:
    state = tmp_path / "state"
    step = steps_of_an_epoch(plain) * epoch + 2
    with pytest.raises(Pulled):
        run(
            spec,
            data,
            state_folder=state,
            keep_epochs_from=1,
            log_every_steps=1,
            on_step=stop_at(step),
        )
    result = run(spec, data, state_folder=state, keep_epochs_from=1)
    assert result.resumed_at == step
    assert content(publish(tmp_path / "checkpoint", result, spec, data)) == content(kept)
    # A finished training's state gives the result again, epochs and all.
    again = run(spec, data, state_folder=state, keep_epochs_from=1)
    assert content(publish(tmp_path / "again", again, spec, data)) == content(kept)
    clear_state(state)
    assert list(state.iterdir()) == []


def test_stopped_while_an_epoch_is_written(
    spec: EncoderSpec, data: TrainingData, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def pulled_in_the_second(encoder: Any, folder: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            (folder / "config.json").write_text("half")
            raise Pulled
        save_encoder(encoder, folder)

    state = tmp_path / "state"
    with monkeypatch.context() as patch:
        patch.setattr(SAVE, pulled_in_the_second)
        with pytest.raises(Pulled):
            run(spec, data, state_folder=state, keep_epochs_from=1)
    result = run(spec, data, state_folder=state, keep_epochs_from=1)
    assert result.resumed_at > 0
    assert content(publish(tmp_path / "checkpoint", result, spec, data)) == content(kept)


def test_a_state_whose_epochs_are_gone_is_begun_anew(
    spec: EncoderSpec, data: TrainingData, plain: Path, kept: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    run(spec, data, state_folder=state)
    result = run(spec, data, state_folder=state, keep_epochs_from=1)
    assert result.resumed_at == 0
    assert content(publish(tmp_path / "checkpoint", result, spec, data)) == content(kept)
    # The other way round nothing is missing.
    off = run(spec, data, state_folder=state)
    assert off.resumed_at > 0 and off.epoch_folders == {}
    assert content(publish(tmp_path / "off", off, spec, data)) == content(plain)


def test_a_full_disk_is_one_clear_error(
    spec: EncoderSpec, data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(encoder: Any, folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(SAVE, full)
    with pytest.raises(MedembedError, match=r"epoch 1 can't be kept .*No space left .*keep_epochs to false"):
        run(spec, data, state_folder=tmp_path, keep_epochs_from=1)
    with pytest.raises(MedembedError, match="kept below state_folder"):
        run(spec, data, keep_epochs_from=1)


def test_adapters_are_merged_in_a_copy(spec: EncoderSpec, data: TrainingData, tmp_path: Path) -> None:
    options = OPTIONS.model_copy(
        update={"epochs": 2, "tuned": "adapters", "lora_rank": 4, "learning_rate": 1e-2}
    )
    without = publish(tmp_path / "without", run(spec, data, options), spec, data, options)
    result = run(spec, data, options, state_folder=tmp_path / "state", keep_epochs_from=1)
    folder = publish(tmp_path / "with", result, spec, data, options)
    assert (folder / "model.safetensors").read_bytes() == (without / "model.safetensors").read_bytes()
    best = folder / "epochs" / str(result.best_epoch)
    assert (best / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


def test_the_head_of_an_epoch_is_written_out(spec: EncoderSpec, data: TrainingData, tmp_path: Path) -> None:
    options = TrainingSettings(
        tuned="head", head_steps=20, head_units=16, average_shares=[], anchors_per_batch=0
    )
    result = run(spec, data, options, state_folder=tmp_path / "state", keep_epochs_from=1)
    folder = publish(tmp_path / "with", result, spec, data, options)
    assert result.best_epoch == len(result.epoch_folders) == 10
    last = folder / "epochs" / "10"
    assert encoder_fingerprint(read_spec(last)) == encoder_fingerprint(read_spec(folder))


def test_the_beginning_is_kept_where_it_is_not_the_base_model(
    spec: EncoderSpec, data: TrainingData, tmp_path: Path
) -> None:
    projected = replace(spec, projection_dimensions=16)
    on = TrainingSettings(keep_epochs=True)
    assert first_kept_epoch(TrainingSettings(), None) is None
    assert first_kept_epoch(on, None) == 1
    assert first_kept_epoch(on, Checkpoint("v", "d", tmp_path)) == 0
    options = OPTIONS.model_copy(update={"epochs": 1})
    result = run(projected, data, options, state_folder=tmp_path / "state", keep_epochs_from=0)
    folder = publish(tmp_path / "checkpoint", result, projected, data, options)
    specs = Checkpoint("v", "d", folder).epoch_specs("cut")
    assert list(specs) == [0, 1]
    texts = list(data.texts.values())
    begun = load_encoder(projected, device="cpu", precision="float32", seed=options.seed).encode(texts)
    np.testing.assert_allclose(
        load_encoder(specs[0], device="cpu", precision="float32").encode(texts), begun, atol=1e-6
    )


def test_the_setting_changes_the_recipe_only_where_it_is_on() -> None:
    off, on = TrainingSettings().result_values(), TrainingSettings(keep_epochs=True).result_values()
    assert on == {**off, "keep_epochs": True}
    assert "keep_epochs" not in off
