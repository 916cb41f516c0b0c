"""Is detail inside a specialty kept: does a note still find the notes of its own kind among its specialty's?"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from medembed_pipeline.evaluation.neighbors import SIMILARITY_STEPS
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray, rows_per_block

_BYTES_PER_CANDIDATE = 40
_NUMBER_AT_THE_END = re.compile(r"\s+-\s*\d+$")


class Detail(NamedTuple):
    """How much detail is kept.

    Attributes
    ----------
    kept
        mean share of a note's mates that are among its nearest; NaN where no note is asked.
    random
        the share that neighbours in random order would give.
    notes
        notes asked: those with mates, and with more notes of their specialty than are looked at.
    """

    kept: float
    random: float
    notes: int


def nearest_allowed(
    rows: FloatArray,
    queries: IntArray,
    allowed: BoolArray,
    k: int,
) -> IntArray:
    """The k most similar allowed rows of each query, exact, ties to the lower index.

    Parameters
    ----------
    rows
        float64 [n, d] unit rows.
    queries
        int64 [q], rows that ask.
    allowed
        bool [q, n], the candidates of each query.
    k
        neighbours per query.

    Returns
    -------
    IntArray
        int64 [q, min(k, n)], nearest first; -1 where a query has fewer candidates.
    """
    count = len(rows)
    width = min(k, count)
    if not width or not len(queries):
        return np.empty((len(queries), width), dtype=np.int64)
    # The ranking of evaluation.neighbors: similarities in steps, the index below them, plain integer sorting.
    keys = np.rint((1.0 - np.clip(rows[queries] @ rows.T, -1.0, 1.0)) * SIMILARITY_STEPS).astype(np.int64)
    keys = keys * count + np.arange(count)
    keys[~allowed] = np.iinfo(np.int64).max
    keys.partition(width - 1, axis=1)
    nearest = np.sort(keys[:, :width], axis=1)
    return np.where(nearest == np.iinfo(np.int64).max, -1, nearest % count)


def within_class_recall(
    rows: FloatArray,
    membership: FloatArray,
    kinds: Sequence[frozenset[str]],
    asked: BoolArray,
    *,
    k: int,
    block_queries: int | None = None,
) -> Detail:
    """The share of a note's detail mates that are among its k nearest within its own specialty.

    The candidates of a note are the other notes that share a specialty with it; its mates are those of them
    that share a kind with it (a near-duplicate group, a name). The share is out of min(k, number of mates), so
    that 1 can be reached. A specialty that collapses onto one point loses what tells its notes apart: the
    share falls towards `random`. Notes with k candidates or fewer are not asked, since all of these are found.

    Parameters
    ----------
    rows
        float64 [n, d] unit rows of all labelled notes.
    membership
        float64 [n, m] their specialty sets.
    kinds
        n sets of kinds; an empty one has no mates.
    asked
        bool [n], the notes that may ask: the held-out ones, so that no memory is measured.
    k
        nearest notes looked at.
    block_queries
        notes asked at a time; by default as many as fit into the shared memory budget.
    """
    count = len(rows)
    members: dict[str, list[int]] = {}
    for row, names in enumerate(kinds):
        for name in sorted(names):
            members.setdefault(name, []).append(row)
    with_mates = [row for row in np.flatnonzero(asked) if any(len(members[name]) > 1 for name in kinds[row])]
    kept: list[float] = []
    expected: list[float] = []
    step = block_queries or rows_per_block(count * _BYTES_PER_CANDIDATE)
    for start in range(0, len(with_mates), step):
        queries = np.array(with_mates[start : start + step], dtype=np.int64)
        allowed = membership[queries] @ membership.T > 0
        allowed[np.arange(len(queries)), queries] = False
        mates = np.zeros_like(allowed)
        for place, row in enumerate(queries):
            for name in kinds[row]:
                mates[place, members[name]] = True
        mates &= allowed
        nearest = nearest_allowed(rows, queries, allowed, k)
        candidates, mate_count = allowed.sum(axis=1), mates.sum(axis=1)
        for place in np.flatnonzero((mate_count > 0) & (candidates > k)):
            reachable = min(k, int(mate_count[place]))
            kept.append(int(mates[place, nearest[place]].sum()) / reachable)
            expected.append(k * int(mate_count[place]) / int(candidates[place]) / reachable)
    if not kept:
        return Detail(float("nan"), float("nan"), 0)
    return Detail(float(np.mean(kept)), float(np.mean(expected)), len(kept))


def share_kept(before: Detail, after: Detail) -> float | None:
    """What is left of the baseline's detail, chance taken off: 1 nothing lost, 0 as in a random order.

    None where the baseline itself is no better than chance, or where no note was asked.
    """
    above = before.kept - before.random
    return (after.kept - after.random) / above if above > 0 else None


def kind_of_name(name: str) -> str:
    """A sample's name without its running number: `Appendectomy - 2` is of the kind `appendectomy`."""
    return _NUMBER_AT_THE_END.sub("", " ".join(unicodedata.normalize("NFKC", name).casefold().split()))


def kinds_by_name(
    source_rows: Sequence[Sequence[str]], name_of_row: Mapping[str, str | None]
) -> list[frozenset[str]]:
    """The kinds of each note, by the names of the rows that it came from.

    Parameters
    ----------
    source_rows
        row ids per note.
    name_of_row
        the name of a row, by its id; a row without a name, or an unknown one, has no kind.
    """
    kinds = []
    for row_ids in source_rows:
        names = {kind_of_name(name_of_row.get(row_id) or "") for row_id in row_ids}
        kinds.append(frozenset(names - {""}))
    return kinds
