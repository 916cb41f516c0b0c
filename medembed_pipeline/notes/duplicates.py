"""Near-duplicate notes: MinHash signatures of word shingles, and the groups that they form.

References: A. Z. Broder, "On the resemblance and containment of documents" (1997), for MinHash; J. Leskovec,
A. Rajaraman, J. D. Ullman, "Mining of Massive Datasets", chapter 3, for banding. The hash functions are those
of datasketch (https://ekzhu.com/datasketch/minhash.html), so a signature equals the one that
``datasketch.MinHash(scheme="affine32")`` makes of the same shingle hashes; only the loop over notes is
vectorised.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.notes.shingles import (
    MULTIPLIER,
    IntArray,
    ShingleSets,
    UInt32Array,
    hashed_words,
    shingle_sets,
)

Bands = Callable[[UInt32Array, int, float], Iterable[IntArray]]
"""Signatures, columns of a band, threshold -> codes of each band's candidates, see :func:`band_pairs`."""

#: Number of hash functions of a signature: the estimate of a similarity of 0.8 has a standard error of 0.035.
DEFAULT_PERMUTATIONS = 128
_SEED = 1
_CHUNK_SHINGLES = 1 << 16
_BUCKET_ALL_PAIRS = 16
_CHUNK_PAIRS = 1 << 18
_MISSED = 0.001
# Of pairs whose estimate fell short by chance. At 128 permutations 0.2 is over four standard errors.
_MISSED_AT_THE_THRESHOLD = 1e-6
_SHORT_BY_CHANCE = 0.2
_CHUNK_EXACT_PAIRS = 4_096


class DuplicatesError(MedembedError):
    """Signatures, ids or a threshold that do not fit together."""


def signatures(texts: Sequence[str], *, permutations: int = DEFAULT_PERMUTATIONS) -> UInt32Array:
    """MinHash signatures of the word shingles of texts.

    A text is case-folded and cut into words (runs of letters, digits and underscores); its shingles are its
    runs of five words. A text of 8 to 19 words has shingles of three words, a shorter one is a single
    shingle, so that very short notes are near-duplicates only when their words are equal. A signature depends
    on its text and ``permutations`` alone, so it can be kept by the text's hash.

    Returns
    -------
    ``[len(texts), permutations]`` uint32. The share of equal columns of two rows estimates the Jaccard
    similarity of the two sets of shingles.

    Raises
    ------
    DuplicatesError
        If ``permutations`` is not between 16 and 1024.

    Example
    -------
    >>> one, two = signatures(["No chest pain today.", "no  CHEST pain, today"])
    >>> bool((one == two).all())
    True
    """
    if not 16 <= permutations <= 1024:
        raise DuplicatesError(f"permutations is {permutations}; it has to be a whole number from 16 to 1024.")
    parts: list[UInt32Array] = [np.empty((0, permutations), dtype=np.uint32)]
    parts += [signatures_of_sets(shingle_sets(words), permutations) for words in hashed_words(texts)]
    return np.concatenate(parts)


def signatures_of_sets(sets: ShingleSets, permutations: int = DEFAULT_PERMUTATIONS) -> UInt32Array:
    """MinHash signatures ``[texts, permutations]`` uint32 of sets of shingles, none of them empty."""
    multipliers, offsets = _hash_functions(permutations)
    count = len(sets.starts) - 1
    result = np.empty((permutations, count), dtype=np.uint32)
    first = 0
    while first < count:
        # So many texts as a cache holds the hashes of, and one at least.
        start = sets.starts[first]
        last = int(np.searchsorted(sets.starts, start + _CHUNK_SHINGLES, side="right")) - 1
        last = max(last, first + 1)
        hashes = _mixed(sets.hashes[start : sets.starts[last]])
        starts = sets.starts[first:last] - start
        permuted = np.empty_like(hashes)
        for row in range(permutations):
            np.multiply(hashes, multipliers[row], out=permuted)
            permuted += offsets[row]
            np.minimum.reduceat(permuted, starts, out=result[row, first:last])
        first = last
    return np.ascontiguousarray(result.T)


