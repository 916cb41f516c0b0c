"""The checkpoint folder: complete, the same bytes twice, and found out when altered."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from medembed_pipeline.encoder import EncoderSpec, encoder_fingerprint, read_spec
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.fingerprint import file_sha256
from medembed_pipeline.tracking.runs import training_run
from medembed_pipeline.training import TrainingData, verify_checkpoint
from medembed_pipeline.training.card_parts import plain
from medembed_pipeline.training.checkpoint import write_checkpoint
from medembed_pipeline.training.loop import train
from medembed_pipeline.training.settings import TrainingSettings

OPTIONS = TrainingSettings(epochs=1, notes_per_batch=12, learning_rate=3e-3, tuned="all")


@pytest.fixture(scope="module")
def checkpoints(
    spec: EncoderSpec, data: TrainingData, tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    folders = [tmp_path_factory.mktemp(name) / "checkpoint" for name in ("here", "elsewhere")]
    for folder in folders:
        result = train(spec, data, OPTIONS, device="cpu", precision="float32")
        write_checkpoint(
            folder,
            result,
            spec=spec,
            data=data,
            options=OPTIONS,
            data_versions={"triplets": "abc"},
            settings={"strategy": "semi_hard"},
        )
    return folders


def test_same_training_same_folder_byte_for_byte(checkpoints: list[Path]) -> None:
    files = [path.relative_to(checkpoints[0]) for path in checkpoints[0].rglob("*") if path.is_file()]
    assert {"manifest.json", "history.json", "trained_notes.json", "README.md", "model.safetensors"} <= {
        str(name) for name in files
    }
    for name in files:
        assert (checkpoints[0] / name).read_bytes() == (checkpoints[1] / name).read_bytes(), name
    fingerprints = {encoder_fingerprint(read_spec(folder)) for folder in checkpoints}
    assert len(fingerprints) == 1


def test_a_tracker_is_told_its_recipe_and_validation_figures(checkpoints: list[Path]) -> None:
    manifest, history, trade_off = (
        json.loads((checkpoints[0] / f"{name}.json").read_text())
        for name in ("manifest", "history", "trade_off")
    )
    run = training_run("a version", manifest, history, trade_off)
    assert run.settings["notes_per_batch"] == 12 and run.settings["base"] == manifest["base"]
    assert run.finite_numbers()["train_notes"] == manifest["counts"]["train_notes"]
    assert run.finite_series()["epoch/validation_score"] == [
        (row["epoch"], row["validation_score"]) for row in history
    ]


def test_manifest_says_what_made_it(checkpoints: list[Path], data: TrainingData) -> None:
    manifest = json.loads((checkpoints[0] / "manifest.json").read_text())
    assert manifest["training"]["notes_per_batch"] == 12 and manifest["seed"] == OPTIONS.seed
    assert manifest["data_versions"] == {"triplets": "abc"} and manifest["settings"] == {
        "strategy": "semi_hard"
    }
    assert manifest["counts"]["train_notes"] == len(data.train_ids) and manifest["counts"]["specialties"] == 4
    assert manifest["packages"]["torch"]
    assert json.loads((checkpoints[0] / "trained_notes.json").read_text()) == data.train_ids
    assert [row["epoch"] for row in json.loads((checkpoints[0] / "history.json").read_text())] == [0, 1]


def test_the_card_says_what_is_known_and_is_no_part_of_the_identity(checkpoints: list[Path]) -> None:
    manifest = json.loads((checkpoints[0] / "manifest.json").read_text())
    card = (checkpoints[0] / "README.md").read_text()
    assert "README.md" not in manifest["files"]
    assert manifest["first_card"] == file_sha256(checkpoints[0] / "README.md")
    assert "the figures come with the asset `model_card`" in card
    assert "licence: unknown: see base" in card and "\nlicense: unknown\n" in card
    for name, value in OPTIONS.weight_values().items():
        assert f"| {plain(name)} | {plain(value)} |" in card


def test_a_renewed_card_verifies_and_a_missing_one_does_not(checkpoints: list[Path], tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoints[0], tmp_path / "checkpoint")
    (folder / "README.md").write_text("renewed")
    assert verify_checkpoint(folder) == []
    (folder / "README.md").unlink()
    assert verify_checkpoint(folder) == ["README.md: missing"]
    # Earlier versions listed the card among the files, with the hash of the first one.
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["README.md"] = manifest.pop("first_card")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert verify_checkpoint(folder) == ["README.md: missing"]
    (folder / "README.md").write_text("renewed")
    assert verify_checkpoint(folder) == []


def test_no_note_and_no_place_of_this_machine_is_in_it(
    checkpoints: list[Path], data: TrainingData, bert: Path
) -> None:
    for path in checkpoints[0].rglob("*"):
        if path.is_file():
            content = path.read_text(encoding="latin-1")
            assert str(bert.parent) not in content and str(checkpoints[0].parent) not in content, path
            assert not any(text in content for text in data.texts.values()), path


def test_sentence_transformers_loads_it(checkpoints: list[Path], data: TrainingData) -> None:
    from sentence_transformers import SentenceTransformer

    from medembed_pipeline.encoder.model import load_encoder

    texts = list(data.texts.values())
    library = SentenceTransformer(str(checkpoints[0]), device="cpu")
    ours = load_encoder(read_spec(checkpoints[0]), device="cpu", precision="float32")
    np.testing.assert_allclose(library.encode(texts), ours.encode(texts), atol=1e-5)


def test_verification_names_what_is_wrong(checkpoints: list[Path]) -> None:
    folder = checkpoints[1]
    assert verify_checkpoint(folder) == []
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    (folder / "history.json").unlink()
    (folder / "extra.txt").write_text("")
    assert verify_checkpoint(folder) == [
        "history.json: missing",
        "extra.txt: not in the manifest",
        "model.safetensors: altered (its sha256 is not the manifest's)",
    ]
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(MedembedError, match="can't be read as a checkpoint's manifest"):
        verify_checkpoint(folder)
