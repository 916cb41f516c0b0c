"""The ten nearest held-out notes of every held-out note, read from the table `neighbors`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.evaluation.relevance import LabelMatrix, label_matrix
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray, rows_per_block
from medembed_pipeline.evidence.queries.errors import LedgerError
from medembed_pipeline.lake import compute as pc

LEDGER_NEIGHBORS = 10
"""Neighbours that the ledger looks at: the deepest cutoff of the retrieval figures."""

_COLUMNS = ("model", "pool", "note_id", "rank", "neighbor_id", "similarity")


class Nearest(NamedTuple):
    """Neighbours by row position, nearest first, and their cosine similarities; both [n, min(10, n - 1)]."""

    indices: IntArray
    similarities: npt.NDArray[np.float32]


class ScoredPool(NamedTuple):
    """The notes that are scored, in the order of their ids.

    Attributes
    ----------
    order
        int64 [n], where each note stood in the input.
    note_ids
        n ids, sorted.
    labels
        their specialty sets.
    """

    order: IntArray
    note_ids: list[str]
    labels: LabelMatrix


def scored_pool(note_ids: Sequence[str], specialties: Sequence[Collection[str]]) -> ScoredPool:
    """Sort the notes by id, and leave out those without a specialty.

    Raises
    ------
    LedgerError
        inputs of different lengths, or a note id twice.
    """
    if len(note_ids) != len(specialties) or len(set(note_ids)) != len(note_ids):
        raise LedgerError(
            f"note_ids: {len(note_ids)} ids ({len(set(note_ids))} different) for {len(specialties)} specialty "
            "sets; expected one set for each of as many different notes."
        )
    order = [row for row in sorted(range(len(note_ids)), key=note_ids.__getitem__) if specialties[row]]
    return ScoredPool(
        order=np.array(order, dtype=np.int64),
        note_ids=[note_ids[row] for row in order],
        labels=label_matrix([specialties[row] for row in order]),
    )


def nearest_in_table(neighbors: pa.Table, *, model: str, note_ids: Sequence[str]) -> Nearest:
    """The first ten ranks of one model among the held-out notes.

    Parameters
    ----------
    neighbors
        the table `neighbors`; its rows of this model and of the pool `test` are read.
    model
        baseline or tuned.
    note_ids
        n ids, those of the pool.

    Raises
    ------
    LedgerError
        columns are missing, or the pool is not these notes.
    """
    missing = sorted(set(_COLUMNS).difference(neighbors.column_names))
    if missing:
        raise LedgerError(f"neighbors: the columns {', '.join(missing)} are missing. Materialize neighbors.")
    width = max(0, min(LEDGER_NEIGHBORS, len(note_ids) - 1))
    in_pool = pc.and_(pc.equal(neighbors["model"], model), pc.equal(neighbors["pool"], "test"))
    part = neighbors.filter(pc.and_(in_pool, pc.less_equal(neighbors["rank"], LEDGER_NEIGHBORS)))
    known = pa.array(note_ids, pa.string())
    query, neighbor = (
        pc.fill_null(pc.index_in(part[column], value_set=known), -1).to_numpy().astype(np.int64)
        for column in ("note_id", "neighbor_id")
    )
    rank = part["rank"].to_numpy().astype(np.int64) - 1
    indices = np.full((len(note_ids), width), -1, dtype=np.int64)
    similarities = np.zeros((len(note_ids), width), dtype=np.float32)
    fits = (query >= 0) & (neighbor >= 0) & (rank >= 0) & (rank < width)
    indices[query[fits], rank[fits]] = neighbor[fits]
    similarities[query[fits], rank[fits]] = part["similarity"].to_numpy()[fits]
    if not fits.all() or len(part) != indices.size or (indices < 0).any():
        raise LedgerError(
            f"neighbors: the pool 'test' of the model '{model}' does not fit the {len(note_ids)} held-out "
            f"notes: expected ranks 1 to {width} of each among the others. Materialize neighbors again."
        )
    return Nearest(indices, similarities)


def relevant_neighbors(indices: IntArray, membership: FloatArray) -> BoolArray:
    """Which neighbours share a specialty with the note that asks. bool, the shape of `indices`."""
    count, width = indices.shape
    relevant = np.zeros((count, width), dtype=np.bool_)
    step = rows_per_block(8 * (width + 1) * max(1, membership.shape[1]))
    for start in range(0, count, step):
        block = slice(start, start + step)
        shared = np.einsum("qkm,qm->qk", membership[indices[block]], membership[block])
        relevant[block] = shared > 0
    return relevant
