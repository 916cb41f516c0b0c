"""A small made-up corpus of vectors and specialty sets that the tests of this room share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Corpus:
    note_ids: list[str]
    baseline: npt.NDArray[np.float32]
    tuned: npt.NDArray[np.float32]
    specialties: list[set[str]]
    groups: list[str]


def unit(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def make_corpus(
    count: int = 60, *, classes: int = 5, dimensions: int = 12, unlabelled: int = 0, seed: int = 0
) -> Corpus:
    """Notes in a mixed order: one in five has a second specialty, `unlabelled` have none; groups overlap."""
    random = np.random.default_rng(seed)
    centers = random.normal(size=(classes, dimensions))
    main = random.integers(classes, size=count)
    specialties = [{f"specialty {number}"} for number in main]
    for row in np.flatnonzero(random.random(count) < 0.2):
        specialties[row].add(f"specialty {random.integers(classes)}")
    for row in range(unlabelled):
        specialties[row] = set()
    return Corpus(
        note_ids=[f"note-{number:04d}" for number in random.permutation(count)],
        baseline=unit(0.4 * centers[main] + random.normal(size=(count, dimensions))),
        tuned=unit(1.2 * centers[main] + random.normal(size=(count, dimensions))),
        specialties=specialties,
        groups=[f"group {number}" for number in random.integers(1 + int(count * 0.8), size=count)],
    )
