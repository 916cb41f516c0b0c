"""Example queries: held-out notes with their ten nearest neighbours, before and after."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake import compute as pc

SHOWN = 10
"""Neighbours shown of a query."""

MODELS = ("baseline", "tuned")


class SimilarityError(MedembedError):
    """The inputs of the similarity evidence do not fit each other."""


@dataclass(frozen=True)
class Neighbor:
    """One neighbour of one query by one model; rank 1 is the nearest."""

    model: str
    query: str
    neighbor: str
    rank: int
    similarity: float
    relevant: bool


def nearest_among(
    neighbors: pa.Table, note_ids: Sequence[str], specialties: Sequence[Collection[str]]
) -> dict[str, dict[str, list[Neighbor]]]:
    """The SHOWN nearest held-out notes of every held-out note, by model and query, nearest first.

    Parameters
    ----------
    neighbors
        the table `neighbors`; its pool `test` is read.
    note_ids
        the held-out notes that have a specialty.
    specialties
        their specialty sets; a neighbour is relevant where the sets meet.

    Raises
    ------
    SimilarityError
        the table holds neighbours of other notes.
    """
    sets = {note: frozenset(names) for note, names in zip(note_ids, specialties, strict=True)}
    near = neighbors.filter(
        pc.and_(pc.equal(neighbors["pool"], "test"), pc.less_equal(neighbors["rank"], SHOWN))
    )
    found: dict[str, dict[str, list[Neighbor]]] = {model: {note: [] for note in note_ids} for model in MODELS}
    for row in near.to_pylist():
        query, other = row["note_id"], row["neighbor_id"]
        if query not in sets or other not in sets:
            raise SimilarityError(
                "neighbors: its pool 'test' holds other notes than the held-out ones. Materialize neighbors again."
            )
        found[row["model"]][query].append(
            Neighbor(
                row["model"], query, other, row["rank"], row["similarity"], bool(sets[query] & sets[other])
            )
        )
    for queries in found.values():
        for ranked in queries.values():
            ranked.sort(key=lambda neighbor: neighbor.rank)
            if [neighbor.rank for neighbor in ranked] != list(range(1, min(SHOWN, len(sets) - 1) + 1)):
                raise SimilarityError(
                    f"neighbors: its pool 'test' lacks neighbours of some of the {len(sets)} held-out notes. "
                    "Materialize neighbors again."
                )
    return found


def example_queries(
    nearest: dict[str, dict[str, list[Neighbor]]], answerable: Collection[str], *, count: int, seed: int
) -> list[str]:
    """Queries to show: improved, worsened and unchanged ones in turn, as far as there are any.

    They are drawn by seed, not the most striking ones, so that they show what is usual.

    Parameters
    ----------
    nearest
        of `nearest_among`.
    answerable
        notes that share a specialty with another held-out note; the others can't be answered.
    count
        how many at most.
    seed
        of the draw.

    Returns
    -------
    list[str]
        Note ids: all improved ones, then the worsened, then the unchanged, each sorted.
    """
    groups: tuple[list[str], list[str], list[str]] = ([], [], [])
    candidates = sorted(set(answerable))
    for place in np.random.default_rng(seed).permutation(len(candidates)):
        query = candidates[place]
        before, after = (sum(one.relevant for one in nearest[model][query]) for model in MODELS)
        groups[0 if after > before else 1 if after < before else 2].append(query)
    wanted = min(count, len(candidates))
    taken = [0, 0, 0]
    while sum(taken) < wanted:
        for number, group in enumerate(groups):
            if taken[number] < len(group) and sum(taken) < wanted:
                taken[number] += 1
    return [query for group, many in zip(groups, taken, strict=True) for query in sorted(group[:many])]
