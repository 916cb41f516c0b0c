"""Shingles of one text after the other, in plain Python: what `shingles.py` computes for many texts at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from medembed_pipeline.notes.shingles import SHINGLE_WORDS, shingle_width, words_of
from medembed_pipeline.notes.sketches import SKETCH_HASHES

_WHOLE = 2**64
_MULTIPLIER = 0x9E3779B97F4A7C15


def plain_word(word: str) -> int:
    """The 64-bit hash of a word."""
    return int.from_bytes(
        hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little"
    )


def plain_run(words: Sequence[str], width: int) -> int:
    """The 64-bit hash of a run of words."""
    value = width
    for word in words:
        value = (value * _MULTIPLIER + plain_word(word)) % _WHOLE
        value ^= value >> 29
    return value * _MULTIPLIER % _WHOLE


def plain_runs(text: str, width: int) -> list[int]:
    """The 32-bit hashes of a text's different runs of so many words, sorted."""
    words = words_of(text)
    starts = range(max(len(words) - width + 1, 1))
    return sorted({plain_run(words[start : start + width], width) >> 32 for start in starts})


def plain_set(text: str) -> list[int]:
    """A text's shingles."""
    return plain_runs(text, shingle_width(len(words_of(text))))


def plain_sketch(text: str) -> tuple[int, list[int]]:
    """The halvings and hashes of a text's sketch."""
    if len(words_of(text)) < 8:
        return 0, []
    hashes, halvings = plain_runs(text, SHINGLE_WORDS), 0
    while len(hashes) > SKETCH_HASHES:
        halvings += 1
        hashes = [value for value in hashes if value < 2 ** (32 - halvings)]
    return halvings, hashes
