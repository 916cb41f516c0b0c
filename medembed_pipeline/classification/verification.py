"""Whether the classifiers of the lake are what was written, and which of them nothing refers to any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medembed_pipeline.classification.classifiers import ASSET, FOLDER, IN_SERVICE, POINTER
from medembed_pipeline.classification.folder import MANIFEST
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.verification import Finding
from medembed_pipeline.training.verification import verify_checkpoint


def verify_classifiers(lake: Lake) -> list[Finding]:
    """A finding per classifier folder, and per pointer that leads nowhere or to something else."""
    return verify_model_folders(lake, FOLDER, ASSET, (POINTER, IN_SERVICE))


def verify_model_folders(lake: Lake, folder: str, asset: str, pointers: Sequence[str]) -> list[Finding]:
    """A finding per model folder, and per pointer that leads nowhere or to something else.

    Parameters
    ----------
    lake
        to look through.
    folder
        where the model folders lie, each with a manifest of the hashes of its files.
    asset
        that makes them.
    pointers
        files that name one of them, that of the current one first.
    """
    findings = []
    for version in lake.names(folder):
        name = f"{folder}/{version}"
        if not lake.exists(folder, version, MANIFEST):
            findings.append(Finding(name, "leftover", "without its manifest: being uploaded, or abandoned"))
            continue
        try:
            with lake.fetched_folder(folder, version) as fetched:
                problems = verify_checkpoint(fetched)
        except MedembedError as error:
            problems = [str(error)]
        detail = "; ".join(problems) or "every file but the card is the manifest's"
        remedy = f". Remove the folder and materialize {asset}" if problems else ""
        findings.append(Finding(name, "altered" if problems else "ok", detail + remedy))
    found = [
        _pointer_finding(lake, pointer, folder, asset, current=pointer == pointers[0]) for pointer in pointers
    ]
    return [*findings, *(one for one in found if one is not None)]


def _pointer_finding(lake: Lake, name: str, folder: str, asset: str, *, current: bool) -> Finding | None:
    try:
        pointer: dict[str, Any] | None = lake.read_json(name)
        version = None if pointer is None else str(pointer["version"])
    except (ValueError, KeyError, TypeError):
        return Finding(name, "altered", f"can't be read; remove it and materialize {asset}")
    if pointer is None or version is None:
        if current and asset in lake.published_names():
            return Finding(name, "missing", f"materialize {asset} to make it again")
        return None
    if not lake.exists(folder, version, MANIFEST):
        return Finding(
            name, "missing", f"points to {folder}/{version}, which is not there; materialize {asset}"
        )
    manifest = lake.read_json(folder, version, MANIFEST) or {}
    if "data_version" in pointer and digest(manifest.get("files")) != pointer["data_version"]:
        return Finding(name, "altered", f"its data version is not that of {folder}/{version}")
    return Finding(name, "ok", f"points to {version}")


def used_classifiers(lake: Lake) -> set[str]:
    """Versions that are never removed: the current one, the one in service, and the one before it."""
    current, service = lake.read_json(POINTER) or {}, lake.read_json(IN_SERVICE) or {}
    return {
        str(version)
        for version in (current.get("version"), service.get("version"), service.get("before"))
        if version is not None
    }


def checkpoints_of_classifiers(lake: Lake) -> set[str]:
    """Versions of the checkpoints that these need."""
    needed = set()
    for version in used_classifiers(lake):
        manifest = lake.read_json(FOLDER, version, MANIFEST) or {}
        checkpoint = manifest.get("encoder", {}).get("version")
        if checkpoint is not None:
            needed.add(str(checkpoint))
    return needed
