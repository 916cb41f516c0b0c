"""Where notes lie on the map, and where a new one is put."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medembed_pipeline.lake import compute as pc
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.serving.errors import ServingError
from medembed_pipeline.serving.search import Hits

_PREFERRED = ("umap", "tsne", "pca")
PLACED_BY = 10
"""Nearest notes that say where a new one is put."""


@dataclass(frozen=True)
class Places:
    """A flat map.

    Attributes
    ----------
    method
        umap, tsne or pca.
    xy
        float32 [n, 2], NaN for a note that is not on it.
    """

    method: str
    xy: npt.NDArray[np.float32]

    def of_new(self, hits: Hits) -> tuple[float, float] | None:
        """Where a note is put that the map was not made of: the mean of its nearest notes' places, each counted by how
        similar it is above the least similar of them; None where none of them is on the map.

        UMAP and t-SNE have no formula for a new point; this says which notes it lies among, and no more.
        """
        rows, weights = hits.rows[:PLACED_BY], hits.similarities[:PLACED_BY]
        known = np.isfinite(self.xy[rows]).all(axis=1)
        if not known.any():
            return None
        rows, weights = rows[known], weights[known]
        above = weights - weights.min() + 1e-6
        x, y = np.average(self.xy[rows].astype(np.float64), axis=0, weights=above)
        return float(x), float(y)


def map_places(projections: LakeTable | None, note_ids: list[str], vectors: np.ndarray) -> Places:
    """The map of a snapshot.

    Parameters
    ----------
    projections
        the table of that name, of these vectors; None: the vectors' first two principal components.
    note_ids
        n ids, sorted.
    vectors
        float32 [n, d].

    Raises
    ------
    ServingError
        the table places other notes.
    """
    found = _of_table(projections, note_ids) if projections is not None else None
    return found or Places("pca", _principal(vectors))


def _of_table(projections: LakeTable, note_ids: list[str]) -> Places | None:
    rows = projections.read(["note_id", "model", "method", "dimensions", "x", "y"])
    flat = rows.filter(pc.and_(pc.equal(rows["model"], "tuned"), pc.equal(rows["dimensions"], 2)))
    there = set(pc.unique(flat["method"]).to_pylist())
    for method in _PREFERRED:
        if method not in there:
            continue
        one = flat.filter(pc.equal(flat["method"], method)).sort_by("note_id")
        if one["note_id"].to_pylist() != note_ids:
            raise ServingError("projections places other notes than there are; materialize projections.")
        return Places(method, np.column_stack([one["x"].to_numpy(), one["y"].to_numpy()]).astype(np.float32))
    return None


def _principal(vectors: np.ndarray) -> npt.NDArray[np.float32]:
    """float32 [n, 2]; the sign of each component is that of its largest weight, so that it never turns over."""
    if len(vectors) < 2 or vectors.shape[1] < 2:
        return np.zeros((len(vectors), 2), dtype=np.float32)
    rows = vectors.astype(np.float64)
    rows -= rows.mean(axis=0)
    _, directions = np.linalg.eigh(rows.T @ rows)
    first = directions[:, ::-1][:, :2]
    first = first * np.sign(first[np.abs(first).argmax(axis=0), [0, 1]])
    return (rows @ first).astype(np.float32)
