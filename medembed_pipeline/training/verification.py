"""Whether a checkpoint folder is what was written. Loads no torch."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.fingerprint import file_sha256

MANIFEST_FILE = "manifest.json"
CARD_FILE = "README.md"
"""The model card: the one file of a checkpoint that is renewed, when it has been measured."""

CARD_MISSING = f"{CARD_FILE}: missing"


def verify_checkpoint(folder: Path) -> list[str]:
    """Hash every file of a checkpoint again and compare with its manifest.

    The model card has to be there, and may have been renewed since: `card.verification` looks into it.

    Parameters
    ----------
    folder
        a checkpoint as `write_checkpoint` made it, or as an earlier version of it did.

    Returns
    -------
    list[str]
        What is wrong, a sentence each, naming the file: missing, altered, or not in the manifest. Empty when all is
        well.

    Raises
    ------
    MedembedError
        the folder has no manifest that can be read.
    """
    path = folder / MANIFEST_FILE
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        expected: dict[str, str] = dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MedembedError(
            f"{path}: can't be read as a checkpoint's manifest ({type(error).__name__}); the folder "
            "is no checkpoint, or damaged. Materialize finetuned_checkpoint again."
        ) from error
    # Earlier versions listed the card among the files.
    expected.pop(CARD_FILE, None)
    names = set(file_names(folder))
    present = names - {MANIFEST_FILE, CARD_FILE}
    problems = [f"{name}: missing" for name in sorted(expected.keys() - present)]
    if first_card_sha256(manifest) is not None and CARD_FILE not in names:
        problems.append(CARD_MISSING)
    problems += [f"{name}: not in the manifest" for name in sorted(present - expected.keys())]
    problems += [
        f"{name}: altered (its sha256 is not the manifest's)"
        for name in sorted(expected.keys() & present)
        if file_sha256(folder / name) != expected[name]
    ]
    return problems


def first_card_sha256(manifest: Mapping[str, Any]) -> str | None:
    """The hash of the card that the training wrote; None where it wrote none."""
    found = manifest.get("first_card") or (manifest.get("files") or {}).get(CARD_FILE)
    return None if found is None else str(found)


def file_names(folder: Path) -> list[str]:
    """All files below a folder, sorted, relative to it, with forward slashes."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
