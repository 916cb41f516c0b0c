"""Exact search: the nearest notes of a vector, in the order of the table `neighbors`, ties by note id.

One float32 product finds candidates; those that rounding could have put on the wrong side of the last place are
compared again in float64, in the steps that `evaluation.neighbors` ranks by. So the answer is that of the float64
product, at half of its memory traffic, and the same for every batch and thread count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from medembed_pipeline.evaluation.neighbors import candidates_of, ranking_keys, similarities_of
from medembed_pipeline.serving.errors import ServingError

BoolArray = npt.NDArray[np.bool_]

_BLOCK_BYTES = 64 * 1024**2
_UNIT_TOLERANCE = 1e-3


class Hits(NamedTuple):
    """The nearest notes of one vector, the nearest first.

    Attributes:
        rows: int64 [k], rows of the index.
        similarities: float64 [k], cosines.
    """

    rows: npt.NDArray[np.int64]
    similarities: npt.NDArray[np.float64]


class Query(NamedTuple):
    """What is looked for.

    Attributes:
        vector: float32 [d], of unit length.
        wanted: how many hits, at least 1.
        allowed: bool [n], the rows that may be found; None for all.
        own: a row that is not to be found, being the query itself; None for none.
    """

    vector: npt.NDArray[np.float32]
    wanted: int
    allowed: BoolArray | None = None
    own: int | None = None


class SearchIndex:
    """Vectors in memory, and the search among them.

    Args:
        vectors: float32 [n, d], rows of unit length in the order of their note ids.

    Raises:
        ServingError: a row that is not finite or not of unit length.
    """

    def __init__(self, vectors: npt.NDArray[np.float32]) -> None:
        self.vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        self.vectors.setflags(write=False)
        norms = np.sqrt(np.einsum("ij,ij->i", self.vectors, self.vectors, dtype=np.float64))
        wrong = ~(np.abs(norms - 1.0) <= _UNIT_TOLERANCE)
        if wrong.any():
            raise ServingError(f"{int(wrong.sum())} of {len(norms)} vectors are not finite and of length 1.")
        # Of a float32 dot product, whatever the order of its sum: d * 2^-24 * |x| |y| (Higham 2002, section 3.1); the
        # vectors are of length 1 within the tolerance. Both the last place and a candidate may be off by it.
        self._slack = np.float32(2.2 * self.vectors.shape[1] * 2.0**-24)

    def __len__(self) -> int:
        return len(self.vectors)

    def search(self, queries: Sequence[Query]) -> list[Hits]:
        """The nearest rows of each query: exact, ties to the lower row.

        Fewer than wanted where fewer are allowed. O(q * n * d) time, bounded memory.
        """
        found: list[Hits] = []
        step = max(1, _BLOCK_BYTES // max(1, 4 * len(self)))
        for first in range(0, len(queries), step):
            block = queries[first : first + step]
            similarities = np.stack([query.vector for query in block]) @ self.vectors.T
            found += [self._best(query, row) for query, row in zip(block, similarities, strict=True)]
        return found

    def _best(self, query: Query, similarities: npt.NDArray[np.float32]) -> Hits:
        """Args: similarities: float32 [n], overwritten."""
        if query.allowed is not None:
            similarities[~query.allowed] = -np.inf
        if query.own is not None:
            similarities[query.own] = -np.inf
        left = len(similarities)
        if query.allowed is not None:
            left = int(query.allowed.sum())
            left -= query.own is not None and bool(query.allowed[query.own])
        elif query.own is not None:
            left -= 1
        wanted = min(query.wanted, left)
        if wanted < 1:
            return Hits(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64))
        last = np.partition(similarities, len(similarities) - wanted)[len(similarities) - wanted]
        candidates = np.flatnonzero(similarities >= last - self._slack)
        keys = ranking_keys((_unit(self.vectors[candidates]) @ _unit(query.vector[None])[0])[None])
        nearest = np.sort(keys, axis=1)[:, :wanted]
        places = candidates_of(nearest, len(candidates))[0]
        return Hits(candidates[places], similarities_of(nearest, len(candidates))[0])


def _unit(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """As `evaluation.vectors.unit_rows` has them."""
    wide = rows.astype(np.float64)
    wide /= np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, None]
    return wide
