"""The shape of a space of unit vectors: alignment, uniformity, effective rank, spread within the specialties."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from medembed_pipeline.evaluation.relevance import LabelMatrix
from medembed_pipeline.evaluation.vectors import FloatArray, rows_per_block

MOST_SPREAD_NOTES = 2_000
"""The spread of a larger specialty is that of so many of its notes: more change a median little."""

_BYTES_PER_PAIR = 32  # similarity, distance, exponential, and whether the sets meet


class PairFigure(NamedTuple):
    """A figure over pairs: `value` is NaN where `pairs` is 0."""

    value: float
    pairs: int


def alignment_and_uniformity(
    rows: FloatArray, membership: FloatArray, *, block_rows: int | None = None
) -> tuple[PairFigure, PairFigure]:
    """How near relevant notes lie to each other, and how evenly all notes fill the sphere.

    alignment: the mean squared Euclidean distance of the positive pairs, those whose specialty sets meet;
    0 to 4, lower is better. uniformity: log of the mean of exp(-2 * squared distance) over all pairs of
    different notes; 0 where all notes coincide, lower is better. Fine-tuning on labels buys alignment with
    uniformity, so the two are read together. Exact, blocked: O(n * n * d) time.

    Reference: T. Wang, P. Isola, "Understanding contrastive representation learning through alignment and
    uniformity on the hypersphere", ICML 2020 (alpha = 2, t = 2).

    Parameters
    ----------
    rows
        float64 [n, d] unit rows.
    membership
        float64 [n, m] specialty sets.
    block_rows
        notes per block; by default as many as fit into the shared memory budget.
    """
    count = len(rows)
    distance_sum = potential_sum = 0.0
    positive_pairs = 0
    step = block_rows or rows_per_block(count * _BYTES_PER_PAIR)
    for start in range(0, count, step):
        stop = min(start + step, count)
        # Every unordered pair once: each note with those after it.
        squared = 2.0 - 2.0 * (rows[start:stop] @ rows[start:].T)
        np.clip(squared, 0.0, 4.0, out=squared)
        later = np.triu(np.ones(squared.shape, dtype=np.bool_), k=1)
        meets = (membership[start:stop] @ membership[start:].T > 0) & later
        distance_sum += float(squared[meets].sum())
        positive_pairs += int(meets.sum())
        potential_sum += float(np.exp(-2.0 * squared)[later].sum())
    pairs = count * (count - 1) // 2
    return (
        PairFigure(distance_sum / positive_pairs if positive_pairs else float("nan"), positive_pairs),
        PairFigure(float(np.log(potential_sum / pairs)) if pairs else float("nan"), pairs),
    )


def specialty_spread(rows: FloatArray, labels: LabelMatrix) -> dict[str, PairFigure]:
    """The median cosine distance of the pairs of different notes within each specialty; 0 is a collapsed one.

    The median, since notes that a specialty shares with others, or that are misfiled under it, hold up a mean: with
    one note in ten outside, a specialty that fell into a point would keep a fifth of its mean distance. The median
    falls to 0 with it as long as fewer than 29% of the notes are outside (half of the pairs).

    Specialties of fewer than two notes are left out; of more than MOST_SPREAD_NOTES so many are taken, evenly spaced.

    Parameters
    ----------
    rows
        float64 [n, d] unit rows.
    labels
        the specialties of the same n notes.
    """
    found = {}
    for column, name in enumerate(labels.names):
        members = np.flatnonzero(labels.membership[:, column] > 0)
        if len(members) < 2:
            continue
        chosen = np.linspace(0, len(members) - 1, min(len(members), MOST_SPREAD_NOTES)).astype(np.int64)
        own = rows[members[chosen]]
        similarity = (own @ own.T)[np.triu_indices(len(own), k=1)]
        spread = 1.0 - float(np.median(similarity))
        found[name] = PairFigure(min(max(spread, 0.0), 2.0), len(similarity))
    return found
