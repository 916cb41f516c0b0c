"""Short texts cut out of notes: passages that have to find their note, and what the model must go on seeing as before.

Loads no torch.
"""

import math
from collections.abc import Sequence

import numpy as np

SHORTEST, LONGEST = 2, 80
"""Words of a phrase: from a term to a paragraph."""


def passage(text: str, *, beyond: int, words: int, rng: np.random.Generator) -> str | None:
    """A run of words from beyond the first `beyond` of a note, from a random place; None where it is too short.

    A word is at least one token, so that nothing of the passage lies within a window of `beyond` tokens.
    """
    cut = text.split()
    room = len(cut) - beyond - words
    if room < 0:
        return None
    start = beyond + int(rng.integers(room + 1))
    return " ".join(cut[start : start + words])


def phrases(texts: Sequence[str], count: int, *, rng: np.random.Generator) -> list[str]:
    """Runs of words from random places of random texts, log-uniform in length: terms, clauses, sentences.

    Parameters
    ----------
    texts
        at least one with a word.
    count
        how many.
    rng
        decides texts, lengths and places.
    """
    cut = [words for words in (text.split() for text in texts) if words]
    if not cut:
        return []
    found = []
    for _ in range(count):
        words = cut[int(rng.integers(len(cut)))]
        length = int(math.exp(rng.uniform(math.log(SHORTEST), math.log(LONGEST + 1))))
        start = int(rng.integers(max(1, len(words) - length + 1)))
        found.append(" ".join(words[start : start + length]))
    return found


SHORTEST_STRETCH, LONGEST_STRETCH = 40, 110
"""Words of a stretch: about what a window holds."""


def stretches(texts: Sequence[str], count: int, *, beyond: int, rng: np.random.Generator) -> list[str]:
    """Long runs of words from beyond the first `beyond` of notes: text that is no beginning of a note.

    Parameters
    ----------
    texts
        of which those that are too short give none.
    count
        how many; none where all texts are too short.
    beyond
        words at the beginning of a note that are left out.
    rng
        decides texts, lengths and places.
    """
    cut = [words for words in (text.split() for text in texts) if len(words) >= beyond + LONGEST_STRETCH]
    found = []
    for _ in range(count if cut else 0):
        words = cut[int(rng.integers(len(cut)))]
        length = int(rng.integers(SHORTEST_STRETCH, LONGEST_STRETCH + 1))
        start = beyond + int(rng.integers(len(words) - beyond - length + 1))
        found.append(" ".join(words[start : start + length]))
    return found
