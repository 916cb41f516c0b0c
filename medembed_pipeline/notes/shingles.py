"""Word shingles of texts: the runs of words by which near-duplicate and edited notes are known.

A text is case-folded and cut into words (runs of letters, digits and underscores). All texts of a batch are worked on
at once, as arrays: a word is hashed once for each batch, and everything after that is arithmetic.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

UInt32Array = npt.NDArray[np.uint32]
UInt64Array = npt.NDArray[np.uint64]
IntArray = npt.NDArray[np.int64]

SHINGLE_WORDS = 5
SHORT_NOTE_WORDS = 20
SHORT_SHINGLE_WORDS = 3
VERY_SHORT_NOTE_WORDS = 8

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_WORD = re.compile(r"\w+")
_SPACE = ord(" ")
# Bytes of words in UTF-8, in lower case; what is no part of a word in ASCII is a space.
_WORD_BYTES = bytes(
    byte if byte >= 0x80 else ord(chr(byte).lower()) if _WORD.match(chr(byte)) else _SPACE
    for byte in range(0x100)
)
_CHUNK_BYTES = 1 << 23


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


@dataclass(frozen=True)
class HashedWords:
    """The words of some texts as 64-bit hashes.

    Attributes
    ----------
    hashes
        uint64, the words of all texts in order.
    starts
        int64 [texts + 1]: where those of each text begin, and where the last ones end.
    """

    hashes: UInt64Array
    starts: IntArray

    @property
    def counts(self) -> IntArray:
        """How many words each text has."""
        return np.diff(self.starts)


@dataclass(frozen=True)
class ShingleSets:
    """Sets of shingles as 32-bit hashes, one for each text: sorted, and each hash once.

    Attributes
    ----------
    hashes
        uint32, those of all texts in order.
    starts
        int64 [texts + 1]: where those of each text begin, and where the last ones end.
    """

    hashes: UInt32Array
    starts: IntArray

    def divided(self) -> list[UInt32Array]:
        """The set of each text."""
        return [self.hashes[start:end] for start, end in pairwise(self.starts.tolist())]


def hashed_words(texts: Sequence[str]) -> Iterator[HashedWords]:
    """The words of texts, of so many texts at a time as are small enough to be worked on at once."""
    pieces: list[bytes] = []
    size = 0
    for text in texts:
        piece = _bytes_of_words(text)
        if pieces and size + len(piece) > _CHUNK_BYTES:
            yield _hashed(pieces)
            pieces, size = [], 0
        pieces.append(piece)
        size += len(piece)
    if pieces:
        yield _hashed(pieces)


def shingle_sets(words: HashedWords) -> ShingleSets:
    """The sets of shingles by which similarity is defined (see `shingle_width`); each has one at least."""
    counts = words.counts
    widths = np.minimum(counts, VERY_SHORT_NOTE_WORDS - 1)
    widths[counts >= VERY_SHORT_NOTE_WORDS] = SHORT_SHINGLE_WORDS
    widths[counts >= SHORT_NOTE_WORDS] = SHINGLE_WORDS
    return sets_of_runs(words, np.arange(len(counts)), widths)


def sets_of_runs(words: HashedWords, texts: IntArray, widths: IntArray) -> ShingleSets:
    """The sets of the runs of words of some texts, as many words to a run as is said for each text.

    Parameters
    ----------
    words
        of all texts.
    texts
        positions of those asked for.
    widths
        of each of them, at most as many as it has words; 0 for a text without words, whose one run is empty.
    """
    keys = [np.empty(0, dtype=np.uint64)]
    for width in np.unique(widths).tolist():
        places = np.flatnonzero(widths == width)
        hashes, runs = _runs(words, texts[places], width)
        # A hash of 64 bits gives its upper half: its text in front of it, all sets are sorted at once.
        keys.append((np.repeat(places.astype(np.uint64), runs) << np.uint64(32)) | (hashes >> np.uint64(32)))
    sets = np.sort(np.concatenate(keys))
    sets = sets[np.concatenate(([True], sets[1:] != sets[:-1]))[: len(sets)]]
    bounds = np.arange(len(texts) + 1, dtype=np.uint64) << np.uint64(32)
    return ShingleSets(sets.astype(np.uint32), np.searchsorted(sets, bounds).astype(np.int64))


def _runs(words: HashedWords, texts: IntArray, width: int) -> tuple[UInt64Array, IntArray]:
    """64-bit hashes of the runs of `width` words of some texts, in order, and how many runs each text has."""
    counts = np.maximum(words.counts[texts] - width + 1, 1)
    ends = np.cumsum(counts)
    firsts = np.repeat(words.starts[texts] - ends + counts, counts) + np.arange(len(counts) and ends[-1])
    hashes: UInt64Array = np.full(len(firsts), max(width, 1), dtype=np.uint64)
    for _ in range(width):
        hashes *= MULTIPLIER
        hashes += words.hashes[firsts]
        hashes ^= hashes >> np.uint64(29)
        firsts += 1
    hashes *= MULTIPLIER
    return hashes, counts


def _bytes_of_words(text: str) -> bytes:
    if text.isascii():
        return text.encode("ascii").translate(_WORD_BYTES)
    return " ".join(words_of(text)).encode("utf-8", "surrogatepass")


def _hashed(pieces: Sequence[bytes]) -> HashedWords:
    """The words between spaces in each piece."""
    text = np.frombuffer(b"".join([b" ", *(piece + b" " for piece in pieces)]), dtype=np.uint8)
    in_word = text != _SPACE
    edges = np.flatnonzero(in_word[1:] != in_word[:-1]) + 1
    begins, ends = edges[::2], edges[1::2]
    offsets = np.concatenate(([0], np.cumsum(ends - begins)))
    letters = text[in_word]
    words = pa.Array.from_buffers(
        pa.large_binary(), len(begins), [None, pa.py_buffer(offsets), pa.py_buffer(letters)]
    ).dictionary_encode()
    different = np.fromiter(map(_word_hash, words.dictionary.to_pylist()), np.uint64, len(words.dictionary))
    bounds = np.cumsum([1, *(len(piece) + 1 for piece in pieces)])
    return HashedWords(different[np.asarray(words.indices)], np.searchsorted(begins, bounds))


def _word_hash(word: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(word, digest_size=8).digest(), "little")


def packed(hashes: Iterable[UInt32Array]) -> list[bytes]:
    """Sets of hashes as little-endian bytes, to be kept in a table."""
    return [np.ascontiguousarray(own, dtype="<u4").tobytes() for own in hashes]


def unpacked(cells: Iterable[bytes | None]) -> list[UInt32Array]:
    """What `packed` packed; no hash where there is no cell."""
    return [np.frombuffer(cell or b"", dtype="<u4") for cell in cells]
