"""The study of the recipe: a trial is a training scored as the training scores itself, and it sees no test note."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import torch

import medembed_pipeline.definitions  # noqa: F401 (rooms are described in their order, whoever comes first)
import medembed_pipeline.study.assets as study_assets
import medembed_pipeline.training.study as declared
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource, launchpad_resource
from medembed_pipeline.section import SettingsError, validate
from medembed_pipeline.settings import Settings
from medembed_pipeline.study.assets import study_asset
from medembed_pipeline.study.made import OFF
from medembed_pipeline.study.search import search
from medembed_pipeline.study.space import Real, Space, Value, Whole
from medembed_pipeline.study.store import FOLDER
from medembed_pipeline.study.trial import Trial
from medembed_pipeline.tracking.settings import TrackingSettings
from medembed_pipeline.training import TrainingData
from medembed_pipeline.training import loop as training_loop
from medembed_pipeline.training.averaging import beyond
from medembed_pipeline.training.recipe_trials import (
    default_values,
    fixed_values,
    recipe_objective,
    recipe_space,
    training_block,
    with_values,
)
from medembed_pipeline.training.settings import RecipeStudySettings, TrainingSettings
from medembed_pipeline.training.trained_spec import trained_spec
from medembed_pipeline.training.validation import EpochChoice
from medembed_pipeline_tests.study.small_lake import SECRET, TEST_NOTES, fill
from medembed_pipeline_tests.tracking.told import mlflow_runs
from medembed_pipeline_tests.training.small_corpus import make_data

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TRAINING = TrainingSettings(
    tuned="adapters",
    notes_per_batch=16,
    learning_rate=3e-3,
    passage_words=5,
    anchors_per_batch=8,
    anchor_vector_weight=5.0,
    average_shares=[0.5, 1.0],
)
VALUES: dict[str, Value] = {"learning_rate": 2e-3, "lora_rank": 4, "epochs": 2, "map_steps": 3}
CHOICE = EpochChoice()


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def encoder(small_model: Path) -> EncoderSettings:
    return EncoderSettings(base=str(small_model), max_tokens=16, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return make_data()


def test_a_trial_is_scored_by_what_the_training_takes(data: TrainingData, encoder: EncoderSettings) -> None:
    trial = Trial(0)
    (score,) = recipe_objective(data, TRAINING, encoder, CHOICE)(VALUES, trial)
    options = with_values(TRAINING, VALUES, seed=TRAINING.seed)
    result = training_loop.train(
        trained_spec(encoder, options), data, options, device="cpu", precision="float32", choice=CHOICE
    )
    taken = next((row for row in result.trade_off if row["taken"]), result.history[result.best_epoch])
    assert score == taken["validation_score"]
    assert trial.steps == {row["epoch"]: row["validation_score"] for row in result.history[1:]}
    assert trial.figures["share_of_tuned"] == result.share
    assert trial.figures["validation_rank_kept"] == taken["validation_rank_kept"]
    assert trial.limits == beyond(taken, TRAINING, CHOICE) and max(trial.limits.values()) <= 0
    averaged = [row for row in result.trade_off if row["share"] > 0]
    assert trial.looks == len(result.history) - 1 + len(averaged)


def test_seeds_are_folds(data: TrainingData, encoder: EncoderSettings) -> None:
    trial, single = Trial(0), Trial(0)
    both = recipe_objective(data, TRAINING, encoder, CHOICE, seeds=2)(VALUES, trial)
    one = recipe_objective(data, TRAINING.model_copy(update={"seed": 8}), encoder, CHOICE)(VALUES, single)
    assert len(both) == 2 and both[1] == one[0] and trial.looks > single.looks
    assert list(trial.steps) == [1, 2]


def test_without_averaging_what_must_be_kept_is_a_limit(data: TrainingData, encoder: EncoderSettings) -> None:
    training = TRAINING.model_copy(
        update={"average_shares": [], "keep_similarities": 0.9999, "anchors_per_batch": 0, "tuned_share": 1.0}
    )
    table = search(
        Space([Real("learning_rate", 1e-3, 1e-2, log=True)]),
        recipe_objective(data, training, encoder, CHOICE),
        trials=3,
        seed=1,
        pruning=False,
    )
    rows = table.to_pylist()
    # Epoch 0 is the base model, which keeps everything.
    assert ["similarities" in row["broken"] for row in rows] == [row["best_epoch"] > 0 for row in rows]
    assert any(row["broken"] for row in rows)
    assert all(row["allowed"] for row in rows if row["best"])


def test_what_is_searched_follows_the_settings() -> None:
    ranges = RecipeStudySettings(epochs=[], learning_rate=[1e-3, 4e-3])
    space = recipe_space(ranges, TRAINING)
    assert "epochs" not in space.names and space[0] == Real("learning_rate", 1e-3, 4e-3, log=True)
    assert Whole("lora_rank", 4, 64, log=True) in list(space) and Whole("map_steps", 0, 40) in list(space)
    assert "lora_rank" not in recipe_space(ranges, TrainingSettings(tuned="biases")).names
    # Of a head other values count than of the transformer.
    of_head = recipe_space(RecipeStudySettings(), TrainingSettings(tuned="head")).names
    assert {"head_steps", "head_learning_rate", "head_units", "head_noise", "temperature"} <= set(of_head)
    assert not {"learning_rate", "lora_rank", "epochs", "map_steps"} & set(of_head)
    assert not {name for name in space.names if name.startswith("head_")}
    # The default of the learning rate is the upper end, that of the epochs is not searched.
    assert default_values(space)["learning_rate"] == 4e-3 and "epochs" not in default_values(space)
    assert default_values(recipe_space(RecipeStudySettings(), TrainingSettings())).keys() == set(of_head)


def test_taking_over_what_won_leaves_the_study_as_it_is() -> None:
    space = recipe_space(RecipeStudySettings(), TrainingSettings())
    before = fixed_values(TrainingSettings(), space)
    assert (
        fixed_values(TrainingSettings(head_learning_rate=2e-3, head_units=8, head_steps=40), space) == before
    )
    assert fixed_values(TrainingSettings(log_every_steps=3, keep_epochs=True), space) == before
    assert fixed_values(TrainingSettings(notes_per_batch=16), space) != before


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"learning_rate": [1e-3]}, "two ends"),
        ({"learning_rate": [1e-3, 1e-4]}, "the lower one first"),
        ({"epochs": [0, 4]}, "0 cannot be training.epochs"),
        ({"temperature": [0.05, 3]}, "cannot be training.temperature"),
        ({name: [] for name in RecipeStudySettings().ranges()}, "needs something to search"),
    ],
)
def test_ends_that_a_training_would_refuse_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        validate(RecipeStudySettings, values, where="medembed.toml")


def test_the_block_gives_the_very_values_of_the_trial() -> None:
    values: dict[str, Value] = {"learning_rate": 0.0012345678901234567, "lora_rank": 7, "epochs": 3}
    read = TrainingSettings.model_validate(tomllib.loads(training_block(values))["training"])
    assert {name: getattr(read, name) for name in values} == values


# The asset


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    settings = Settings(**{**dict(Settings()), "training": TRAINING})
    monkeypatch.setattr(declared, "SETTINGS", settings)
    return Lake(str(tmp_path / "lake"))


def materialize(lake: Lake, encoder: EncoderSettings, **study: Any) -> dict[str, Any]:
    """The metadata of `recipe_study`, made with these settings of `[study]`."""
    result = dg.materialize(
        [study_asset(declared.STUDY)],
        resources={"lake": LakeResource(url=lake.url), "encoder": launchpad_resource("encoder", encoder)},
        run_config={"ops": {"recipe_study": {"config": study}}},
        raise_on_error=False,
    )
    if not result.success:
        failure = next(event for event in result.all_events if event.is_step_failure)
        raise AssertionError(str(failure.step_failure_data.error))
    (found,) = result.asset_materializations_for_node("recipe_study")
    return {name: value.value for name, value in found.metadata.items()}


def trials(lake: Lake) -> list[dict[str, Any]]:
    table = lake.table("recipe_study").read()
    return table.drop_columns(["seconds"]).to_pylist()


def test_off_it_is_an_empty_table_that_says_so_and_reads_nothing(
    lake: Lake, encoder: EncoderSettings
) -> None:
    shown = materialize(lake, encoder)
    assert shown["dagster/row_count"] == 0 and shown["why_empty"] == OFF
    assert lake.table("recipe_study").footer.recipe.inputs == {}
    fill(lake)
    assert materialize(lake, encoder)["kept"]
    assert materialize(lake, encoder, trials=3, which=[])["dagster/row_count"] == 0


def test_no_trial_sees_a_test_note(
    lake: Lake, encoder: EncoderSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[TrainingData] = []
    known: list[Any] = []
    train = training_loop.train

    def spy(spec: Any, data: TrainingData, options: Any, **others: Any) -> Any:
        seen.append(data)
        known.append(others["known"])
        return train(spec, data, options, **others)

    monkeypatch.setattr(training_loop, "train", spy)
    expected = fill(lake)
    shown = materialize(lake, encoder, trials=2)
    notes = {
        *expected.train_ids,
        *expected.validation_ids,
        *(n for t in expected.validation_triplets for n in t),
    }
    for data in seen:
        assert set(data.texts) == set(data.specialties) == notes
        assert not any(SECRET in text for text in data.texts.values())
    assert not any(set(vectors) & set(TEST_NOTES) for vectors in known)
    assert shown["train_notes"] == len(expected.train_ids)
    # Other test notes: the study stands as it is.
    before = trials(lake)
    fill(lake, test_word="fever")
    assert materialize(lake, encoder, trials=2)["kept"]
    assert len(seen) == 2 and trials(lake) == before


def test_more_trials_go_on_where_it_ended_and_what_won_is_shown(lake: Lake, encoder: EncoderSettings) -> None:
    fill(lake)
    materialize(lake, encoder, trials=2, random_trials=2)
    two = trials(lake)
    shown = materialize(lake, encoder, trials=4, random_trials=2)
    four = trials(lake)
    assert [row["number"] for row in four] == [0, 1, 2, 3]
    assert [{**row, "best": None} for row in four[:2]] == [{**row, "best": None} for row in two]
    assert {name: four[0][name] for name in declared.SPACE.names} == dict(default_values(declared.SPACE))
    assert shown["looks"] == four[-1]["looks_so_far"] == sum(row["looks"] for row in four)
    best = next(row for row in four if row["best"])
    assert (
        shown["best_score"] == best["score"] == max(row["score"] for row in four if row["score"] is not None)
    )
    if best["number"]:
        assert f"learning_rate = {best['learning_rate']}" in shown["settings_block"]
    (folder,) = lake.names("store", FOLDER, "recipe")
    assert lake.names("store", FOLDER, "recipe", folder) == [f"{number:05}.json" for number in range(4)]
    # Made anew in another lake, it is the same to the last bit.
    other = Lake(f"{lake.url}-other")
    fill(other)
    materialize(other, encoder, trials=4, random_trials=2)
    assert trials(other) == four
    assert other.table("recipe_study").data_version == lake.table("recipe_study").data_version


def test_a_tracker_is_told_numbers_and_no_word_of_a_note(
    lake: Lake, encoder: EncoderSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_assets, "TRACKING", TrackingSettings(kind="mlflow"))
    data = fill(lake)
    shown = materialize(lake, encoder, trials=2)
    assert (shown["tracked_by"], shown["tracking_failures"]) == ("mlflow", 0)
    database = Path(lake.path("tracking", "mlflow.db"))
    runs = mlflow_runs(database)
    assert set(runs) == {"recipe study", "recipe trial 0", "recipe trial 1"}
    rows = trials(lake)
    for row in rows:
        told = runs[f"recipe trial {row['number']}"]
        assert float(told["params"]["temperature"]) == row["temperature"]
        assert told["metrics"]["score"] == {0: row["score"]}
    content = b"".join(path.read_bytes() for path in database.parent.rglob("*") if path.is_file())
    for secret in (*data.texts, *data.texts.values(), SECRET, "fracture", "Cardiology"):
        assert secret.encode() not in content, secret


def test_a_study_that_nobody_declared_is_refused(lake: Lake, encoder: EncoderSettings) -> None:
    with pytest.raises(AssertionError, match=r"there is no study weather; expected some of \['recipe'"):
        materialize(lake, encoder, trials=2, which=["weather"])
