"""Words are data: vocabulary, templates and accepted names lie in TOML files, in a room's `data/` beside its code."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@cache
def read_words(path: Path) -> dict[str, Any]:
    """The tables of a TOML file, its arrays as tuples. Read once and shared: whoever asks leaves it as it is."""
    words: dict[str, Any] = _frozen(tomllib.loads(path.read_text(encoding="utf-8")))
    return words


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _frozen(item) for key, item in value.items()}
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
