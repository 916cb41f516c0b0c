"""Whether a worker is like the driver: other code or other libraries would give other tables."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import medembed_pipeline

LIBRARIES = (
    "torch",
    "transformers",
    "tokenizers",
    "openvino",
    "nncf",
    "numpy",
    "scipy",
    "pyarrow",
    "pillow",
    "ftfy",
    "datasketch",
)
"""Those that results of shards depend on."""
CODE = "medembed_pipeline"


@cache
def likeness() -> dict[str, str]:
    """Versions of Python and of the libraries, and a hash of this package's code, by name."""
    found = {"python": ".".join(map(str, sys.version_info[:2]))}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    folder = Path(medembed_pipeline.__path__[0])
    hasher = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        hasher.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return {**found, CODE: hasher.hexdigest()[:16]}


def unlike(here: dict[str, str], there: dict[str, str]) -> str:
    """What differs, in words; empty where nothing does."""
    names = sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))
    return ", ".join(
        f"{name} {here.get(name, 'none')} here, {there.get(name, 'none')} there" for name in names
    )