def duplicate_groups(
    note_ids: Sequence[str],
    signatures: UInt32Array,
    *,
    shingles: Sequence[UInt32Array] | None = None,
    threshold: float = 0.8,
) -> list[str]:
    """The duplicate group of each note, in the order of ``note_ids``.

    Groups are the connected components of :func:`near_pairs`. A group is named after the smallest note id in
    it, so a note without near-duplicates is a group of its own name. Independent of the order of the notes;
    takes about half a second for 20,000 notes, so new notes are grouped by grouping all of them again from
    remembered signatures.
    """
    order = _validated_order(note_ids, signatures, threshold)
    ordered = None if shingles is None else [shingles[row] for row in order.tolist()]
    left, right = near_pairs(np.ascontiguousarray(signatures[order]), shingles=ordered, threshold=threshold)
    groups = [""] * len(note_ids)
    names = named_groups([note_ids[row] for row in order.tolist()], left, right)
    for position, name in zip(order.tolist(), names, strict=True):
        groups[position] = name
    return groups


def named_groups(note_ids: Sequence[str], left: IntArray, right: IntArray) -> list[str]:
    """Per note the smallest id of its connected component, given links between the notes, whose ids are sorted."""
    component = components(len(note_ids), left, right)
    _, first, inverse = np.unique(component, return_index=True, return_inverse=True)
    return [note_ids[representative] for representative in first[inverse].tolist()]


def near_pairs(
    signatures: UInt32Array,
    *,
    shingles: Sequence[UInt32Array] | None = None,
    threshold: float = 0.8,
    bands: Bands | None = None,
) -> tuple[IntArray, IntArray]:
    """Row numbers ``left < right`` of near-duplicates: enough pairs to connect all that is connected.

    Two texts are near-duplicates when their similarity is estimated at ``threshold`` or more. Given the sets
    of ``shingles`` (:func:`medembed_pipeline.notes.shingles.shingle_sets`), they are so too when it is that
    much exactly and the estimate fell short by chance: of pairs at the threshold one in a million is missed.

    Candidates come from banding (notes that agree on a whole band of their signatures), and each is verified. In a
    bucket of up to 16 notes every pair is looked at; in a larger one a search finds links that connect what is
    connected, as all pairs of a thousand copies would be half a million. ``bands``: where they are worked on; None:
    in this process.

    References: R. J. Bayardo, Y. Ma, R. Srikant, "Scaling up all pairs similarity search" (2007), for the
    distinction between candidates and their verification.
    """
    left, right, _ = _verified_pairs(signatures, threshold, bands or _all_bands)
    if shingles is None or not len(signatures):
        return left, right
    component = components(len(signatures), left, right)
    more_left, more_right = _pairs_that_fell_short(signatures, shingles, component, threshold)
    return np.concatenate((left, more_left)), np.concatenate((right, more_right))


def components(count: int, left: IntArray, right: IntArray) -> IntArray:
    """The number of the connected component of each of ``count`` nodes, given links between them."""
    if not count:
        return np.empty(0, dtype=np.int64)
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(left), dtype=np.int8), (left, right)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def jaccard_of_pairs(
    shingles: Sequence[UInt32Array], left: IntArray, right: IntArray
) -> npt.NDArray[np.float64]:
    """Exact Jaccard similarity float64 [pairs] of pairs of sets, given as sorted different hashes."""
    similarity = np.zeros(len(left), dtype=np.float64)
    sizes = np.array([len(own) for own in shingles], dtype=np.int64)
    for start in range(0, len(left), _CHUNK_EXACT_PAIRS):
        part = slice(start, start + _CHUNK_EXACT_PAIRS)
        pairs = list(zip(left[part].tolist(), right[part].tolist(), strict=True))
        numbers = np.arange(len(pairs), dtype=np.uint64) << np.uint64(32)
        together = sizes[left[part]] + sizes[right[part]]
        hashes = np.concatenate([own for a, b in pairs for own in (shingles[a], shingles[b])])
        keys = np.sort(np.repeat(numbers, together) | hashes)
        # A hash of both sets stands twice.
        twice = keys[:-1][keys[1:] == keys[:-1]] >> np.uint64(32)
        shared = np.bincount(twice.astype(np.int64), minlength=len(pairs))
        similarity[part] = shared / np.maximum(together - shared, 1)
    return similarity


