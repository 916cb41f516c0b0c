"""Hubness: notes that turn up in too many searches, and notes that no search ever reaches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from medembed_pipeline.evaluation.vectors import IntArray
from medembed_pipeline.evidence.diagnostics.errors import HealthError
from medembed_pipeline.lake import compute as pc


class Occurrences(NamedTuple):
    """How often each note is among the `k` nearest of another one.

    Attributes
    ----------
    note_ids
        all notes, sorted.
    counts
        int64 [n], the k-occurrence N_k of each; their sum is n * k.
    k
        neighbours looked at: as asked, or as many as there are.
    """

    note_ids: list[str]
    counts: IntArray
    k: int


def k_occurrences(neighbors: pa.Table, *, model: str, k: int) -> Occurrences:
    """Count, for every note, the notes that have it among their k nearest, by the table `neighbors`.

    Parameters
    ----------
    neighbors
        columns model, pool, note_id, rank (from 1), neighbor_id; the pool `all` is read.
    model
        baseline or tuned.
    k
        neighbours per note; where the table holds fewer, that many.

    Raises
    ------
    HealthError
        the table holds no neighbours of this model, or a neighbour that asks for none itself.
    """
    mine = pc.and_(pc.equal(neighbors["model"], model), pc.equal(neighbors["pool"], "all"))
    part = neighbors.select(["note_id", "rank", "neighbor_id"]).filter(mine)
    if not part.num_rows:
        raise HealthError(
            f"neighbors: no row of model '{model}', pool 'all'; expected the neighbours of at least two notes. "
            "Materialize neighbors again."
        )
    used = min(k, int(pc.max(part["rank"]).as_py()))
    part = part.filter(pc.less_equal(part["rank"], used))
    note_ids = pc.unique(part["note_id"]).sort()
    positions = pc.index_in(part["neighbor_id"], value_set=note_ids)
    if positions.null_count:
        raise HealthError(
            f"neighbors: {positions.null_count} neighbours of model '{model}' are no notes that ask themselves. "
            "Materialize neighbors again."
        )
    counts = np.bincount(positions.to_numpy().astype(np.int64), minlength=len(note_ids))
    return Occurrences(note_ids.to_pylist(), counts.astype(np.int64), used)


def skewness(values: Sequence[int] | IntArray) -> float:
    """Third standardised moment of the values; 0 where they are all the same.

    Of the k-occurrence it is the usual measure of hubness: near 0 where all notes are found alike, 1 or more
    where a few notes take many of the places.

    Reference: M. Radovanovic, A. Nanopoulos, M. Ivanovic, "Hubs in space: popular nearest neighbors in
    high-dimensional data", JMLR 11 (2010).
    """
    centered = np.asarray(values, dtype=np.float64)
    centered = centered - centered.mean()
    variance = float((centered**2).mean())
    return float((centered**3).mean() / variance**1.5) if variance > 0 else 0.0


def unreachable_share(occurrences: Occurrences) -> float:
    """The share of the notes that are among the k nearest of no other note: no search by a note finds them."""
    return float((occurrences.counts == 0).mean())


def largest_hubs(occurrences: Occurrences, *, most: int = 20) -> list[tuple[str, int]]:
    """The notes with the largest k-occurrence, largest first, ties by note id."""
    order = np.argsort(-occurrences.counts, kind="stable")[:most]
    return [(occurrences.note_ids[row], int(occurrences.counts[row])) for row in order]
