"""Bounds on similarities from a few directions: most notes are ruled out by a quarter of the product, none wrongly.

Vectors are turned so that their leading directions hold most of them (principal directions, not centred). For vectors q
and v, each parted into a head and a tail, q.v <= head(q).head(v) + |tail(q)| |tail(v)| (Cauchy-Schwarz). What this
bound puts below the similarity of the last hit cannot be a hit. A plain product reads all of the vectors from memory,
which is what it waits for; this reads the heads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FROM_ROWS = 20_000
"""With fewer rows a plain product takes less than the bookkeeping of bounds."""

_STEP = 32
_TAIL_SHARE = 0.15
"""Of the squared lengths that may lie in the tails, on average; with more the bounds rule out too little."""


@dataclass(frozen=True)
class Heads:
    """The heads of an index's vectors.

    Attributes
    ----------
    directions
        float64 [d, h], orthonormal columns.
    heads
        float32 [n, h].
    tails
        float32 [n], lengths of the tails, rounded up.
    """

    directions: npt.NDArray[np.float64]
    heads: npt.NDArray[np.float32]
    tails: npt.NDArray[np.float32]

    def bounds(self, queries: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """float32 [q, n]: at least the similarity of each query to each row, up to the rounding of float32.

        Parameters
        ----------
        queries
            float32 [q, d] of unit length.
        """
        wide = queries.astype(np.float64)
        heads = wide @ self.directions
        lengths = np.einsum("ij,ij->i", wide, wide) - np.einsum("ij,ij->i", heads, heads)
        tails = np.sqrt(np.maximum(lengths, 0.0)).astype(np.float32) + np.float32(1e-6)
        found: npt.NDArray[np.float32] = heads.astype(np.float32) @ self.heads.T
        found += tails[:, None] * self.tails
        return found


def find_heads(vectors: npt.NDArray[np.float32], *, from_rows: int = FROM_ROWS) -> Heads | None:
    """The heads of unit vectors, None where bounds would not pay.

    As short as hold 85% of the squared lengths, in steps of 32 directions and at most half of all.

    Parameters
    ----------
    vectors
        float32 [n, d].
    from_rows
        fewer rows have no heads.
    """
    rows, size = vectors.shape
    if rows < from_rows or not rows:
        return None
    moments = np.zeros((size, size))
    for first in range(0, rows, FROM_ROWS):
        block = vectors[first : first + FROM_ROWS].astype(np.float64)
        moments += block.T @ block
    shares, directions = np.linalg.eigh(moments)
    left = 1.0 - np.cumsum(shares[::-1]) / shares.sum()
    widths = [width for width in range(_STEP, size // 2 + 1, _STEP) if left[width - 1] <= _TAIL_SHARE]
    if not widths:
        return None
    chosen = np.ascontiguousarray(directions[:, ::-1][:, : widths[0]])
    heads = np.empty((rows, widths[0]), dtype=np.float32)
    tails = np.empty(rows, dtype=np.float32)
    for first in range(0, rows, FROM_ROWS):
        block = vectors[first : first + FROM_ROWS].astype(np.float64)
        head = block @ chosen
        heads[first : first + FROM_ROWS] = head
        lengths = np.einsum("ij,ij->i", block, block) - np.einsum("ij,ij->i", head, head)
        tails[first : first + FROM_ROWS] = np.sqrt(np.maximum(lengths, 0.0))
    return Heads(chosen, heads, tails + np.float32(1e-6))
