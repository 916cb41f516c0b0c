"""Classifiers of the lake: folders named by their recipe, pointers to the current one and to that in service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medembed_pipeline.classification.errors import ClassificationError
from medembed_pipeline.classification.folder import ASSET, FOLDER, read_manifest
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.model_folder import MANIFEST
from medembed_pipeline.lake.pointers import Folders, InUse
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.training.checkpoints import CHECKPOINTS

CLASSIFIERS = Folders(ASSET, FOLDER, MANIFEST, "classifier")
IN_SERVICE = InUse(
    CLASSIFIERS,
    table="classifier_verdict",
    fact="classifier",
    file="classifier_in_service.json",
    withdrawn_name="withdrawn_classifiers",
    state="serving",
)


@dataclass(frozen=True)
class PublishedClassifier:
    """A classifier of the lake.

    Attributes
    ----------
    version
        its folder's name: hash of the recipe it was made from.
    data_version
        hash of what it holds.
    folder
        where it lies on this machine.
    manifest
        of the folder.
    """

    version: str
    data_version: str
    folder: Path
    manifest: dict[str, Any]

    @property
    def checkpoint(self) -> str | None:
        """Hash of the checkpoint that it belongs to; None where it belongs to none."""
        found: str | None = self.manifest["encoder"].get("data_version")
        return found


def published(lake: Lake, version: str) -> PublishedClassifier:
    """A classifier by its version."""
    folder = lake.local_copy(FOLDER, version, last=MANIFEST)
    manifest = read_manifest(folder)
    return PublishedClassifier(version, digest(manifest["files"]), folder, manifest)


def point_to(lake: Lake, classifier: PublishedClassifier, recipe: Recipe) -> None:
    """Make a classifier the current one.

    Raises
    ------
    OutdatedWorkError
        newer work has made another one current.
    """
    CLASSIFIERS.point_to(lake, classifier.version, classifier.data_version, recipe)


def current_classifier(lake: Lake) -> PublishedClassifier:
    """The classifier that was made last.

    Raises
    ------
    ClassificationError
        none has been made yet.
    """
    version = CLASSIFIERS.current(lake)
    if version is None:
        raise ClassificationError(
            f"there is no classifier in {lake.path(FOLDER)}. Materialize specialty_classifier first."
        )
    return published(lake, version)


def classifier_in_service(lake: Lake, *, instead_of: str | None = None) -> PublishedClassifier | None:
    """The classifier whose verdict was `deploy` last; None where none is, or it was removed.

    Parameters
    ----------
    lake
        where it lies.
    instead_of
        a version that is not asked for: where it is in service itself, the one before it is meant, so that a verdict
        stays what it was when it is drawn again.
    """
    version = IN_SERVICE.version(lake)
    if version is not None and version == instead_of:
        taken_back = IN_SERVICE.withdrawn(lake)
        version = next((one for one in IN_SERVICE.earlier(lake) if one not in taken_back), None)
    return published(lake, version) if version is not None and CLASSIFIERS.is_there(lake, version) else None


def can_answer(lake: Lake, classifier: PublishedClassifier) -> bool:
    """Whether the checkpoint that it needs, if any, is still in the lake."""
    version = classifier.manifest["encoder"].get("version")
    return version is None or CHECKPOINTS.is_there(lake, version)
