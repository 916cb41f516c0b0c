"""Whether the classifiers of the lake are what was written, and which of them nothing refers to any more."""

from __future__ import annotations

from typing import Any

from medembed_pipeline.classification.classifiers import ASSET, CLASSIFIERS, FOLDER, IN_SERVICE
from medembed_pipeline.classification.folder import MANIFEST
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.pointers import verify_withdrawn
from medembed_pipeline.lake.verification import Finding
from medembed_pipeline.training.verification import verify_checkpoint


def verify_classifiers(lake: Lake) -> list[Finding]:
    """A finding per classifier folder, and per pointer that leads nowhere or to something else."""
    findings = []
    for version in lake.names(FOLDER):
        name = f"{FOLDER}/{version}"
        if not lake.exists(FOLDER, version, MANIFEST):
            findings.append(Finding(name, "leftover", "without its manifest: being uploaded, or abandoned"))
            continue
        try:
            with lake.fetched_folder(FOLDER, version) as folder:
                problems = verify_checkpoint(folder)
        except MedembedError as error:
            problems = [str(error)]
        detail = "; ".join(problems) or "every file but the card is the manifest's"
        remedy = f". Remove the folder and materialize {ASSET}" if problems else ""
        findings.append(Finding(name, "altered" if problems else "ok", detail + remedy))
    for pointer in (CLASSIFIERS.file, IN_SERVICE.file):
        found = _pointer_finding(lake, pointer)
        if found is not None:
            findings.append(found)
    return findings + verify_withdrawn(lake, IN_SERVICE)


def _pointer_finding(lake: Lake, name: str) -> Finding | None:
    try:
        pointer: dict[str, Any] | None = lake.read_json(name)
        version = None if pointer is None else str(pointer["version"])
    except (ValueError, KeyError, TypeError):
        return Finding(name, "altered", f"can't be read; remove it and materialize {ASSET}")
    if pointer is None or version is None:
        if name == CLASSIFIERS.file and ASSET in lake.published_names():
            return Finding(name, "missing", f"materialize {ASSET} to make it again")
        return None
    if not lake.exists(FOLDER, version, MANIFEST):
        return Finding(
            name, "missing", f"points to {FOLDER}/{version}, which is not there; materialize {ASSET}"
        )
    manifest = lake.read_json(FOLDER, version, MANIFEST) or {}
    if "data_version" in pointer and digest(manifest.get("files")) != pointer["data_version"]:
        return Finding(name, "altered", f"its data version is not that of {FOLDER}/{version}")
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
