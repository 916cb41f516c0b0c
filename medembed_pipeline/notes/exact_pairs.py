"""Near-duplicates across splits, found without any hash: the independent look at what the grouping did.

Two texts with a Jaccard similarity of t or more share a shingle among the rarest `size - ceil(t * size) + 1` of each
(prefix filtering: R. J. Bayardo, Y. Ma, R. Srikant, "Scaling up all pairs similarity search", WWW 2007; C. Xiao,
W. Wang, X. Lin, J. X. Yu, "Efficient similarity joins for near duplicate detection", WWW 2008). So no pair is missed,
and each is verified on all its shingles. Shingles are numbered by what they are, not by a hash.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.notes.shingles import shingle_width, words_of

IntArray = npt.NDArray[np.int64]

_CHUNK_PAIRS = 1 << 20


def crossing_pairs(
    texts: Sequence[str], sides: Sequence[int], *, threshold: float
) -> tuple[IntArray, IntArray]:
    """Every pair of texts of different sides whose word shingles have a Jaccard similarity of `threshold` or more.

    Parameters
    ----------
    texts
        n of them.
    sides
        n numbers, such as those of the splits.
    threshold
        above 0, at most 1.

    Returns
    -------
    tuple[IntArray, IntArray]
        Positions `left < right`, int64 [pairs] each, sorted.
    """
    count = len(texts)
    rows, shingles = _numbered_shingles(texts)
    if not len(rows):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    rows, ranks, unshared = _rarest_first(rows, shingles)
    sizes = np.bincount(rows, minlength=count)
    first = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    place = np.arange(len(rows)) - first[rows]
    # Rounded, so that 0.8 of 5 is 4 and not the next whole number.
    prefix = sizes - np.ceil(np.round(threshold * sizes, 9)).astype(np.int64) + 1
    telling = (place < prefix[rows]) & (ranks >= unshared)
    left, right = _candidates(rows[telling], ranks[telling], np.asarray(sides), sizes, threshold)
    shared = _shared(rows, ranks, first, sizes, left, right)
    near = shared >= np.round(threshold * (sizes[left] + sizes[right] - shared), 9)
    return left[near], right[near]


def _numbered_shingles(texts: Sequence[str]) -> tuple[IntArray, IntArray]:
    """(row, shingle number) of every shingle of every text, repeats included; equal shingles have equal numbers."""
    word_numbers = _Numbers()
    whole_numbers: dict[tuple[str, ...], int] = {}
    parts: dict[int, list[tuple[int, list[int]]]] = {3: [], 5: []}
    wholes: list[tuple[int, int]] = []
    for row, text in enumerate(texts):
        words = words_of(text)
        width = shingle_width(len(words))
        if width in parts and len(words) >= 8:
            parts[width].append((row, list(map(word_numbers.__getitem__, words))))
        else:
            wholes.append((row, whole_numbers.setdefault(tuple(words), len(whole_numbers))))
    all_rows = [np.array([row for row, _ in wholes], dtype=np.int64)]
    all_numbers = [np.array([number for _, number in wholes], dtype=np.int64)]
    offset = len(whole_numbers)
    for width, members in parts.items():
        rows, numbers = _runs(members, width)
        all_rows.append(rows)
        all_numbers.append(numbers + offset)
        offset += int(numbers.max(initial=-1)) + 1
    return np.concatenate(all_rows), np.concatenate(all_numbers)


class _Numbers(dict[str, int]):
    """A number for each different word, in the order of their first appearance."""

    def __missing__(self, word: str) -> int:
        self[word] = len(self)
        return self[word]


def _runs(members: list[tuple[int, list[int]]], width: int) -> tuple[IntArray, IntArray]:
    """(row, number) of every run of `width` words; runs are numbered by pairing numbers, so that none collide."""
    if not members:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    rows = np.repeat([row for row, _ in members], [len(words) for _, words in members]).astype(np.int64)
    words = np.concatenate([np.array(words, dtype=np.int64) for _, words in members])
    two = _paired(words[:-1], words[1:])
    runs = _paired(two[:-1], words[2:])
    if width == 5:
        runs = _paired(runs[:-2], two[3:])
    # A run that goes on into the next text is none.
    inside = rows[: len(runs)] == rows[width - 1 :]
    return rows[: len(runs)][inside], runs[inside]


def _paired(left: IntArray, right: IntArray) -> IntArray:
    """One number for each different pair of numbers, each below 2**31."""
    numbers = pa.array((left << 32) | right).dictionary_encode().indices
    return np.asarray(numbers, dtype=np.int64)


def _rarest_first(rows: IntArray, shingles: IntArray) -> tuple[IntArray, IntArray, int]:
    """The different shingles of each row, the rarest first, numbered by how rare they are; the first in two rows."""
    most = int(shingles.max()) + 1
    codes = np.unique(rows * most + shingles)
    rows, shingles = codes // most, codes % most
    frequency = np.bincount(shingles, minlength=most)
    rank_of = np.empty(most, dtype=np.int64)
    rank_of[np.argsort(frequency, kind="stable")] = np.arange(most)
    codes = np.sort(rows * most + rank_of[shingles])
    return codes // most, codes % most, int((frequency <= 1).sum())


def _candidates(
    rows: IntArray,
    ranks: IntArray,
    sides: npt.NDArray[np.int64],
    sizes: IntArray,
    threshold: float,
) -> tuple[IntArray, IntArray]:
    """Pairs of different sides, and of sizes that allow the threshold, that share one of these shingles."""
    count = len(sizes)
    if not len(rows):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    order = np.argsort(ranks, kind="stable")
    own, shingle = rows[order], ranks[order]
    starts = np.flatnonzero(np.concatenate(([True], shingle[1:] != shingle[:-1])))
    ends = np.concatenate((starts[1:], [len(shingle)]))
    found: list[IntArray] = [np.empty(0, dtype=np.int64)]
    pending = 0
    for start, end in zip(starts[ends - starts > 1].tolist(), ends[ends - starts > 1].tolist(), strict=True):
        members = own[start:end]
        of_side = sides[members]
        if (of_side == of_side[0]).all():
            continue
        for side in np.unique(of_side).tolist():
            here, there = members[of_side == side], members[of_side > side]
            left = np.repeat(here, len(there))
            right = np.tile(there, len(here))
            smaller, larger = np.minimum(sizes[left], sizes[right]), np.maximum(sizes[left], sizes[right])
            fits = smaller >= np.round(threshold * larger, 9)
            left, right = left[fits], right[fits]
            found.append(np.minimum(left, right) * count + np.maximum(left, right))
            pending += len(left)
        if pending > _CHUNK_PAIRS:
            found, pending = [np.unique(np.concatenate(found))], 0
    codes = np.unique(np.concatenate(found))
    return codes // count, codes % count


def _shared(
    rows: IntArray, ranks: IntArray, first: IntArray, sizes: IntArray, left: IntArray, right: IntArray
) -> IntArray:
    """How many shingles each pair has in common."""
    shared = np.zeros(len(left), dtype=np.int64)
    for pair, (a, b) in enumerate(zip(left.tolist(), right.tolist(), strict=True)):
        one, other = ranks[first[a] : first[a] + sizes[a]], ranks[first[b] : first[b] + sizes[b]]
        shared[pair] = len(np.intersect1d(one, other, assume_unique=True))
    return shared
