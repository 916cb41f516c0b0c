"""Did a specialty get worse than it may: the main metric by specialty, tested, and corrected for their number."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medembed_pipeline.evaluation.bootstrap import group_weights
from medembed_pipeline.evaluation.metrics_table import ScoredNotes, scored_notes
from medembed_pipeline.evaluation.retrieval import MetricKey, retrieval_scores, weighted_query_means
from medembed_pipeline.evaluation.significance import holm_adjusted, p_values_of_fall
from medembed_pipeline.evaluation.vectors import FloatArray, unit_rows

RESAMPLES = 1000
_RESAMPLES_PER_REJECTION = 5
_DECIMALS = 9
_BLOCK_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class SpecialtyTest:
    """The change of one specialty.

    Attributes:
        specialty: its name.
        difference: tuned - baseline of the main metric over its queries, NaN where undefined.
        p_value: one-sided, of H0: it fell by no more than the tolerance; NaN where it cannot be tested.
        p_adjusted: the same, Holm-corrected across all specialties that can.
        queries: notes behind it.
        groups: duplicate groups behind it.
    """

    specialty: str
    difference: float
    p_value: float
    p_adjusted: float
    queries: int
    groups: int


def specialty_tests(
    note_ids: Sequence[str],
    baseline: npt.ArrayLike,
    tuned: npt.ArrayLike,
    specialties: Sequence[Collection[str] | None],
    duplicate_groups: Sequence[Hashable],
    *,
    metric: MetricKey,
    tolerance: float,
    significance: float,
    minimum_notes: int,
    seed: int,
) -> list[SpecialtyTest]:
    """Test every specialty with figures of its own in `embedding_metrics`, on the same queries and candidates.

    Whole duplicate groups are resampled, the same for both models, often enough for the corrected test to be able
    to reject.

    Args:
        note_ids: n different ids, in any order.
        baseline: [n, d], L2-normalised, one row per note id.
        tuned: [n, e], likewise.
        specialties: n collections of specialty names; notes without one take no part.
        duplicate_groups: n groups; near-duplicates share one.
        metric: (name, k) of a retrieval figure, see `retrieval_scores`.
        tolerance: by how much it may fall.
        significance: level that the corrected p-values are to be held against.
        minimum_notes: a specialty with fewer scored notes is left out.
        seed: of the resamples.

    Returns:
        One per specialty, sorted by name.

    Raises:
        EvaluationError: inputs that do not fit each other.
    """
    notes = scored_notes(
        note_ids, specialties, duplicate_groups, resamples=0, seed=seed, minimum_notes=minimum_notes
    )
    names = notes.scopes[2:]
    if not names:
        return []
    before, after = (
        retrieval_scores(unit_rows(rows)[notes.order], notes.labels.membership)[metric]
        for rows in (baseline, tuned)
    )
    change = after - before
    membership = notes.scope_membership
    behind = (membership > 0) & np.isfinite(change)[:, None]
    groups = np.array([len(np.unique(notes.groups[members])) for members in behind.T], dtype=np.int64)
    # Further down than _DECIMALS, a matrix product depends on the number of threads.
    differences = np.round(weighted_query_means(change, notes.weights, membership)[0], _DECIMALS)
    resamples = max(RESAMPLES, int(np.ceil(_RESAMPLES_PER_REJECTION * len(names) / significance)))
    draws = _draws(notes, change, membership, resamples=resamples, seed=seed)
    p_values = np.round(p_values_of_fall(differences, draws, groups, tolerance=tolerance), _DECIMALS)
    adjusted = np.round(holm_adjusted(p_values), _DECIMALS)
    return [
        SpecialtyTest(
            name,
            float(differences[column] + 0.0),
            float(p_values[column]),
            float(adjusted[column]),
            int(behind[:, column].sum()),
            int(groups[column]),
        )
        for column, name in enumerate(names)
    ]


def _draws(
    notes: ScoredNotes, change: FloatArray, membership: FloatArray, *, resamples: int, seed: int
) -> FloatArray:
    """Mean change of each specialty in each resample. [resamples, c], in blocks that fit into memory."""
    step = max(1, _BLOCK_BYTES // (8 * max(1, len(change))))
    starts = range(0, resamples, step)
    seeds = np.random.SeedSequence(seed).generate_state(len(starts))
    blocks = []
    for start, block_seed in zip(starts, seeds, strict=True):
        weights = group_weights(
            notes.groups.tolist(), resamples=min(step, resamples - start), seed=int(block_seed)
        )
        blocks.append(weighted_query_means(change, weights, membership))
    return np.concatenate(blocks)
