"""Do the sets keep their promise on other divisions of the notes that the checkpoint has not seen?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from medembed_pipeline.classification.conformal import covered_shares
from medembed_pipeline.classification.notes import ClassifierNotes
from medembed_pipeline.classification.serving import decide
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray


def coverage_by_division(
    scores: FloatArray,
    notes: ClassifierNotes,
    rows: IntArray,
    *,
    always: IntArray,
    share: float,
    misses: float,
    own_from: int,
    seeds: Iterable[int],
) -> list[dict[str, Any]]:
    """Divide the notes that neither head nor checkpoint saw anew, by groups: sets are found on a part, and counted
    on the rest.

    The head stays as it is. With n notes in the part and m in the rest, chance moves the coverage by about
    sqrt(a (1 - a) (1 / n + 1 / m)) for a share a of misses.

    Parameters
    ----------
    scores
        float64 [n, labels] of all notes.
    notes
        all notes.
    rows
        those that are divided.
    always
        those on which sets are found in every division: train notes out of fold, where `decide_rung` takes them.
    share
        of the groups that the sets are found on.
    misses, own_from
        as in `decide`.
    seeds
        one division each.

    Returns
    -------
    list[dict[str, Any]]
        Records `seed`, `notes`, `coverage`, `set_size`.
    """
    found = []
    groups = np.unique(notes.groups[rows])
    for seed in seeds:
        drawn = np.random.default_rng(seed).permutation(groups)[: round(share * len(groups))]
        inside = np.isin(notes.groups[rows], drawn)
        known, asked = rows[inside], rows[~inside]
        if not len(known) or not len(asked):
            continue
        found_on = np.sort(np.concatenate([always, known]))
        decided = decide(scores[found_on], notes.truth(found_on), misses=misses, own_from=own_from, seed=seed)
        sets, truth = decided.decision.answers(scores[asked]).sets, notes.truth(asked)
        shares = covered_shares(sets, truth.membership, truth.outside)
        found.append(
            {
                "seed": int(seed),
                "notes": len(asked),
                "coverage": round(float(np.nanmean(shares)), 6),
                "set_size": round(float(sets.sum(axis=1).mean()), 6),
            }
        )
    return found