def _pairs_that_fell_short(
    signatures: UInt32Array, shingles: Sequence[UInt32Array], component: IntArray, threshold: float
) -> tuple[IntArray, IntArray]:
    """Pairs of different components that are near-duplicates exactly, though not by their estimate."""
    count, permutations = signatures.shape
    # Copies have one signature; of them the first stands for all.
    first: dict[bytes, int] = {}
    for row, cell in enumerate(signatures):
        first.setdefault(cell.tobytes(), row)
    rows = np.array(list(first.values()))
    copies = np.ascontiguousarray(signatures[rows])
    width = _rows_per_band(permutations, threshold, missed=_MISSED_AT_THE_THRESHOLD)
    found: list[IntArray] = [np.empty(0, dtype=np.int64)]
    for start in band_starts(permutations, width):
        order, starts, sizes = _bucket_bounds(copies, start, width)
        for size in np.unique(sizes[sizes > 1]).tolist():
            left, right = _pairs_of_buckets(rows[order], starts[sizes == size], size)
            apart = component[left] != component[right]
            found.append(left[apart] * count + right[apart])
    codes = np.unique(np.concatenate(found))
    left, right = codes // count, codes % count
    close = _similarities(signatures, left, right) >= threshold - _SHORT_BY_CHANCE
    left, right = left[close], right[close]
    near = jaccard_of_pairs(shingles, left, right) >= threshold
    return left[near], right[near]


def _hash_functions(permutations: int) -> tuple[UInt32Array, UInt32Array]:
    from datasketch import MinHash

    multipliers, offsets = MinHash(num_perm=permutations, seed=_SEED, scheme="affine32").permutations
    return np.asarray(multipliers, dtype=np.uint32), np.asarray(offsets, dtype=np.uint32)


def _mixed(hashes: UInt32Array) -> UInt32Array:
    """The finaliser of MurmurHash3 of each hash, as datasketch's scheme has it."""
    hashes = hashes ^ (hashes >> np.uint32(16))
    hashes *= np.uint32(0x85EBCA6B)
    hashes ^= hashes >> np.uint32(13)
    hashes *= np.uint32(0xC2B2AE35)
    hashes ^= hashes >> np.uint32(16)
    return hashes


def _validated_order(
    note_ids: Sequence[str], signatures: UInt32Array, threshold: float
) -> npt.NDArray[np.int64]:
    if signatures.ndim != 2 or len(signatures) != len(note_ids) or signatures.dtype != np.uint32:
        raise DuplicatesError(
            f"signatures has shape {signatures.shape} and type {signatures.dtype}; expected one uint32 row "
            f"for each of the {len(note_ids)} note ids, as signatures() returns them."
        )
    if not 0.0 < threshold <= 1.0:
        raise DuplicatesError(f"threshold is {threshold}; it has to be above 0 and at most 1.")
    if len(set(note_ids)) != len(note_ids):
        raise DuplicatesError(
            f"{len(note_ids) - len(set(note_ids))} note ids are repeated; each note needs its own id."
        )
    return np.array(sorted(range(len(note_ids)), key=note_ids.__getitem__), dtype=np.int64)


