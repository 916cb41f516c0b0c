"""Synthetic clusters on the sphere, with their exact neighbours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest


class Space(NamedTuple):
    embeddings: npt.NDArray[np.float32]
    indices: npt.NDArray[np.int64]
    similarities: npt.NDArray[np.float32]
    clusters: npt.NDArray[np.int64]


def make_space(count: int, *, clusters: int = 4, dimensions: int = 16, k: int = 50, seed: int = 0) -> Space:
    """Clusters of notes; neighbours by plain sorting, the note itself left out."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % clusters
    rows = generator.normal(size=(clusters, dimensions))[labels] + 0.5 * generator.normal(
        size=(count, dimensions)
    )
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -2)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, : min(k, count - 1)]
    return Space(
        rows.astype(np.float32),
        nearest,
        np.take_along_axis(cosines, nearest, axis=1).astype(np.float32),
        labels,
    )


@pytest.fixture(scope="session")
def space() -> Space:
    return make_space(120)
