"""Mean similarity of each two specialties, and the notes that the query x document heatmap shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medembed_pipeline.evaluation.relevance import LabelMatrix
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray

NOTES_PER_SPECIALTY = 5
"""Notes of one specialty that stand side by side in the heatmap, so that its block can be seen."""


@dataclass(frozen=True)
class SpecialtyMeans:
    """Mean similarity of the notes of each two specialties.

    Attributes
    ----------
    means
        float64 [m, m], symmetric; NaN where there is no pair.
    pairs
        int64 [m, m], pairs of different notes behind each mean.
    """

    means: FloatArray
    pairs: IntArray


def specialty_means(rows: FloatArray, membership: FloatArray) -> SpecialtyMeans:
    """Mean cosine similarity over the pairs of a note of one specialty with a different note of another.

    A note of several specialties counts in each. The sum over pairs is the scalar product of the sums of the
    two specialties, less that of each note they share with itself: exact in O(n d m + m^2 d), without a matrix
    of pairs.

    Within a specialty each pair counts once. Between two specialties, a pair of notes that both carry both
    counts from either side.

    Parameters
    ----------
    rows
        float64 [n, d] unit rows.
    membership
        float64 [n, m] of zeros and ones.
    """
    sums = membership.T @ rows
    shared = membership.T @ membership
    sizes = membership.sum(axis=0)
    # A unit row's product with itself is 1.
    totals = sums @ sums.T - shared
    pairs = sizes[:, None] * sizes[None, :] - shared
    means = np.divide(totals, pairs, out=np.full_like(totals, np.nan), where=pairs > 0)
    # One value for both halves, and none beyond what a cosine can be.
    means = np.clip((means + means.T) / 2, -1.0, 1.0)
    whole = np.rint(pairs).astype(np.int64)
    np.fill_diagonal(whole, np.diag(whole) // 2)
    return SpecialtyMeans(means=means, pairs=whole)


def main_specialties(labels: LabelMatrix) -> list[str]:
    """Of each note, the one of its specialties that most notes carry (the first by name among equals)."""
    sizes = labels.membership.sum(axis=0)
    return [
        labels.names[min(np.flatnonzero(row), key=lambda column: (-sizes[column], labels.names[column]))]
        for row in labels.membership
    ]


def heatmap_notes(main: Sequence[str], *, notes: int, seed: int) -> list[int]:
    """The notes of the heatmap: a few of each of the most frequent specialties, chosen by seed.

    Parameters
    ----------
    main
        the main specialty of each note, in the order of the note ids.
    notes
        how many at most.
    seed
        of the choice.

    Returns
    -------
    list[int]
        Rows, the most frequent specialty first, within one in the order of the note ids.
    """
    by_name: dict[str, list[int]] = {}
    for row in np.random.default_rng(seed).permutation(len(main)):
        by_name.setdefault(main[row], []).append(int(row))
    names = sorted(by_name, key=lambda name: (-len(by_name[name]), name))
    chosen: list[int] = []
    share = NOTES_PER_SPECIALTY
    for name in names:
        chosen += by_name[name][: min(share, notes - len(chosen))]
    # Few specialties: go round them again until the places are filled.
    while len(chosen) < min(notes, len(main)):
        for name in names:
            if len(by_name[name]) > share and len(chosen) < notes:
                chosen.append(by_name[name][share])
        share += 1
    place = {name: number for number, name in enumerate(names)}
    return sorted(chosen, key=lambda row: (place[main[row]], row))
