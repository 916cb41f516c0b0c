"""A corpus with a planted truth: who was trained on is known, and what the tuned model makes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medembed_pipeline.evidence.leakage.corpus import LeakNotes, leak_notes


@dataclass(frozen=True)
class Planted:
    note_ids: list[str]
    baseline: npt.NDArray[np.float64]
    tuned: npt.NDArray[np.float64]
    specialties: list[list[str]]
    document_types: list[list[str]]
    groups: list[str]
    trained: set[str]
    held_out: set[str]
    near_duplicates: list[str] | None = None

    def notes(self) -> LeakNotes:
        return leak_notes(
            self.note_ids,
            self.baseline,
            self.tuned,
            self.specialties,
            self.document_types,
            self.groups,
            trained=self.trained,
            held_out=self.held_out,
            near_duplicates=self.near_duplicates,
        )


def unit(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def plant(
    kind: str,
    *,
    count: int = 400,
    classes: int = 5,
    dimensions: int = 24,
    train: float = 0.7,
    test: float = 0.2,
    several: float = 0.2,
    seed: int = 0,
) -> Planted:
    """Notes in near-duplicate groups, split by group.

    `kind`: `memory` makes the tuned vectors of trained notes perfect and leaves all others as they were; `learnt` makes
    those of all notes better in the same way; `nothing` leaves all.
    """
    random = np.random.default_rng(seed)
    main = random.integers(classes, size=count)
    centers = unit(random.normal(size=(classes, dimensions)))
    specialties = [[f"specialty {number}"] for number in main]
    for row in np.flatnonzero(random.random(count) < several):
        specialties[row] = sorted({*specialties[row], f"specialty {(main[row] + 1) % classes}"})
    types = [["Surgery"] if draw < 0.6 else [] for draw in random.random(count)]
    groups = [f"group {number:04d}" for number in random.integers(int(0.8 * count), size=count)]
    note_ids = [f"{number:032x}" for number in random.permutation(count)]
    names = sorted(set(groups))
    random.shuffle(names)
    in_train, in_test = set(names[: round(train * len(names))]), set(names[-round(test * len(names)) :])
    trained = {note for note, group in zip(note_ids, groups, strict=True) if group in in_train}
    held_out = {note for note, group in zip(note_ids, groups, strict=True) if group in in_test}
    noise = random.normal(size=(count, dimensions)) / np.sqrt(dimensions)
    baseline = unit(0.5 * centers[main] + noise)
    tuned = baseline.copy()
    if kind == "memory":
        known = np.array([note in trained for note in note_ids])
        tuned[known] = centers[main[known]]
    elif kind == "learnt":
        tuned = unit(0.9 * centers[main] + noise)
    return Planted(note_ids, baseline, tuned, specialties, types, groups, trained, held_out)
