"""Which families of identifiers are worth looking for in which texts, asked of all texts of a batch at once.

RE2, which Arrow brings, reads a text once whatever the pattern, and is many times as fast as Python's `re`. It knows
neither what stands around a match nor back references, so it is asked for a looser pattern: one that matches wherever
the true one does, and elsewhere too. What it does not find need not be looked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import pyarrow as pa

from medembed_pipeline.lake import compute as pc
from medembed_pipeline.notes.identifier_patterns import IdentifierFamily, identifier_families

_TOKEN = re.compile(
    r"\\\d|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?<?[=!]|\(\?P<\w+>|\(\?:|\(|\)|.",
    re.DOTALL,
)
_GROUPS = frozenset({"(", "(?:"})
_AROUND = frozenset({"(?=", "(?!", "(?<=", "(?<!"})
# What Python takes for white space in ASCII; RE2 knows fewer.
_WHITE_SPACE = r"\t-\r\x1c-\x20"


def likely_families(texts: Sequence[str]) -> list[Sequence[IdentifierFamily]]:
    """Of each text the families that may have an identifier in it: no other has.

    RE2 and Python agree on what a digit, a letter's other case and white space is in ASCII alone: a text with other
    characters gets all families.
    """
    families = identifier_families()
    chosen: list[Sequence[IdentifierFamily]] = [() if text.isascii() else families for text in texts]
    ascii_texts = [row for row, text in enumerate(texts) if text.isascii()]
    column = pa.array([texts[row] for row in ascii_texts], pa.large_string())
    any_of_them = "|".join(map(loose_pattern, families))
    likely = pc.indices_nonzero(pc.match_substring_regex(column, any_of_them))
    column = column.take(likely)
    rows = [ascii_texts[place] for place in likely.to_pylist()]
    signs = [pc.match_substring_regex(column, loose_pattern(family)).to_pylist() for family in families]
    for row, found in zip(rows, zip(*signs, strict=True), strict=True):
        chosen[row] = [family for family, sign in zip(families, found, strict=True) if sign]
    return chosen


@cache
def loose_pattern(family: IdentifierFamily) -> str:
    """A pattern of RE2 that matches somewhere in an ASCII text wherever a pattern of the family does in Python."""
    loose = (
        f"(?{'i' if pattern.flags & re.IGNORECASE else ''}:{loosened(pattern.pattern)})"
        for _, pattern in family.patterns
    )
    return "|".join(loose)


def loosened(pattern: str) -> str:
    """A pattern without its conditions on what stands around it, in the words of RE2.

    What looks ahead or behind and the edges of words go; a back reference becomes what its group matches.
    """
    opened: list[tuple[str, list[str]]] = [("(?:", [])]
    groups: list[str] = []
    numbers: list[int] = [0]
    for token in _TOKEN.findall(pattern):
        pieces = opened[-1][1]
        if token in _AROUND or token in _GROUPS or token.startswith("(?P<"):
            captures = token == "(" or token.startswith("(?P<")
            numbers.append(len(groups) if captures else -1)
            if captures:
                groups.append("")
            opened.append((token, []))
        elif token == ")":
            kind, inside = opened.pop()
            number = numbers.pop()
            whole = f"(?:{''.join(inside)})"
            if number >= 0:
                groups[number] = whole
            if kind not in _AROUND:
                opened[-1][1].append(whole)
        elif re.fullmatch(r"\\\d", token):
            pieces.append(groups[int(token[1:]) - 1])
        elif token.startswith("["):
            pieces.append(token.replace(r"\s", _WHITE_SPACE))
        elif token == r"\s":
            pieces.append(f"[{_WHITE_SPACE}]")
        elif token != r"\b":
            pieces.append(token)
    return "".join(opened[0][1])
