"""Synthetic clusters on the sphere, with their exact neighbours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from medembed_pipeline.maps.aligned_umap import Space as MapSpace


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
    made = space_of(rows, k=k)
    return Space(
        made.embeddings.astype(np.float32),
        made.neighbor_indices,
        made.neighbor_similarities.astype(np.float32),
        labels,
    )


def space_of(rows: npt.ArrayLike, *, k: int = 50) -> MapSpace:
    """Any rows, scaled to unit length, with their exact neighbours."""
    unit = np.array(rows, dtype=np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, : min(k, len(unit) - 1)]
    similarities = np.take_along_axis(cosines, nearest, axis=1).astype(np.float32)
    return MapSpace(unit.astype(np.float32), nearest, similarities)


@pytest.fixture(scope="session")
def space() -> Space:
    return make_space(120)
