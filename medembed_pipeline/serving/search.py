"""Exact search: the nearest notes of a vector, in the order of the table `neighbors`, ties by note id.

A float32 product, or where there are many notes a bound on it (`pruning`), finds candidates: every row that rounding
or the bound leaves a chance. Candidates alone are compared in float64, in the steps that `evaluation.neighbors` ranks
by. So the answer is that of the float64 product, at a part of its memory traffic, and the same for every batch and
thread count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from medembed_pipeline.evaluation.neighbors import candidates_of, ranking_keys, similarities_of
from medembed_pipeline.serving.errors import ServingError
from medembed_pipeline.serving.pruning import FROM_ROWS, find_heads

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

_BLOCK_BYTES = 64 * 1024**2
_UNIT_TOLERANCE = 1e-3
_FIRST_LOOK = 4
"""Rows per wanted hit that are compared first, to know how similar the last hit is at least."""
_WORTHWHILE_SHARE = 0.1
"""Of the rows that bounds may leave; beyond it a plain product is quicker than picking rows out."""


class Hits(NamedTuple):
    """The nearest notes of one vector, the nearest first.

    Attributes
    ----------
    rows
        int64 [k], rows of the index.
    similarities
        float64 [k], cosines.
    """

    rows: IntArray
    similarities: npt.NDArray[np.float64]


class Query(NamedTuple):
    """What is looked for.

    Attributes
    ----------
    vector
        float32 [d], of unit length.
    wanted
        how many hits, at least 1.
    allowed
        bool [n], the rows that may be found; None for all.
    own
        a row that is not to be found, being the query itself; None for none.
    """

    vector: FloatArray
    wanted: int
    allowed: BoolArray | None = None
    own: int | None = None


class SearchIndex:
    """Vectors in memory, and the search among them.

    Parameters
    ----------
    vectors
        float32 [n, d], rows of unit length in the order of their note ids.
    prune_from
        rows from which bounds are used.

    Raises
    ------
    ServingError
        a row that is not finite or not of unit length.
    """

    def __init__(self, vectors: FloatArray, *, prune_from: int = FROM_ROWS) -> None:
        self.vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        self.vectors.setflags(write=False)
        norms = np.sqrt(np.einsum("ij,ij->i", self.vectors, self.vectors, dtype=np.float64))
        wrong = ~(np.abs(norms - 1.0) <= _UNIT_TOLERANCE)
        if wrong.any():
            raise ServingError(f"{int(wrong.sum())} of {len(norms)} vectors are not finite and of length 1.")
        # Of a float32 dot product, whatever the order of its sum: d * 2^-24 * |x| |y| (Higham 2002, section 3.1), some
        # more for a query's own length, and what the rows' lengths are off. Both the last place and a candidate may be
        # off by it.
        off = float(np.abs(norms - 1.0).max(initial=0.0))
        self._slack = np.float32(2.2 * ((self.vectors.shape[1] + 16) * 2.0**-24 + off))
        self._heads = find_heads(self.vectors, from_rows=prune_from)

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def head_width(self) -> int:
        """Directions that bounds are taken from; 0 where none are used."""
        return 0 if self._heads is None else self._heads.heads.shape[1]

    def search(self, queries: Sequence[Query]) -> list[Hits]:
        """The nearest rows of each query: exact, ties to the lower row.

        Fewer than wanted where fewer are allowed. O(q * n * d) time, bounded memory.
        """
        found: list[Hits] = []
        step = max(1, _BLOCK_BYTES // max(1, 4 * len(self)))
        for first in range(0, len(queries), step):
            block = queries[first : first + step]
            vectors = np.stack([query.vector for query in block])
            if self._heads is None:
                similarities = vectors @ self.vectors.T
                found += [
                    self._by_product(query, own) for query, own in zip(block, similarities, strict=True)
                ]
            else:
                bounds = self._heads.bounds(vectors)
                found += [self._by_bounds(query, own) for query, own in zip(block, bounds, strict=True)]
        return found

    def _by_product(self, query: Query, similarities: FloatArray) -> Hits:
        """Args: similarities: float32 [n], overwritten."""
        wanted = min(query.wanted, _leave_out(query, similarities))
        if wanted < 1:
            return _NOTHING
        last = _largest(similarities, wanted)
        return self._compared(query, np.flatnonzero(similarities >= last - self._slack), wanted)

    def _by_bounds(self, query: Query, bounds: FloatArray) -> Hits:
        """Args: bounds: float32 [n], overwritten."""
        left = _leave_out(query, bounds)
        wanted = min(query.wanted, left)
        if wanted < 1:
            return _NOTHING
        look = min(left, _FIRST_LOOK * wanted)
        first = np.argpartition(bounds, len(bounds) - look)[len(bounds) - look :]
        least = self._compared(query, np.sort(first), wanted).similarities[-1]
        candidates = np.flatnonzero(bounds >= np.float32(least) - self._slack)
        if len(candidates) > max(look, _WORTHWHILE_SHARE * len(bounds)):
            return self._by_product(query, self.vectors @ query.vector)
        return self._compared(query, candidates, wanted)

    def _compared(self, query: Query, candidates: IntArray, wanted: int) -> Hits:
        """The best of some rows, given in ascending order, by their float64 products."""
        keys = ranking_keys((_unit(self.vectors[candidates]) @ _unit(query.vector[None])[0])[None])
        nearest = np.sort(keys, axis=1)[:, :wanted]
        places = candidates_of(nearest, len(candidates))[0]
        return Hits(candidates[places], similarities_of(nearest, len(candidates))[0])


_NOTHING = Hits(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64))


def _leave_out(query: Query, similarities: FloatArray) -> int:
    """Mark the rows that may not be found, and count those that may."""
    if query.allowed is not None:
        similarities[~query.allowed] = -np.inf
    if query.own is not None:
        similarities[query.own] = -np.inf
    left = len(similarities) if query.allowed is None else int(query.allowed.sum())
    return left - (query.own is not None and (query.allowed is None or bool(query.allowed[query.own])))


def _largest(similarities: FloatArray, wanted: int) -> np.float32:
    """The `wanted`-th largest."""
    place = len(similarities) - wanted
    return np.float32(np.partition(similarities, place)[place])


def _unit(rows: FloatArray) -> npt.NDArray[np.float64]:
    """As `evaluation.vectors.unit_rows` has them."""
    wide = rows.astype(np.float64)
    wide /= np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, None]
    return wide
