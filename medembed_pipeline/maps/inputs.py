"""What the maps are made from: both models' notes in one order, and who is near whom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from medembed_pipeline.lake.tables import vectors
from medembed_pipeline.maps.aligned_umap import Space
from medembed_pipeline.maps.errors import MapError
from medembed_pipeline.maps.tables import neighbor_arrays

MODELS = ("baseline", "tuned")


@dataclass(frozen=True)
class MapInputs:
    """The notes of both models, in the order of their ids, so that no result depends on the order of a table.

    Attributes
    ----------
    note_ids
        n ids, sorted.
    spaces
        by model, rows in that order.
    """

    note_ids: list[str]
    spaces: dict[str, Space]

    @property
    def embeddings(self) -> dict[str, np.ndarray]:
        """Vectors float32 [n, d] by model."""
        return {model: np.asarray(space.embeddings) for model, space in self.spaces.items()}


def map_inputs(
    *, baseline_embeddings: pa.Table, tuned_embeddings: pa.Table, neighbors: pa.Table
) -> MapInputs:
    """The tables as arrays.

    Parameters
    ----------
    baseline_embeddings, tuned_embeddings
        columns note_id and embedding, the same notes in any order.
    neighbors
        as in `neighbor_arrays`.

    Raises
    ------
    MapError
        the two embeddings hold different notes, or as in `neighbor_arrays`.
    """
    tables = {
        model: table.sort_by("note_id")
        for model, table in zip(MODELS, (baseline_embeddings, tuned_embeddings), strict=True)
    }
    ids = [table.column("note_id").to_pylist() for table in tables.values()]
    if ids[0] != ids[1]:
        raise MapError(
            f"baseline_embeddings has {len(ids[0])} notes and tuned_embeddings {len(ids[1])}, and not the same "
            "ones. Materialize both again."
        )
    spaces = {
        model: Space(
            vectors(table.column("embedding")), *neighbor_arrays(neighbors, model=model, note_ids=ids[0])
        )
        for model, table in tables.items()
    }
    return MapInputs(ids[0], spaces)
