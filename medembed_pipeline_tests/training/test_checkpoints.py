"""Which checkpoint a table of vectors is of."""

from pathlib import Path

import pyarrow as pa
import pytest

from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publication import OutdatedWorkError
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.training.checkpoints import (
    Checkpoint,
    CheckpointError,
    checkpoint_behind,
    current_checkpoint,
    point_to,
)


def publish(lake: Lake, version: str) -> str:
    """A checkpoint folder that is the current one from now on; its data version."""
    files = {"weights": version}
    lake.write_json({"files": files}, "checkpoints", version, "manifest.json")
    pointer = {"version": version, "data_version": digest(files), "recipe": {}}
    lake.write_json(pointer, "finetuned_checkpoint.json")
    return digest(files)


def embed(lake: Lake, data_version: str) -> None:
    recipe = Recipe("tuned_embeddings", "1", {}, {"finetuned_checkpoint": data_version})
    lake.write_table(recipe, pa.table({"note_id": ["a"]}))


def test_vectors_are_of_the_checkpoint_that_made_them_not_of_the_current_one(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    embed(lake, publish(lake, "older"))
    assert checkpoint_behind(lake, lake.table("tuned_embeddings")).version == "older"
    newer = publish(lake, "newer")
    assert checkpoint_behind(lake, lake.table("tuned_embeddings")).version == "older"
    assert current_checkpoint(lake).version == "newer"
    embed(lake, newer)
    assert checkpoint_behind(lake, lake.table("tuned_embeddings")).version == "newer"


def test_a_removed_checkpoint_is_named_with_what_to_do(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    embed(lake, "a version that is gone")
    with pytest.raises(CheckpointError, match="Materialize tuned_embeddings"):
        checkpoint_behind(lake, lake.table("tuned_embeddings"))


def test_older_work_that_is_overtaken_by_newer_work_on_the_same_checkpoint_is_content(tmp_path: Path) -> None:
    older, newer = Lake(str(tmp_path)), Lake(str(tmp_path))
    older.begin_work("finetuned_checkpoint")
    newer.begin_work("finetuned_checkpoint")
    recipe = Recipe("finetuned_checkpoint", "1", {}, {})
    point_to(newer, Checkpoint("v", "d", tmp_path), recipe)
    point_to(older, Checkpoint("v", "d", tmp_path), recipe)
    with pytest.raises(OutdatedWorkError):
        point_to(older, Checkpoint("another", "e", tmp_path), recipe)
    assert (newer.read_json("finetuned_checkpoint.json") or {})["version"] == "v"
