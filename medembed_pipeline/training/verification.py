"""Whether a checkpoint folder is what was written. Loads no torch."""

import json
from pathlib import Path

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.fingerprint import file_sha256

MANIFEST_FILE = "manifest.json"


def verify_checkpoint(folder: Path) -> list[str]:
    """Hash every file of a checkpoint again and compare with its manifest.

    Args:
        folder: a checkpoint as `write_checkpoint` made it.

    Returns:
        What is wrong, a sentence each, naming the file: missing, altered, or not in the manifest. Empty when
        all is well.

    Raises:
        MedembedError: the folder has no manifest that can be read.
    """
    manifest = folder / MANIFEST_FILE
    try:
        expected: dict[str, str] = json.loads(manifest.read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MedembedError(
            f"{manifest}: can't be read as a checkpoint's manifest ({type(error).__name__}); the folder "
            "is no checkpoint, or damaged. Materialize finetuned_checkpoint again."
        ) from error
    present = {name for name in file_names(folder) if name != MANIFEST_FILE}
    problems = [f"{name}: missing" for name in sorted(expected.keys() - present)]
    problems += [f"{name}: not in the manifest" for name in sorted(present - expected.keys())]
    problems += [
        f"{name}: altered (its sha256 is not the manifest's)"
        for name in sorted(expected.keys() & present)
        if file_sha256(folder / name) != expected[name]
    ]
    return problems


def file_names(folder: Path) -> list[str]:
    """All files below a folder, sorted, relative to it, with forward slashes."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
