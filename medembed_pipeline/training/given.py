"""A model that was not trained here, put in the place of `finetuned_checkpoint`: the graph measures it like its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from medembed_pipeline.encoder import EncoderSpec, encoder_fingerprint
from medembed_pipeline.encoder.spec import SPEC_FILE
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.training.checkpoints import (
    EPOCHS,
    FOLDER,
    GIVEN,
    MANIFEST,
    Checkpoint,
    checkpoint_of,
    point_to,
)

_READ_OF_A_CHECKPOINT: dict[str, Any] = {"trained_notes.json": [], "history.json": []}


def give_checkpoint(lake: Lake, spec: EncoderSpec) -> Checkpoint:
    """Make a model folder the current checkpoint of a local lake, by links: nothing is copied.

    Where it is a checkpoint of ours, its manifest, history and trained notes come along, but not the models of single
    epochs, which would all have to be encoded with.

    Parameters
    ----------
    lake
        on this machine, without a checkpoint of its own.
    spec
        how the model is to be loaded; its base is a folder.

    Raises
    ------
    MedembedError
        the folder is no model folder.
    """
    fingerprint = encoder_fingerprint(spec)
    version = fingerprint[:16]
    if not lake.exists(FOLDER, version, MANIFEST):
        with lake.staged_folder(FOLDER, version, last=MANIFEST) as folder:
            _link(Path(spec.base).resolve(), folder, fingerprint)
            known = spec.description()
            _write(folder / SPEC_FILE, known)
    checkpoint = checkpoint_of(lake, version)
    point_to(lake, checkpoint, Recipe("finetuned_checkpoint", GIVEN, {}, {"model": fingerprint}))
    return checkpoint


def _link(model: Path, folder: Path, fingerprint: str) -> None:
    for source in model.iterdir():
        if source.name not in (EPOCHS, MANIFEST, SPEC_FILE):
            (folder / source.name).symlink_to(source)
    for name, empty in _READ_OF_A_CHECKPOINT.items():
        if not (folder / name).exists():
            _write(folder / name, empty)
    manifest = {"data_versions": {}, "best_epoch": 0, **_read(model / MANIFEST)}
    _write(folder / MANIFEST, {**manifest, GIVEN: True, "files": {"model": fingerprint}})


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
