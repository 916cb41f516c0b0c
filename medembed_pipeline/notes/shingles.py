"""Word shingles of texts: the runs of words by which near-duplicate and edited notes are known.

A text is case-folded and cut into words (runs of letters, digits and underscores).
"""

import hashlib
import re
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

UInt32Array = npt.NDArray[np.uint32]
UInt64Array = npt.NDArray[np.uint64]

SHINGLE_WORDS = 5
SHORT_NOTE_WORDS = 20
SHORT_SHINGLE_WORDS = 3
VERY_SHORT_NOTE_WORDS = 8

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_WORD = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    """The words of a text, case-folded, in order."""
    return _WORD.findall(text.casefold())


def shingle_width(words: int) -> int:
    """Words in a shingle of a text of so many words, by which similarity (Jaccard) is defined.

    Five; of a text of 8 to 19 words three; a shorter text is a single shingle, so that very short notes are
    near-duplicates only when their words are equal.
    """
    if words >= SHORT_NOTE_WORDS:
        return SHINGLE_WORDS
    return SHORT_SHINGLE_WORDS if words >= VERY_SHORT_NOTE_WORDS else max(words, 1)


class WordHashes(dict[str, int]):
    """64-bit hashes of words, each computed once."""

    def __missing__(self, word: str) -> int:
        digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        self[word] = int.from_bytes(digest, "little")
        return self[word]


def shingle_hashes(words: Sequence[str], width: int, word_hashes: WordHashes) -> UInt64Array:
    """64-bit hashes of the runs of `width` words, in order; at least one, also of fewer words."""
    hashes = np.fromiter(map(word_hashes.__getitem__, words), dtype=np.uint64, count=len(words))
    shingles: UInt64Array = np.full(max(len(words) - width + 1, 1), width, dtype=np.uint64)
    for offset in range(min(width, len(words))):
        shingles = shingles * MULTIPLIER + hashes[offset : offset + len(shingles)]
        shingles ^= shingles >> np.uint64(29)
    return shingles * MULTIPLIER


def shingle_set(text: str, word_hashes: WordHashes) -> UInt32Array:
    """The set of a text's shingles by which similarity is defined: sorted different hashes of 32 bits."""
    words = words_of(text)
    hashes = shingle_hashes(words, shingle_width(len(words)), word_hashes)
    return np.unique((hashes >> np.uint64(32)).astype(np.uint32))


def packed(hashes: Iterable[UInt32Array]) -> list[bytes]:
    """Sets of hashes as little-endian bytes, to be kept in a table."""
    return [np.ascontiguousarray(own, dtype="<u4").tobytes() for own in hashes]


def unpacked(cells: Iterable[bytes | None]) -> list[UInt32Array]:
    """What `packed` packed; no hash where there is no cell."""
    return [np.frombuffer(cell or b"", dtype="<u4") for cell in cells]
