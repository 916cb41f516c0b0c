"""How a phrase with gaps becomes words.

A phrase may hold gaps in braces: ``{20|40|80}`` picks one of the alternatives, ``{40-60}`` a whole number in
that range, ``{year}`` a year past, and a name such as ``{side}`` is looked up in what is fixed for the whole
note: a note's side, or its patient's pronoun, never changes half way.
"""

import re
from collections.abc import Mapping
from functools import cache
from random import Random

_GAP = re.compile(r"\{([^}]*)\}")
_RANGE = re.compile(r"(\d+)-(\d+)")
# What a number gap of 1 leaves in the plural, such as "1 weeks".
_ONE_OF_MANY = re.compile(r"(?<![\d.])\b1 ([a-z]{2,}[a-rt-z])s\b")


@cache
def _parts(phrase: str) -> tuple[str, ...]:
    """The phrase cut at its gaps: odd places are gaps."""
    return tuple(_GAP.split(phrase))


@cache
def _range(gap: str) -> tuple[int, int] | None:
    match = _RANGE.fullmatch(gap)
    return (int(match[1]), int(match[2])) if match else None


def fill(phrase: str, *, random: Random, fixed: Mapping[str, str]) -> str:
    """The phrase with its gaps filled.

    Raises
    ------
    KeyError
        a gap names nothing in `fixed`.
    """
    parts = _parts(phrase)
    if len(parts) == 1:
        return phrase
    words = list(parts)
    for place in range(1, len(words), 2):
        gap = words[place]
        limits = _range(gap)
        if limits is not None:
            words[place] = str(random.randint(*limits))
        elif "|" in gap:
            words[place] = random.choice(gap.split("|"))
        elif gap == "year":
            words[place] = str(random.randint(2006, 2021))
        else:
            words[place] = fixed[gap]
    return _ONE_OF_MANY.sub(r"1 \1", "".join(words))
