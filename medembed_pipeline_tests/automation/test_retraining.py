"""The retraining policy's facts, and going on from the current checkpoint."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from medembed_pipeline.automation.retraining import RetrainingPolicy, new_train_notes
from medembed_pipeline.automation.settings import AutomationSettings
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.training.checkpoints import FOLDER, MANIFEST, checkpoint_of, point_to
from medembed_pipeline.training.data import TrainingData
from medembed_pipeline.training.known_notes import known_notes, remember_known_notes
from medembed_pipeline.training.warm_start import WarmStart, warm_start, without_trained_notes


def publish_checkpoint(lake: Lake, recipe: Recipe, trained: list[str]) -> None:
    version = recipe.digest[:16]
    with lake.staged_folder(FOLDER, version, last=MANIFEST) as folder:
        (folder / "trained_notes.json").write_text(json.dumps(trained))
        manifest = {"files": {"model": version}, "data_versions": recipe.inputs}
        (folder / MANIFEST).write_text(json.dumps(manifest))
    point_to(lake, checkpoint_of(lake, version), recipe)


def recipe(triplets: str = "t1", base: str = "base", **inputs: str) -> Recipe:
    return Recipe("finetuned_checkpoint", "1", {}, {"triplets": triplets, "base_model": base, **inputs})


def write_splits(lake: Lake, splits: dict[str, str]) -> None:
    table = pa.table({"note_id": list(splits), "split": list(splits.values())})
    lake.write_table(Recipe("note_splits", "1", {}, {"version": digest(splits)}), table)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


def notes(first: int, last: int, split: str = "train") -> dict[str, str]:
    return {f"{split}{number}": split for number in range(first, last)}


def test_without_a_checkpoint_nothing_is_new(lake: Lake) -> None:
    assert new_train_notes(lake).share == 0
    write_splits(lake, notes(0, 5))
    assert new_train_notes(lake).share == 0


def test_only_notes_that_came_after_the_triplets_count_not_those_that_were_never_drawn(lake: Lake) -> None:
    before = {**notes(0, 90), **notes(0, 20, "test")}
    write_splits(lake, before)
    publish_checkpoint(lake, recipe(), trained=["train1", "train2"])
    remember_known_notes(lake, "t1", before)
    policy = RetrainingPolicy(AutomationSettings(new_share=0.1), lake.url)
    assert new_train_notes(lake).new == 0 and not policy.enough_new_notes()
    write_splits(lake, {**before, **notes(90, 99), **notes(20, 60, "test")})
    assert new_train_notes(lake).new == 9 and not policy.enough_new_notes()
    write_splits(lake, {**before, **notes(90, 100)})
    assert new_train_notes(lake).share == 0.1 and policy.enough_new_notes()


def test_a_checkpoint_without_that_record_counts_as_having_seen_what_it_was_trained_on(lake: Lake) -> None:
    publish_checkpoint(lake, recipe(), trained=["train1", "train2"])
    write_splits(lake, notes(0, 4))
    assert new_train_notes(lake).share == 0.5
    assert known_notes(lake, checkpoint_of(lake, recipe().digest[:16])) == {"train1", "train2"}


def test_there_is_no_start_without_a_checkpoint_or_from_another_base_model(lake: Lake) -> None:
    assert warm_start(lake, recipe()) is None
    publish_checkpoint(lake, recipe(base="another"), trained=[])
    assert warm_start(lake, recipe()) is None


def test_new_triplets_start_from_the_current_checkpoint_and_a_rerun_is_recognised(lake: Lake) -> None:
    publish_checkpoint(lake, recipe("t1"), trained=["train1"])
    first = checkpoint_of(lake, recipe("t1").digest[:16])
    assert warm_start(lake, recipe("t1")) == WarmStart(first, None)
    assert warm_start(lake, recipe("t2")) == WarmStart(first, first.data_version)
    second = recipe("t2", warm_start=first.data_version)
    publish_checkpoint(lake, second, trained=["train1", "train2"])
    again = warm_start(lake, recipe("t2"))
    assert again is not None and again.data_version == first.data_version
    assert again.checkpoint.version == second.digest[:16]


def test_validation_leaves_out_what_the_earlier_checkpoint_was_trained_on() -> None:
    ids = ["a", "b", "c", "d", "e", "f", "g"]
    data = TrainingData(
        texts=dict.fromkeys(ids, "text"),
        specialties={note: [note] for note in ids},
        train_triplets=[("a", "b", "c")],
        validation_triplets=[("d", "e", "f"), ("e", "f", "g")],
        validation_ids=["d", "e", "f", "g"],
    )
    left = without_trained_notes(data, ["d", "a"])
    assert left.validation_triplets == [("e", "f", "g")] and left.validation_ids == ["e", "f", "g"]
    assert left.train_triplets == data.train_triplets
