"""Triage models of the lake: folders named by their recipe, and the pointer to the current one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from medembed_pipeline.classification.verification import verify_model_folders
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.pointers import Folders
from medembed_pipeline.lake.verification import Finding
from medembed_pipeline.triage.errors import TriageError
from medembed_pipeline.triage.folder import MANIFEST, Parts, read_manifest, read_model

FOLDER: Final = "triage_models"
ASSET: Final = "triage_model"
MODELS: Final = Folders(ASSET, FOLDER, MANIFEST, "triage model")


@dataclass(frozen=True)
class PublishedTriageModel:
    """A model of the lake.

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

    @cached_property
    def parts(self) -> Parts:
        """What it is made of."""
        return read_model(self.folder)[0]


def published(lake: Lake, version: str) -> PublishedTriageModel:
    """A model by its version."""
    folder = lake.local_copy(FOLDER, version, last=MANIFEST)
    return PublishedTriageModel(version, digest(read_manifest(folder)["files"]), folder)


def current_model(lake: Lake) -> PublishedTriageModel:
    """The model that was made last.

    Raises
    ------
    TriageError
        none has been made yet.
    """
    version = MODELS.current(lake)
    if version is None:
        raise TriageError(f"there is no triage model in {lake.path(FOLDER)}. Materialize {ASSET} first.")
    return published(lake, version)


def verify_triage_models(lake: Lake) -> list[Finding]:
    """A finding per model folder, and one where the pointer leads nowhere or to something else."""
    return verify_model_folders(lake, MODELS)


def used_triage_models(lake: Lake) -> set[str]:
    """Versions that are never removed: the current one."""
    version = MODELS.current(lake)
    return set() if version is None else {version}
