"""Where each case lies on a flat map of what an arm sees, and what its answer owes to note and picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from medembed_pipeline.evaluation.vectors import FloatArray, IntArray
from medembed_pipeline.threads import one_thread
from medembed_pipeline.triage.arms import FUSIONS, NOTE, PICTURE, Arms

BLANKS: Final[Mapping[str, tuple[str, ...]]] = {
    "blank_note": (NOTE,),
    "blank_picture": (PICTURE,),
    "blank_both": (NOTE, PICTURE),
}
"""By column of `triage_predictions`, the parts in whose place stands the mean of the train cases."""

_AXES: Final = 2


def case_places(blocks: Sequence[FloatArray], train: IntArray) -> tuple[FloatArray, float]:
    """The two directions of largest spread of some blocks of numbers, none of which decides them alone.

    Each block is divided by its largest singular value before the blocks stand side by side (multiple factor
    analysis), so that the one with the longer or wider vectors does not fill the map. Directions are those of the train
    cases; the largest entry of each is positive.

    Parameters
    ----------
    blocks
        float64 [n, d] each, of the same n cases.
    train
        int64, places of the cases that directions and means are taken from; at least one.

    Returns
    -------
    tuple[FloatArray, float]
        float64 [n, 2], with zeros along a direction that there is not; and the share of the train cases' spread that
        the two hold, from 0 to 1.

    References
    ----------
    B. Escofier, J. Pagès, "Multiple factor analysis (AFMULT package)", Computational Statistics & Data Analysis 18
    (1994).
    """
    with one_thread():
        parts = []
        for block in blocks:
            centred = block - block[train].mean(axis=0)
            largest = float(np.linalg.norm(centred[train], 2)) if block.shape[1] else 0.0
            if largest > 1e-9:
                parts.append(centred / largest)
        found = np.zeros((len(blocks[0]), _AXES))
        if not parts:
            return found, 0.0
        joined = np.hstack(parts)
        _, lengths, directions = np.linalg.svd(joined[train], full_matrices=False)
        kept = directions[:_AXES]
        kept = kept * np.sign(kept[np.arange(len(kept)), np.abs(kept).argmax(axis=1)])[:, None]
        found[:, : len(kept)] = joined @ kept.T
    spread = np.square(lengths)
    # So that a place is in standard deviations of the blocks' leading direction, whatever the number of cases.
    return found * np.sqrt(len(train)), float(spread[:_AXES].sum() / spread.sum())


def blanked(
    arms: Arms, arm: str, seen: Mapping[str, FloatArray], given: IntArray
) -> dict[str, FloatArray] | None:
    """What is left of a fusion's answers without the note, without the picture, and without both.

    Parameters
    ----------
    arms
        fitted.
    arm
        one of them.
    seen
        by part, what heads see of n cases that have note and picture.
    given
        int64 [n], the level that the arm gives each.

    Returns
    -------
    dict[str, FloatArray] | None
        By name of BLANKS the probability of the given level, float64 [n], where the parts are replaced by the mean of
        the train cases, as the ledger's blank partner is; None of an arm that sees one part.
    """
    if arm not in FUSIONS:
        return None
    rows = np.arange(len(given))
    found = {}
    for name, parts in BLANKS.items():
        own = {**seen, **{part: np.zeros_like(seen[part]) for part in parts}}
        found[name] = arms.probabilities(arm, arms.logits(arm, own))[rows, given]
    return found
