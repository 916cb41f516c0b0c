"""Synthetic notes of two models whose skill is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medembed_pipeline.evaluation.vectors import FloatArray, IntArray

DIMENSIONS = 24
SIGNAL = 0.5
"""How far the classes lie apart, in standard deviations of a note."""
OWN_NOISE = 0.3
"""What a model sees in a note that the other does not, in the same unit."""
SHARED_IN_GROUP = 0.5
"""Share of a note's variance that it has in common with the others of its group, where groups are clustered."""
LARGEST_GROUP = 6


@dataclass(frozen=True)
class Draw:
    """One sample.

    Attributes
    ----------
    note_ids
        n ids.
    baseline, tuned
        float64 [n, d] unit rows.
    labels
        one class per note.
    groups
        int64 [n].
    """

    note_ids: list[str]
    baseline: FloatArray
    tuned: FloatArray
    labels: list[list[str]]
    groups: IntArray


def draw_models(
    *, notes: int, classes: int, clustered: bool, seed: int, tuned_signal: float = SIGNAL
) -> Draw:
    """Draw notes, and how two models see them.

    Both models see a note's class and the same chance about it; each has noise of its own. With equal signals they are
    equally good. Clustered groups have one to six notes of one class, half of whose variance they share.

    Parameters
    ----------
    notes
        how many.
    classes
        how many, in the same places in every draw.
    clustered
        whether notes come in groups; else every note is its own.
    seed
        of the draw.
    tuned_signal
        how far apart the tuned model sees the classes; the baseline sees SIGNAL.
    """
    centers = np.random.default_rng(11).normal(size=(classes, DIMENSIONS))
    generator = np.random.default_rng((seed, notes, classes, clustered))
    groups: IntArray = np.arange(notes)
    if clustered:
        sizes = generator.integers(1, LARGEST_GROUP + 1, size=notes)
        groups = np.repeat(np.arange(notes), sizes)[:notes]
    number = int(groups.max()) + 1
    class_of = generator.integers(classes, size=number)[groups]

    def noise() -> FloatArray:
        own = generator.normal(size=(notes, DIMENSIONS))
        if not clustered:
            return own
        common = generator.normal(size=(number, DIMENSIONS))[groups]
        return np.asarray(np.sqrt(SHARED_IN_GROUP) * common + np.sqrt(1 - SHARED_IN_GROUP) * own)

    chance = noise()
    models = [
        _unit(signal * centers[class_of] + chance + OWN_NOISE * noise()) for signal in (SIGNAL, tuned_signal)
    ]
    return Draw(
        [f"{row:06}" for row in range(notes)],
        models[0],
        models[1],
        [[f"class {one}"] for one in class_of.tolist()],
        groups,
    )


def _unit(rows: FloatArray) -> FloatArray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))