def _rows_per_band(permutations: int, threshold: float, *, missed: float = _MISSED) -> int:
    """The longest band with which no more than this share of the pairs at the threshold are no candidates."""
    for rows in range(permutations, 1, -1):
        if (1.0 - threshold**rows) ** (permutations // rows) <= missed:
            return rows
    return 1


def band_starts(permutations: int, rows: int) -> range:
    """Where the bands of so many columns begin in a signature."""
    return range(0, permutations - rows + 1, rows)


def _all_bands(signatures: UInt32Array, rows: int, threshold: float) -> Iterator[IntArray]:
    return (
        band_pairs(signatures, start, rows, threshold) for start in band_starts(signatures.shape[1], rows)
    )


def _verified_pairs(
    signatures: UInt32Array, threshold: float, bands: Bands
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Row numbers ``left < right`` and estimated similarities of the pairs, sorted by both."""
    count, permutations = signatures.shape
    rows = _rows_per_band(permutations, threshold)
    codes = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *bands(signatures, rows, threshold)]))
    left, right = codes // max(count, 1), codes % max(count, 1)
    similarity = _similarities(signatures, left, right)
    keep = similarity >= threshold
    return left[keep], right[keep], similarity[keep]


def _bucket_bounds(signatures: UInt32Array, start: int, rows: int) -> tuple[IntArray, IntArray, IntArray]:
    """Notes in the order of one band's buckets, where each bucket begins there, and its size."""
    count = len(signatures)
    keys: npt.NDArray[np.uint64] = np.zeros(count, dtype=np.uint64)
    for column in range(start, start + rows):
        keys = (keys ^ signatures[:, column]) * MULTIPLIER
        keys ^= keys >> np.uint64(32)
    order = np.argsort(keys, kind="stable")
    boundaries = np.flatnonzero(np.diff(keys[order])) + 1
    starts = np.concatenate(([0], boundaries))
    sizes = np.diff(np.concatenate((starts, [count])))
    return order, starts, sizes


def _pairs_of_buckets(order: IntArray, starts: IntArray, size: int) -> tuple[IntArray, IntArray]:
    """All pairs within buckets of one size."""
    members = order[starts[:, None] + np.arange(size)]
    # A stable sort keeps the members of a bucket in the order of the notes, so left < right.
    first, second = np.triu_indices(size, k=1)
    return members[:, first].reshape(-1), members[:, second].reshape(-1)


def band_pairs(signatures: UInt32Array, start: int, rows: int, threshold: float) -> npt.NDArray[np.int64]:
    """Codes ``left * count + right`` of the candidates that one band gives."""
    count = len(signatures)
    order, starts, sizes = _bucket_bounds(signatures, start, rows)
    codes: list[npt.NDArray[np.int64]] = []
    small = (sizes > 1) & (sizes <= _BUCKET_ALL_PAIRS)
    for size in np.unique(sizes[small]).tolist():
        left, right = _pairs_of_buckets(order, starts[sizes == size], size)
        codes.append(left * count + right)
    for bucket in np.flatnonzero(sizes > _BUCKET_ALL_PAIRS).tolist():
        codes.append(_links(signatures, order[starts[bucket] : starts[bucket] + sizes[bucket]], threshold))
    return np.concatenate(codes) if codes else np.empty(0, dtype=np.int64)


def _links(
    signatures: UInt32Array, members: npt.NDArray[np.int64], threshold: float
) -> npt.NDArray[np.int64]:
    """Links that connect what is connected among the members of a large bucket, by breadth-first search.

    Each note is compared with those that no link has reached yet: linear for many copies of one note.
    """
    count = len(signatures)
    unreached = members
    codes: list[npt.NDArray[np.int64]] = []
    while len(unreached):
        frontier, unreached = [int(unreached[0])], unreached[1:]
        while frontier and len(unreached):
            note = frontier.pop()
            near = _similarities(signatures, np.full(len(unreached), note), unreached) >= threshold
            reached, unreached = unreached[near], unreached[~near]
            codes.append(np.minimum(reached, note) * count + np.maximum(reached, note))
            frontier.extend(reached.tolist())
    return np.concatenate(codes) if codes else np.empty(0, dtype=np.int64)


def _similarities(
    signatures: UInt32Array, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    similarity = np.empty(len(left), dtype=np.float64)
    for start in range(0, len(left), _CHUNK_PAIRS):
        part = slice(start, start + _CHUNK_PAIRS)
        similarity[part] = (signatures[left[part]] == signatures[right[part]]).mean(axis=1)
    return similarity
