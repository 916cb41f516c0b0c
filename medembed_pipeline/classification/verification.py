"""Whether the classifiers of the lake are what was written, and which of them nothing refers to any more."""

from __future__ import annotations

from typing import Any

from medembed_pipeline.classification.classifiers import CLASSIFIERS, IN_SERVICE
from medembed_pipeline.classification.folder import FOLDER
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.model_folder import MANIFEST
from medembed_pipeline.lake.pointers import Folders, verify_withdrawn
from medembed_pipeline.lake.verification import Finding
from medembed_pipeline.training.verification import verify_checkpoint


def verify_classifiers(lake: Lake) -> list[Finding]:
    """A finding per classifier folder, and per pointer that leads nowhere or to something else."""
    return verify_model_folders(lake, CLASSIFIERS, IN_SERVICE.file) + verify_withdrawn(lake, IN_SERVICE)


def verify_model_folders(lake: Lake, models: Folders, *further: str) -> list[Finding]:
    """A finding per model folder, and per pointer that leads nowhere or to something else.

    Parameters
    ----------
    lake
        to look through.
    models
        the folders, each with a manifest of the hashes of its files.
    *further
        files that name one of them, beside the pointer to the current one.
    """
    findings = []
    for version in lake.names(models.folder):
        name = f"{models.folder}/{version}"
        if not models.is_there(lake, version):
            findings.append(Finding(name, "leftover", "without its manifest: being uploaded, or abandoned"))
            continue
        try:
            with lake.fetched_folder(models.folder, version) as folder:
                problems = verify_checkpoint(folder)
        except MedembedError as error:
            problems = [str(error)]
        detail = "; ".join(problems) or "every file but the card is the manifest's"
        remedy = f". Remove the folder and materialize {models.asset}" if problems else ""
        findings.append(Finding(name, "altered" if problems else "ok", detail + remedy))
    found = [_pointer_finding(lake, models, pointer) for pointer in (models.file, *further)]
    return [*findings, *(one for one in found if one is not None)]


def _pointer_finding(lake: Lake, models: Folders, name: str) -> Finding | None:
    asset, folder = models.asset, models.folder
    try:
        pointer: dict[str, Any] | None = lake.read_json(name)
        version = None if pointer is None else str(pointer["version"])
    except (ValueError, KeyError, TypeError):
        return Finding(name, "altered", f"can't be read; remove it and materialize {asset}")
    if pointer is None or version is None:
        if name == models.file and asset in lake.published_names():
            return Finding(name, "missing", f"materialize {asset} to make it again")
        return None
    if not models.is_there(lake, version):
        return Finding(
            name, "missing", f"points to {folder}/{version}, which is not there; materialize {asset}"
        )
    manifest = lake.read_json(folder, version, models.last) or {}
    if "data_version" in pointer and digest(manifest.get("files")) != pointer["data_version"]:
        return Finding(name, "altered", f"its data version is not that of {folder}/{version}")
    return Finding(name, "ok", f"points to {version}")


def used_classifiers(lake: Lake) -> set[str]:
    """Versions that are never removed: the current one, the one in service, and the one before it."""
    used = {CLASSIFIERS.current(lake), IN_SERVICE.version(lake), *IN_SERVICE.earlier(lake)[:1]}
    return {version for version in used if version is not None}


def checkpoints_of_classifiers(lake: Lake) -> set[str]:
    """Versions of the checkpoints that these need."""
    needed = set()
    for version in used_classifiers(lake):
        manifest = lake.read_json(FOLDER, version, MANIFEST) or {}
        checkpoint = manifest.get("encoder", {}).get("version")
        if checkpoint is not None:
            needed.add(str(checkpoint))
    return needed
