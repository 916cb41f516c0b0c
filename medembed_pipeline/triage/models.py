"""Triage models of the lake: folders named by their recipe, and the pointer to the current one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from medembed_pipeline.classification.verification import verify_model_folders
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.model_folder import MANIFEST
from medembed_pipeline.lake.pointers import Folders
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.lake.verification import Finding
from medembed_pipeline.triage.errors import TriageError
from medembed_pipeline.triage.folder import ASSET, FOLDER, Parts, read_manifest, read_model

MODELS: Final = Folders(ASSET, FOLDER, MANIFEST, "triage model")
VERDICT: Final = "triage_verdict"


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


def judged_model(lake: Lake, verdict: LakeTable | None) -> PublishedTriageModel | None:
    """The model that a verdict is about, so that a newer one changes nothing until it is judged; None where it is gone.

    Parameters
    ----------
    lake
        where it lies.
    verdict
        `triage_verdict`; None where there is none.
    """
    version = None if verdict is None else verdict.footer.facts.get("model")
    if verdict is None or version is None or not lake.exists(FOLDER, version, MANIFEST):
        return None
    found = published(lake, version)
    return found if found.data_version == verdict.footer.recipe.inputs.get(ASSET) else None


def verify_triage_models(lake: Lake) -> list[Finding]:
    """A finding per model folder, and one where the pointer leads nowhere or to something else."""
    return verify_model_folders(lake, MODELS)


def used_triage_models(lake: Lake) -> set[str]:
    """Versions that are never removed: the current one, and the one that the verdict is about."""
    verdict = lake.find_table(VERDICT)
    named = {MODELS.current(lake), verdict and verdict.footer.facts.get("model")}
    return {str(version) for version in named if version}


def tuned_encoders(lake: Lake) -> set[str]:
    """Fingerprints of the encoders that the models in use have tuned."""
    found = set()
    for version in used_triage_models(lake):
        if MODELS.is_there(lake, version):
            parts = published(lake, version).parts
            found |= {
                own.fingerprint(str(parts.encoders[part]["fingerprint"]))
                for part, own in parts.adapters.items()
            }
    return found
