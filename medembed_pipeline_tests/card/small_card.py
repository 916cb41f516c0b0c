"""A lake with a verdict on a checkpoint, and the card that is written of it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import dagster as dg
import pyarrow as pa

from medembed_pipeline.card.assets import model_card
from medembed_pipeline.lake.fingerprint import file_sha256
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource
from medembed_pipeline.training.checkpoints import FOLDER, MANIFEST, checkpoint_of
from medembed_pipeline.training.verification import CARD_FILE
from medembed_pipeline.verdict.assets import release_verdict
from medembed_pipeline_tests.verdict.changes import scope_figure, task_record
from medembed_pipeline_tests.verdict.planted import Notes, fill_lake, planted

VERSION = "aaaaaaaaaaaaaaaa"
FIRST_CARD = "---\nlibrary_name: sentence-transformers\n---\n# The first card\n"
CANARY = "canaryword"
SITE = "site=North wing"


def write_checkpoint(lake: Lake, version: str = VERSION, *, older: bool = False) -> None:
    """A checkpoint folder that verifies; `older`: as they were when the card was one of the hashed files."""
    with lake.staged_folder(FOLDER, version, last=MANIFEST) as folder:
        (folder / "model.safetensors").write_text(f"weights of {version}")
        (folder / "trained_notes.json").write_text(json.dumps([f"{n:032x}" for n in range(10_000, 10_012)]))
        row = {"epoch": 0, "train_loss": None, "validation_loss": 0.5, "validation_map": 0.4}
        (folder / "history.json").write_text(json.dumps([row, {**row, "epoch": 1, "train_loss": 0.25}]))
        hashed = {path.name: file_sha256(path) for path in folder.iterdir()}
        (folder / CARD_FILE).write_text(FIRST_CARD)
        card = file_sha256(folder / CARD_FILE)
        manifest = {
            "base": "sentence-transformers/all-MiniLM-L6-v2",
            "encoder": {"pooling": "mean", "max_tokens": 128, "long_notes": "cut"},
            "training": {"a_parameter_of_tomorrow": {"nested": [1, 2]}, "epochs": 2},
            "counts": {"train_notes": 12_345, "train_triplets": 40, "specialties": 6},
            "best_epoch": 1,
            "chosen_by": "precision@5",
            "improved_on_base": True,
            "device": "cpu",
            "data_versions": {"triplets": "t" * 64},
            "files": {**hashed, CARD_FILE: card} if older else hashed,
            **({} if older else {"first_card": card, "base_licence": "apache-2.0"}),
        }
        (folder / MANIFEST).write_text(json.dumps(manifest))


def judged_lake(
    url: str, *, older: bool = False, notes: Notes | None = None, slices: bool = True, tasks: bool = True
) -> Lake:
    """A lake with every table that the verdict reads, and the verdict; every note's text holds the canary."""
    lake = Lake(url)
    notes = notes or planted()
    write_checkpoint(lake, older=older)
    texts = pa.chunked_array(
        [[f"{CANARY} {hashlib.sha256(str(n).encode()).hexdigest()}" for n in range(108)]]
    )
    fill_lake(
        lake,
        notes,
        version=VERSION,
        changed_texts=texts,
        slices=[scope_figure(SITE, 0.01, 0.01, 60), scope_figure("site=South", 0.0, 0.2, 4)]
        if slices
        else [],
        tasks=[task_record("passages"), task_record("own", problem="no items", decides=False)]
        if tasks
        else [],
    )
    run(lake, release_verdict)
    return lake


def run(lake: Lake, asset: Any, config: dict[str, Any] | None = None) -> dict[str, Any]:
    """Materialize an asset; returns its metadata, or raises what it failed with."""
    name = asset.key.path[-1]
    result = dg.materialize(
        [asset],
        resources={"lake": LakeResource(url=lake.url)},
        run_config={"ops": {name: {"config": config or {}}}},
        raise_on_error=False,
    )
    if not result.success:
        failure = next(event for event in result.all_events if event.is_step_failure)
        raise AssertionError(str(failure.step_failure_data.error))
    (found,) = result.asset_materializations_for_node(name)
    version = (found.tags or {}).get("dagster/data_version")
    return {**{key: value.value for key, value in found.metadata.items()}, "data_version": version}


def write_card(lake: Lake, **config: Any) -> dict[str, Any]:
    """Materialize the card; returns its metadata."""
    return run(lake, model_card, config)


def card_text(lake: Lake, version: str = VERSION) -> str:
    """What stands in the checkpoint's README.md."""
    content = lake.read_bytes(FOLDER, version, CARD_FILE)
    assert content is not None
    return content.decode()


def data_version(lake: Lake) -> str:
    """Of the checkpoint."""
    return checkpoint_of(lake, VERSION).data_version
