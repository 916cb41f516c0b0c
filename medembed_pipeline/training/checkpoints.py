"""Checkpoints of the lake: folders named by their recipe, and a pointer to the current one."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from medembed_pipeline.encoder import EncoderSpec, read_spec
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.pointers import Folders
from medembed_pipeline.lake.tables import LakeTable, Recipe

FOLDER = "checkpoints"
MANIFEST = "manifest.json"
CHECKPOINTS = Folders("finetuned_checkpoint", FOLDER, MANIFEST, "checkpoint")
POINTER = CHECKPOINTS.file
EPOCHS = "epochs"
GIVEN = "given"
"""Key of the manifest of a checkpoint that was not trained here."""


class CheckpointError(MedembedError):
    """There is no usable checkpoint."""


@dataclass(frozen=True)
class Checkpoint:
    """A published checkpoint.

    Attributes
    ----------
    version
        its folder's name: hash of the recipe it was made from.
    data_version
        hash of what it holds.
    folder
        where it lies on this machine.
    """

    version: str
    data_version: str
    folder: Path

    @property
    def is_given(self) -> bool:
        """Whether it was put here as it is, not trained here: see `training.given`."""
        return bool(self.manifest().get(GIVEN))

    def encoder_spec(self, long_notes: Literal["cut", "windows"]) -> EncoderSpec:
        """How to load it, with the handling of long notes that the baseline has too; a given one as its files say."""
        spec = read_spec(self.folder)
        return spec if self.is_given else replace(spec, long_notes=long_notes)

    def trained_note_ids(self) -> list[str]:
        """Ids of the notes it was trained on."""
        ids: list[str] = self._read("trained_notes.json")
        return ids

    def manifest(self) -> dict[str, Any]:
        """How it was made: settings, versions, counts, hashes."""
        manifest: dict[str, Any] = self._read(MANIFEST)
        return manifest

    def history(self) -> list[dict[str, Any]]:
        """Losses and validation scores, a row per epoch."""
        history: list[dict[str, Any]] = self._read("history.json")
        return history

    def trade_off(self) -> list[dict[str, Any]]:
        """Validation scores by share of the average with the base model; empty where nothing was averaged."""
        path = self.folder / "trade_off.json"
        rows: list[dict[str, Any]] = self._read(path.name) if path.is_file() else []
        return rows

    def epoch_specs(self, long_notes: Literal["cut", "windows"]) -> dict[int, EncoderSpec]:
        """How to load the models kept of single epochs, by epoch; none where the training kept none.

        Epoch 0, the model that the training began with, is among them only where it is not the base model.
        """
        folder = self.folder / EPOCHS
        if not folder.is_dir():
            return {}
        epochs = sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())
        return {epoch: replace(read_spec(folder / str(epoch)), long_notes=long_notes) for epoch in epochs}

    def _read(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))


def checkpoint_of(lake: Lake, version: str) -> Checkpoint:
    """A published checkpoint by its version."""
    folder = lake.local_copy(FOLDER, version, last=MANIFEST)
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return Checkpoint(version, digest(manifest["files"]), folder)


def point_to(lake: Lake, checkpoint: Checkpoint, recipe: Recipe) -> None:
    """Make a checkpoint the current one.

    Raises
    ------
    OutdatedWorkError
        newer work has made another one current.
    """
    CHECKPOINTS.point_to(lake, checkpoint.version, checkpoint.data_version, recipe)


def checkpoint_behind(lake: Lake, tuned_embeddings: LakeTable) -> Checkpoint:
    """The checkpoint that made a table of tuned vectors: what is measured on them is of this one.

    It need not be the current one: a training may end while its predecessor is still being measured.

    Raises
    ------
    CheckpointError
        it has been removed.
    """
    wanted = tuned_embeddings.footer.recipe.inputs["finetuned_checkpoint"]
    pointer = lake.read_json(POINTER) or {}
    if pointer.get("data_version") == wanted and CHECKPOINTS.is_there(lake, pointer["version"]):
        return checkpoint_of(lake, pointer["version"])
    for version in lake.names(FOLDER):
        if CHECKPOINTS.is_there(lake, version):
            manifest = lake.read_json(FOLDER, version, MANIFEST) or {}
            if digest(manifest.get("files")) == wanted:
                return checkpoint_of(lake, version)
    raise CheckpointError(
        f"the checkpoint behind tuned_embeddings is not in {lake.path(FOLDER)} any more. Materialize tuned_embeddings."
    )


def current_checkpoint(lake: Lake) -> Checkpoint:
    """The checkpoint that new notes are embedded with.

    Raises
    ------
    CheckpointError
        none has been made yet.
    """
    version = CHECKPOINTS.current(lake)
    if version is None:
        raise CheckpointError(
            f"there is no checkpoint in {lake.path(FOLDER)}. Materialize finetuned_checkpoint first."
        )
    return checkpoint_of(lake, version)
