"""A model that was not trained here, in the place of the checkpoint."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from medembed_pipeline.encoder import encoder_fingerprint, read_spec
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.training.checkpoints import current_checkpoint
from medembed_pipeline.training.given import give_checkpoint
from medembed_pipeline_tests.encoder.small_models import make_bert


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_bert(tmp_path / "model")


def test_a_given_model_is_the_current_checkpoint_and_loads_as_it_was_named(
    model: Path, tmp_path: Path
) -> None:
    spec = replace(
        read_spec(model), max_tokens=24, pooling="cls", long_notes="windows", document_prompt="note: "
    )
    lake = Lake(str(tmp_path / "lake"))
    given = give_checkpoint(lake, spec)
    assert current_checkpoint(lake) == given and given.is_given
    # Whatever the baseline does with long notes: it was not trained beside it.
    loaded = given.encoder_spec("cut")
    assert replace(loaded, base=spec.base) == spec
    assert encoder_fingerprint(loaded) == encoder_fingerprint(spec)
    assert given.trained_note_ids() == [] and given.history() == [] and given.epoch_specs("cut") == {}
    before = {path.name: path.read_bytes() for path in model.iterdir() if path.is_file()}
    lake.remove("checkpoints", given.version)
    assert {path.name: path.read_bytes() for path in model.iterdir() if path.is_file()} == before


def test_what_a_checkpoint_of_ours_tells_comes_along_but_no_epochs(model: Path, tmp_path: Path) -> None:
    told = {
        "trained_notes.json": ["a", "b"],
        "history.json": [{"epoch": 0}],
        "manifest.json": {
            "best_epoch": 3,
            "files": {"model.safetensors": "ab"},
            "data_versions": {"triplets": "t"},
        },
    }
    for name, content in told.items():
        (model / name).write_text(json.dumps(content))
    (model / "epochs" / "1").mkdir(parents=True)
    given = give_checkpoint(Lake(str(tmp_path / "lake")), read_spec(model))
    assert given.trained_note_ids() == ["a", "b"] and given.history() == [{"epoch": 0}]
    assert given.manifest()["best_epoch"] == 3 and given.epoch_specs("cut") == {}
    # The folder itself stays what it was.
    assert json.loads((model / "manifest.json").read_text()) == told["manifest.json"]


def test_the_model_that_is_given_last_is_the_current_one(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    first, second = (read_spec(make_bert(tmp_path / name, seed=seed)) for seed, name in enumerate("ab"))
    versions = [give_checkpoint(lake, spec).version for spec in (first, second, first)]
    assert versions[0] == versions[2] != versions[1]
    assert current_checkpoint(lake).version == versions[0]


def test_a_folder_that_is_no_model_is_refused(model: Path, tmp_path: Path) -> None:
    spec = read_spec(model)
    (model / "config.json").unlink()
    with pytest.raises(MedembedError, match=r"holds no config\.json"):
        give_checkpoint(Lake(str(tmp_path / "lake")), spec)
