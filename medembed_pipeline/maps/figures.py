"""The figures of displacement: how far notes moved, and how many of their neighbours stayed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from medembed_pipeline.pictures.curves import distribution
from medembed_pipeline.pictures.numbers import is_number, number
from medembed_pipeline.pictures.specification import Figure

_BINS = 40
_SMALLEST_FLOOR = 0.005


def displacement_figures(
    moved: Sequence[float | None] | None, overlap: Sequence[float | None] | None, *, floor: float | None
) -> list[Figure]:
    """Histograms of what is known of the notes.

    Parameters
    ----------
    moved
        how far each note moved, 0 to 2; None where the models cannot be compared.
    overlap
        the share of each note's neighbours that stayed; None where it is not known.
    floor
        how far notes move that did not change; None where it is not known.
    """
    made = []
    known = [value for value in moved or () if is_number(value)]
    if known:
        top = min(2.0, math.ceil(10 * max(0.1, *known)) / 10)
        marked = (floor, "noise floor") if floor is not None and floor > _SMALLEST_FLOOR else None
        edges = [top * at / _BINS for at in range(_BINS + 1)]
        made.append(
            Figure(
                "displacement",
                "How far notes moved",
                f"Distance between the places of each of {len(known):,} notes before and after in the full space, "
                f"median {number(median(known), 2)}, once one space is turned onto the other: 0 is unmoved, 1.41 a "
                "right angle, 2 opposite. A fine-tuning moves most notes somewhat; a few that moved far are worth "
                "opening. Displacement is neither good nor bad by itself.",
                "How far notes moved",
                distribution(
                    {"notes": ("--tuned", _shares(known, 0, top, _BINS))},
                    edges,
                    axis="distance moved",
                    marked=marked,
                ),
            )
        )
    shares = [value for value in overlap or () if is_number(value)]
    if shares:
        edges = [-0.05 + 0.1 * at for at in range(12)]
        made.append(
            Figure(
                "neighbors_kept",
                "Neighbours that stayed",
                f"Share of a note's nearest neighbours that are the same before and after, mean "
                f"{number(sum(shares) / len(shares), 2)}. All at 100% would mean "
                "that nothing was learned; all at zero that the old order is gone.",
                "Neighbours that stayed",
                distribution(
                    {"notes": ("--tuned", _shares(shares, -0.05, 1.05, 11))},
                    edges,
                    axis="share of neighbours kept",
                ),
            )
        )
    return made


def _shares(values: Sequence[float], low: float, high: float, bins: int) -> list[float]:
    """The share of the values in each of some equal bins; what lies beyond belongs to the first and the last."""
    counts = [0] * bins
    for value in values:
        counts[max(0, min(bins - 1, math.floor((value - low) / (high - low) * bins)))] += 1
    return [count / len(values) for count in counts]
