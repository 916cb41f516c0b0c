"""Sketches by which a note is known again after much was added to it, or cut from it.

Jaccard similarity misses such edits: a note that doubles in length has half the similarity. Containment, the share
of the shorter text's shingles that the longer one has too, does not (A. Z. Broder, "On the resemblance and
containment of documents", 1997). It is measured on the shingles whose hash is below a bound, halved until at most
`SKETCH_HASHES` are left: a text of up to that many shingles is kept whole, and of two sketches the smaller bound
holds for both (FracMinHash: M. Hera, N. T. Pierce-Ward, D. Koslicki, "Deriving confidence intervals for mutation
rates across a wide range of evolutionary distances using FracMinHash", 2023).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medembed_pipeline.notes.shingles import (
    SHINGLE_WORDS,
    VERY_SHORT_NOTE_WORDS,
    UInt32Array,
    WordHashes,
    shingle_hashes,
    words_of,
)

SKETCH_HASHES = 256
LEAST_CONTAINED = 0.8
LEAST_SHARED = 4
COMMON_NOTES = 20
IntArray = npt.NDArray[np.int64]


def sketch(text: str, word_hashes: WordHashes) -> UInt32Array:
    """The sketch of a text: sorted hashes of its five-word shingles below a bound, `SKETCH_HASHES` at most.

    Empty for a text of fewer than eight words, which says too little to be known again by.
    """
    words = words_of(text)
    if len(words) < VERY_SHORT_NOTE_WORDS:
        return np.empty(0, dtype=np.uint32)
    hashes = np.unique((shingle_hashes(words, SHINGLE_WORDS, word_hashes) >> np.uint64(32)).astype(np.uint32))
    bound = 1 << 32
    while len(hashes) > SKETCH_HASHES:
        bound >>= 1
        hashes = hashes[: np.searchsorted(hashes, bound)]
    return hashes
