"""Small made-up spaces with a planted truth that the tests of this room share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.evaluation.neighbors import neighbors_table
from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.evidence.diagnostics.table import HealthNotes

KINDS = 6
"""Kinds of notes within each specialty of `make_notes`."""


def unit(rows: npt.ArrayLike) -> FloatArray:
    matrix = np.asarray(rows, dtype=np.float64)
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def random_rows(count: int, dimensions: int, seed: int = 0) -> FloatArray:
    return unit(np.random.default_rng(seed).normal(size=(count, dimensions)))


def rotation(dimensions: int, seed: int = 0) -> FloatArray:
    matrix, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(dimensions, dimensions)))
    return np.asarray(matrix)


def make_notes(count: int = 240, *, specialties: int = 4, several: float = 0.2, seed: int = 0) -> HealthNotes:
    """Notes of a few specialties, each with KINDS kinds inside; a third is held out."""
    random = np.random.default_rng(seed)
    main = random.integers(specialties, size=count)
    sets = [[f"specialty {number}"] for number in main]
    for row in np.flatnonzero(random.random(count) < several):
        sets[row] = sorted({*sets[row], f"specialty {random.integers(specialties)}"})
    held_out = random.random(count) < 1 / 3
    inside = random.integers(KINDS, size=count)
    return HealthNotes(
        note_ids=[f"note-{row:04d}" for row in range(count)],
        specialties=sets,
        held_out=held_out,
        training=~held_out,
        kinds={
            "near_duplicate": [frozenset([f"group {row // 2}"]) for row in range(count)],
            "sample_name": [
                frozenset([f"kind {one} of {name[0]}"]) for one, name in zip(inside, sets, strict=True)
            ],
        },
    )


def make_rows(
    notes: HealthNotes, *, detail: float = 1.0, noise: float = 0.4, dimensions: int = 24, seed: int = 1
) -> FloatArray:
    """Vectors around a centre per specialty and, `detail` strong, one per kind within it."""
    random = np.random.default_rng(seed)
    centers: dict[str, FloatArray] = {}
    rows = []
    for names, kind in zip(notes.specialties, notes.kinds["sample_name"], strict=True):
        for name in sorted({*names, *kind}):
            centers.setdefault(name, random.normal(size=dimensions))
        row = 1.5 * np.mean([centers[name] for name in names], axis=0)
        row = row + detail * np.mean([centers[name] for name in kind], axis=0)
        rows.append(row + noise * random.normal(size=dimensions))
    return unit(rows)


def neighbors_of(notes: HealthNotes, embeddings: dict[str, FloatArray], *, k: int = 12) -> pa.Table:
    scored = [notes.note_ids[row] for row in np.flatnonzero(notes.held_out)]
    return pa.concat_tables(
        [
            neighbors_table(model, notes.note_ids, rows, scored_note_ids=scored, k=k)
            for model, rows in embeddings.items()
        ]
    )
