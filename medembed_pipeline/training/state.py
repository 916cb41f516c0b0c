"""Where a training stands, on disk: complete or absent, and never taken for another training's."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from medembed_pipeline.errors import MedembedError

STATE_FILE = "training_state.pt"
EPOCHS_FOLDER = "epochs"


@dataclass
class Position:
    """Everything that a training needs to go on, besides weights and optimiser.

    Attributes
    ----------
    epoch
        epochs done.
    step
        steps of the optimiser done within the epoch under way.
    step_losses
        their losses.
    history
        one row per epoch, epoch 0 being the base model.
    best_epoch
        the epoch with the best validation score.
    best_score
        that score.
    best_weights
        that epoch's trained parameters; None for epoch 0.
    micro_batch
        notes at once; smaller than asked for after running out of GPU memory.
    random_state
        generators at the beginning of the next step.
    """

    epoch: int = 0
    step: int = 0
    step_losses: list[float] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    best_score: float = float("-inf")
    best_weights: dict[str, torch.Tensor] | None = None
    micro_batch: int = 0
    random_state: list[torch.Tensor] = field(default_factory=list)


def save_state(
    folder: Path,
    *,
    key: str,
    position: Position,
    weights: dict[str, torch.Tensor],
    optimizer: dict[str, Any],
) -> None:
    """Write the state beside the old one, then replace it: at any moment one of them is whole on disk.

    Raises
    ------
    MedembedError
        it can't be written, because the disk is full for example.
    """
    beside = folder / f"{STATE_FILE}.partial"
    content = {"key": key, "position": vars(position), "weights": weights, "optimizer": optimizer}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as stream:
            torch.save(content, stream)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(folder / STATE_FILE)
    except (OSError, RuntimeError) as error:
        # torch reports a failed write as a RuntimeError.
        beside.unlink(missing_ok=True)
        raise MedembedError(
            f"training: its state can't be written to {folder} ({error}); make room there. The last saved "
            "state stands, and the next training goes on from it."
        ) from error


def load_state(folder: Path, *, key: str) -> tuple[Position, dict[str, torch.Tensor], dict[str, Any]] | None:
    """The saved position, weights and optimiser state; None where there is none of this training.

    Parameters
    ----------
    folder
        as for `save_state`.
    key
        identifies inputs, settings and code; a state with another key is left alone.
    """
    path = folder / STATE_FILE
    if not path.is_file():
        return None
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        # Cut off or damaged on disk: starting anew is always right, only slower.
        return None
    if saved.get("key") != key:
        return None
    return Position(**saved["position"]), saved["weights"], saved["optimizer"]


def epoch_folder(folder: Path, *, key: str, epoch: int) -> Path:
    """Where the model of an epoch is kept until the checkpoint is published; by key, as for `load_state`."""
    return folder / EPOCHS_FOLDER / key[:16] / str(epoch)


def keep_epoch(target: Path, save: Callable[[Path], None]) -> None:
    """Write the model of an epoch beside its place, then move it there: it is there whole, or not at all.

    Parameters
    ----------
    target
        of `epoch_folder`; a model that lies there already is replaced.
    save
        fills a folder.

    Raises
    ------
    MedembedError
        it can't be written, because the disk is full for example.
    """
    from safetensors import SafetensorError

    beside = target.with_name(f"{target.name}.partial")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        save(beside)
        for file in beside.rglob("*"):
            if file.is_file():
                with file.open("rb") as stream:
                    os.fsync(stream.fileno())
        shutil.rmtree(target, ignore_errors=True)
        beside.rename(target)
    except (OSError, RuntimeError, SafetensorError) as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise MedembedError(
            f"training: the model of epoch {target.name} can't be kept in {target.parent} ({error}); make room "
            "there, or set keep_epochs to false. The last saved state stands."
        ) from error


def clear_state(folder: Path) -> None:
    """Remove the saved state, and the models kept of its epochs, once the result has been published."""
    for name in (STATE_FILE, f"{STATE_FILE}.partial"):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / EPOCHS_FOLDER, ignore_errors=True)
