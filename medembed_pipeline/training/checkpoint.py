"""The training's result as a folder: the model, how it was made, and what it is for."""

import json
import platform
import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from medembed_pipeline.encoder.folder import save_encoder
from medembed_pipeline.encoder.spec import BUNDLED, EncoderSpec
from medembed_pipeline.lake.fingerprint import file_sha256
from medembed_pipeline.training import REVISION
from medembed_pipeline.training.checkpoints import EPOCHS
from medembed_pipeline.training.data import TrainingData
from medembed_pipeline.training.licence import licence_of_base
from medembed_pipeline.training.loop import TrainingResult
from medembed_pipeline.training.model_card import first_card
from medembed_pipeline.training.settings import TrainingSettings
from medembed_pipeline.training.verification import CARD_FILE, MANIFEST_FILE, file_names

HISTORY_FILE = "history.json"
TRADE_OFF_FILE = "trade_off.json"
TRAINED_NOTES_FILE = "trained_notes.json"

# The packages whose versions can change the weights' bytes, or the folder's.
_PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "numpy")


def write_checkpoint(
    folder: Path,
    result: TrainingResult,
    *,
    spec: EncoderSpec,
    data: TrainingData,
    options: TrainingSettings,
    data_versions: Mapping[str, str],
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write a checkpoint: a sentence-transformers model folder and, beside it,

    - `manifest.json`: settings, seed, versions of the input data and the packages, and the sha256 of every
      file. The card's stands apart, as `first_card`: it is renewed once the checkpoint has been measured, and that
      must not make another checkpoint of it;
    - `history.json`: the losses and scores of each epoch;
    - `trade_off.json`: the same scores by share of the average with the base model;
    - `trained_notes.json`: the ids of the notes trained on, sorted;
    - `README.md`: the first model card;
    - `epochs/<n>/`: the models of single epochs, where the training kept them.

    Nothing in it depends on the time or the place it is written at, and no text of a note is in it (but for
    the words that the base model's own vocabulary has). The manifest is written last.

    Parameters
    ----------
    folder
        created where missing, and meant to be empty; moving it to where it is published is the caller's.
    result
        of `train`.
    spec
        as given to `train`.
    data
        as given to `train`.
    options
        as given to `train`.
    data_versions
        of the input tables, by name.
    settings
        further settings to record, JSON-able.

    Returns
    -------
    dict[str, Any]
        The manifest.
    """
    save_encoder(result.encoder, folder)
    for epoch, kept in result.epoch_folders.items():
        shutil.copytree(kept, folder / EPOCHS / str(epoch))
    base, base_licence = base_name(spec), licence_of_base(spec.base)
    counts = data_counts(data)
    encoder = result.encoder.spec.description()
    _write_json(folder / HISTORY_FILE, result.history)
    _write_json(folder / TRADE_OFF_FILE, result.trade_off)
    _write_json(folder / TRAINED_NOTES_FILE, result.trained_ids)
    card = first_card(
        base=base,
        base_licence=base_licence,
        dimensions=result.encoder.dimensions,
        encoder=encoder,
        training=options.weight_values(),
        counts=counts,
        history=result.history,
        best_epoch=result.best_epoch,
        improved=result.improved,
        main_metric=result.main_metric,
    )
    (folder / CARD_FILE).write_text(card, encoding="utf-8")
    manifest = {
        "format": 2,
        "training_revision": REVISION,
        "base": base,
        "base_licence": base_licence,
        "dimensions": result.encoder.dimensions,
        "encoder": encoder,
        "training": options.weight_values(),
        "seed": options.seed,
        "settings": dict(settings or {}),
        "data_versions": dict(data_versions),
        "counts": counts,
        "best_epoch": result.best_epoch,
        "share_of_tuned": result.share,
        "chosen_by": result.main_metric,
        "improved_on_base": result.improved,
        "device": result.encoder.device.type,
        "precision": result.encoder.precision,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "files": {
            name: file_sha256(folder / name)
            for name in file_names(folder)
            if name not in (MANIFEST_FILE, CARD_FILE)
        },
        "first_card": file_sha256(folder / CARD_FILE),
    }
    _write_json(folder / MANIFEST_FILE, manifest)
    return manifest


def base_name(spec: EncoderSpec) -> str:
    """The base model's name without the place it lies at on this machine."""
    if spec.base == BUNDLED:
        return "sentence-transformers/all-MiniLM-L6-v2"
    folder = Path(spec.base).expanduser()
    return folder.resolve().name if folder.is_dir() else spec.base


def data_counts(data: TrainingData) -> dict[str, int]:
    """How many notes, triplets and specialties a training saw."""
    return {
        "train_notes": len(data.train_ids),
        "train_triplets": len(data.train_triplets),
        "validation_notes": len(set(data.validation_ids)),
        "validation_triplets": len(data.validation_triplets),
        "specialties": len({name for note in data.train_ids for name in data.specialties.get(note, ())}),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
