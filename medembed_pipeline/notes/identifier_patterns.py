"""The patterns of identifiers, from `data/identifiers.toml`: compiled when they are first asked for."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from medembed_pipeline.words import read_words

_FRAGMENT = re.compile(r"\{([A-Z_]+)\}")


class IdentifierFamily(NamedTuple):
    """Patterns that can only match near a hint: looked for there, not at every character of the note.

    ``words`` are searched in the lower-cased text, ``hint`` is a regular expression whose first character is
    cheap to find. ``before`` and ``after`` say how far around a hint a match can reach; None: the whole text.
    """

    words: tuple[str, ...]
    hint: re.Pattern[str] | None
    before: int | None
    after: int
    patterns: tuple[tuple[str, re.Pattern[str]], ...]


@cache
def identifier_families() -> tuple[IdentifierFamily, ...]:
    """The families in order of precedence."""
    read = read_words(Path(__file__).parent / "data" / "identifiers.toml")
    fragments: dict[str, str] = {}
    for name, text in read["fragments"].items():
        one = text if isinstance(text, str) else f"(?:{'|'.join(text)})"
        fragments[name] = _whole(one, fragments)
    return tuple(_family(words, fragments) for words in read["families"])


def _family(words: dict[str, Any], fragments: dict[str, str]) -> IdentifierFamily:
    flags = re.IGNORECASE if words.get("ignore_case") else 0
    return IdentifierFamily(
        words.get("words", ()),
        re.compile(words["hint"]) if "hint" in words else None,
        words.get("before"),
        words.get("after", 0),
        tuple((kind, re.compile(_whole(pattern, fragments), flags)) for kind, pattern in words["patterns"]),
    )


def _whole(pattern: str, fragments: dict[str, str]) -> str:
    return _FRAGMENT.sub(lambda gap: fragments[gap[1]], pattern)
