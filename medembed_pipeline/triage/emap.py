"""What is left of a fusion when note and picture may only add up: the empirical multimodally-additive projection.

Reference: J. Hessel, L. Lee, "Does my multimodal model learn cross-modal interactions? It's harder to tell than you
might think!", EMNLP 2020.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from medembed_pipeline.evaluation.vectors import FloatArray

MOST_PARTNERS: Final = 1_000
"""Means go over at most so many partners, evenly spaced: the work grows with cases times partners."""


def emap_logits(
    logits: Callable[[FloatArray, FloatArray], FloatArray],
    notes: FloatArray,
    pictures: FloatArray,
    *,
    partners: int = MOST_PARTNERS,
) -> FloatArray:
    """The nearest function of note plus function of picture, on these cases.

    For a case i: the mean over pictures j of f(note i, picture j), plus the mean over notes j of f(note j, picture i),
    less the mean over all pairs.

    Parameters
    ----------
    logits
        f: rows of notes [n, d] and of pictures [n, e] -> float64 [n, levels].
    notes, pictures
        of n cases.
    partners
        cases whose notes and pictures the means go over; all where there are not more.

    Returns
    -------
    FloatArray
        float64 [n, levels].
    """
    count = len(notes)
    found = logits(notes, pictures)
    if not count:
        return found
    chosen = np.unique(np.linspace(0, count - 1, min(partners, count)).astype(np.int64))
    over_pictures, over_notes = np.zeros(found.shape), np.zeros(found.shape)
    for place in chosen.tolist():
        over_pictures += logits(notes, np.repeat(pictures[place : place + 1], count, axis=0))
        over_notes += logits(np.repeat(notes[place : place + 1], count, axis=0), pictures)
    over_pictures, over_notes = over_pictures / len(chosen), over_notes / len(chosen)
    return np.asarray(over_pictures + over_notes - over_pictures[chosen].mean(axis=0))
