"""Pictures that stand: where nothing changed, drawing them again would take longer than all else of a run.

Beside the pictures of an asset lies what they were drawn from, and the hash of each: a picture that is missing, or is
another, is drawn again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake

FOLDER = "pictures"
NOTE = "drawn.json"
FORMATS = ("png", "svg")
LIBRARIES = ("matplotlib", "vl-convert-python", "pillow", "scikit-learn", "numpy")
PACKAGE = Path(__file__).resolve().parents[1]


@cache
def drawing_code() -> str:
    """64 hex over what draws: the libraries, and all code and words of this package, whichever a picture needs."""
    hasher = hashlib.sha256(digest([_version(name) for name in LIBRARIES]).encode())
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix in (".py", ".toml"):
            hasher.update(f"{path.relative_to(PACKAGE)}\0".encode() + path.read_bytes() + b"\0")
    return hasher.hexdigest()


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def find_drawn(lake: Lake, asset: str, drawn_from: str) -> dict[str, bytes] | None:
    """The pictures of an asset as PNG, by name, where all of them stand and were drawn from just this; else None."""
    noted: Any = lake.read_json(FOLDER, asset, NOTE)
    if noted is None or noted["drawn_from"] != drawn_from:
        return None
    found: dict[str, bytes] = {}
    for name, hashes in noted["pictures"].items():
        for suffix in FORMATS:
            content = lake.read_bytes(FOLDER, asset, f"{name}.{suffix}")
            if content is None or _sha256(content) != hashes[suffix]:
                return None
            if suffix == "png":
                found[name] = content
    return found


def write_drawn(lake: Lake, asset: str, drawn_from: str, pictures: Mapping[str, Mapping[str, bytes]]) -> None:
    """Write the pictures of an asset, and then the note of what they were drawn from.

    Parameters
    ----------
    lake
        where.
    asset
        whose they are.
    drawn_from
        hash of what they show and of what drew them.
    pictures
        by name, their content in each of FORMATS.
    """
    for name, picture in pictures.items():
        for suffix in FORMATS:
            lake.write_bytes(picture[suffix], FOLDER, asset, f"{name}.{suffix}")
    hashes = {
        name: {suffix: _sha256(picture[suffix]) for suffix in FORMATS} for name, picture in pictures.items()
    }
    lake.write_json({"drawn_from": drawn_from, "pictures": hashes}, FOLDER, asset, NOTE)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
