"""Sketches by which a note is known again after much was added to it, or cut from it.

Jaccard similarity misses such edits: a note that doubles in length has half the similarity. Containment, the share
of the shorter text's shingles that the longer one has too, does not (A. Z. Broder, "On the resemblance and
containment of documents", 1997). It is measured on the shingles whose hash is below a bound, halved until at most
`SKETCH_HASHES` are left: a text of up to that many shingles is kept whole, and of two sketches the smaller bound
holds for both (FracMinHash: M. Hera, N. T. Pierce-Ward, D. Koslicki, "Deriving confidence intervals for mutation
rates across a wide range of evolutionary distances using FracMinHash", 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medembed_pipeline.notes.shingles import (
    SHINGLE_WORDS,
    SHORT_NOTE_WORDS,
    VERY_SHORT_NOTE_WORDS,
    HashedWords,
    IntArray,
    ShingleSets,
    UInt32Array,
    sets_of_runs,
)

SKETCH_HASHES = 256
LEAST_CONTAINED = 0.5
"""Half of the shorter text: what is cut or added does not matter, and of the rest half may be rewritten or masked.
Of 1,907 real notes 60 share so much with another, eight of them as near-duplicates, the others by a template."""
LEAST_SHARED = 6
"""Telling shingles (see `COMMON_GROUPS`) in common, at least: a run of ten words."""
COMMON_GROUPS = 50
"""A shingle of more groups is a phrase of many notes, and tells none of them."""

_CHUNK_PAIRS = 1 << 14


@dataclass(frozen=True)
class Sketch:
    """Some shingles of a text.

    Attributes
    ----------
    halvings
        how often the bound was halved: hashes are below 2 ** (32 - halvings).
    hashes
        sorted different hashes, uint32.
    """

    halvings: int
    hashes: UInt32Array

    def packed(self) -> bytes:
        """To be kept in a table: a byte, then little-endian uint32."""
        return bytes([self.halvings]) + np.ascontiguousarray(self.hashes, dtype="<u4").tobytes()

    @classmethod
    def unpacked(cls, cell: bytes | None) -> Sketch:
        """What `packed` packed; an empty sketch where there is no cell."""
        if not cell:
            return cls(0, np.empty(0, dtype=np.uint32))
        return cls(cell[0], np.frombuffer(cell, dtype="<u4", offset=1))


def sketches(words: HashedWords, sets: ShingleSets) -> list[Sketch]:
    """The sketches of texts: their five-word shingles with hashes below a bound, `SKETCH_HASHES` at most.

    Empty for a text of fewer than eight words, which says too little to be known again by.

    Parameters
    ----------
    words
        of the texts.
    sets
        what `shingle_sets` makes of them: a longer text's shingles are of five words anyway.
    """
    none = np.empty(0, dtype=np.uint32)
    counts = words.counts
    shingles = sets.divided()
    short = np.flatnonzero((counts >= VERY_SHORT_NOTE_WORDS) & (counts < SHORT_NOTE_WORDS))
    runs = sets_of_runs(words, short, np.full(len(short), SHINGLE_WORDS))
    for text, own in zip(short.tolist(), runs.divided(), strict=True):
        shingles[text] = own
    return [
        _sketch(own if count >= VERY_SHORT_NOTE_WORDS else none)
        for own, count in zip(shingles, counts.tolist(), strict=True)
    ]


def _sketch(hashes: UInt32Array) -> Sketch:
    halvings = 0
    while len(hashes) > SKETCH_HASHES:
        halvings += 1
        hashes = hashes[: np.searchsorted(hashes, np.uint32(1 << (32 - halvings)))]
    return Sketch(halvings, hashes)


def containing_pairs(
    sketches: Sequence[Sketch], groups: Sequence[str], new: npt.NDArray[np.bool_]
) -> tuple[IntArray, IntArray]:
    """Pairs of texts of which one holds most of the other, of different groups, one of them new.

    Parameters
    ----------
    sketches
        n of them.
    groups
        the group per text, as far as it is known: by how many groups a shingle is used says whether it is a phrase of
        many notes.
    new
        bool [n]: only pairs with a new text are looked for.

    Returns
    -------
    tuple[IntArray, IntArray]
        Positions int64 [pairs], twice; every pair of which the shorter text has `LEAST_CONTAINED` of its shingles in
        the longer one, `LEAST_SHARED` of them telling.
    """
    none = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    if not len(sketches) or not new.any():
        return none
    from scipy.sparse import csr_matrix

    rows = np.repeat(np.arange(len(sketches)), [len(own.hashes) for own in sketches])
    values, columns = np.unique(np.concatenate([own.hashes for own in sketches]), return_inverse=True)
    if not len(values):
        return none
    numbers = np.unique(np.asarray(groups), return_inverse=True)[1].astype(np.int64)
    uses = np.unique(columns.astype(np.int64) * len(sketches) + numbers[rows])
    of_groups = np.bincount(uses // len(sketches), minlength=len(values))
    telling = (of_groups > 1) & (of_groups <= COMMON_GROUPS)
    ones = np.ones(len(rows), dtype=np.int32)
    everything = csr_matrix((ones, (rows, columns)), shape=(len(sketches), len(values)))
    told = everything[:, np.flatnonzero(telling)]
    shared = (told[np.flatnonzero(new)] @ told.T).tocoo()
    enough = shared.data >= LEAST_SHARED
    left = np.flatnonzero(new)[shared.row[enough]].astype(np.int64)
    right = shared.col[enough].astype(np.int64)
    apart = numbers[left] != numbers[right]
    left, right = left[apart], right[apart]
    sizes = _smaller_sizes(sketches, rows, values[columns.reshape(-1)], left, right)
    keep = np.zeros(len(left), dtype=np.bool_)
    for start in range(0, len(left), _CHUNK_PAIRS):
        part = slice(start, start + _CHUNK_PAIRS)
        common = np.asarray(everything[left[part]].multiply(everything[right[part]]).sum(axis=1)).reshape(-1)
        keep[part] = common >= LEAST_CONTAINED * sizes[part]
    return left[keep], right[keep]


def _smaller_sizes(
    sketches: Sequence[Sketch], rows: IntArray, hashes: UInt32Array, left: IntArray, right: IntArray
) -> IntArray:
    """Of each pair the size of the smaller sketch below the bound that holds for both; `rows` of which are `hashes`."""
    halvings = np.array([own.halvings for own in sketches])
    both = np.maximum(halvings[left], halvings[right])
    sizes = np.zeros(len(left), dtype=np.int64)
    for number in np.unique(both):
        below = np.bincount(rows[hashes < 1 << (32 - int(number))], minlength=len(sketches))
        pairs = both == number
        sizes[pairs] = np.minimum(below[left[pairs]], below[right[pairs]])
    return sizes
