"""Checked unit vectors in float64, and the memory budget that the blocked computations share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.evaluation.errors import EvaluationError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

BLOCK_BYTES = 128 * 1024 * 1024
"""Bytes that one block of a blocked computation may hold, together with its temporaries."""

PER_BLOCK = 64
"""Pieces of a block that many steps work on, one after the other: one array of a piece stays near the core."""

_NORM_TOLERANCE = 1e-3


def unit_rows(embeddings: npt.ArrayLike, *, name: str = "embeddings") -> FloatArray:
    """Check that the rows are L2-normalised and give them back as float64, normalised to the last bit.

    All evaluation runs in float64: a float32 matrix product differs by about 1e-7 from one thread count to
    the next, which is enough to swap two neighbours.

    Parameters
    ----------
    embeddings
        [n, d], finite, each row of L2 norm 1 (within 0.001).
    name
        what the matrix is called in an error.

    Returns
    -------
    FloatArray
        float64 [n, d], a copy.

    Raises
    ------
    EvaluationError
        not two-dimensional, not finite, or a row that is not of unit length.
    """
    rows = np.array(embeddings, dtype=np.float64, order="C")
    if rows.ndim != 2:
        raise EvaluationError(
            f"{name}: expected a matrix of shape [notes, dimensions], got shape {rows.shape}."
        )
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    wrong = ~(np.abs(norms - 1.0) <= _NORM_TOLERANCE)  # written so that NaN counts as wrong
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise EvaluationError(
            f"{name}: {int(wrong.sum())} of {len(rows)} rows are not L2-normalised (first: row {first}, "
            f"norm {norms[first]:.6g}, expected 1 within {_NORM_TOLERANCE}). Normalise the embeddings first."
        )
    rows /= norms[:, None]
    return rows


def column_of_rows(rows: FloatArray) -> pa.FixedSizeListArray:
    """Rows float64 [n, d] as a column; see `rows_of_column`."""
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])


def rows_of_column(column: pa.ChunkedArray) -> Any:
    """What `column_of_rows` made a column of."""
    cells = column.combine_chunks()
    array = cells.chunk(0) if isinstance(cells, pa.ChunkedArray) else cells
    return array.flatten().to_numpy().reshape(len(array), column.type.list_size)


def rows_per_block(bytes_per_row: int, memory_bytes: int = BLOCK_BYTES) -> int:
    """How many rows of `bytes_per_row` bytes fit into the budget, at least one."""
    return max(1, memory_bytes // max(1, bytes_per_row))


def effective_rank(rows: FloatArray) -> float:
    """How many directions the vectors truly use: exp of the entropy of the normalised singular values.

    Of the vectors as they are, not centred: search compares them as they are, so that a common direction
    that all notes share (which makes every pair similar) counts as the loss that it is. 1 where all vectors
    lie on one line, min(n, d) where all directions are used alike; NaN without rows.

    Reference: O. Roy, M. Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO 2007.

    Parameters
    ----------
    rows
        float64 [n, d] unit rows.
    """
    if not len(rows):
        return float("nan")
    singular = np.linalg.svd(rows, compute_uv=False)
    shares = singular / singular.sum()
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))
