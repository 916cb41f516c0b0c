"""Maps that hold both models, and what is noise on them: from arrays to tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from medembed_pipeline.maps.aligned_umap import REGULARISATION, Space, aligned_umap
from medembed_pipeline.maps.alignment import (
    JointMap,
    displacement,
    joint_components,
    joint_floor,
    map_scale,
    motion,
    motion_floor,
)
from medembed_pipeline.maps.displacement import OVERLAP_NEIGHBORS, same_dimensions, shared_nearest
from medembed_pipeline.maps.projections import (
    DIMENSIONS,
    MINIMUM_DISTANCE,
    UMAP_NEIGHBORS,
    FloatArray,
)
from medembed_pipeline.maps.tables import (
    ALIGNED_PROJECTIONS_SCHEMA,
    Projection,
    judged,
    projections_table,
)

ALIGNED_METHODS = ("aligned_umap", "joint_pca")


class AlignedResult(NamedTuple):
    """What `make_aligned_projections` finds.

    Attributes
    ----------
    maps
        two Projections (baseline, tuned) per method and number of dimensions, judged.
    noise_floors
        a record per method and number of dimensions: `method`, `dimensions`, `noise_floor` (95th percentile of the
        motion of notes that did not move, in map units), `scale` (root mean square radius of the map), and Spearman's
        correlation of the motion on the map with the displacement in the full space (`follows_displacement`) and with
        the share of neighbours lost (`follows_neighbors`), None where that cannot be told.
    left_out
        why a method is missing; empty where none is.
    """

    maps: list[Projection]
    noise_floors: list[dict[str, Any]]
    left_out: str


def make_aligned_projections(
    baseline: Space,
    tuned: Space,
    *,
    seed: int,
    methods: Sequence[str] = ALIGNED_METHODS,
    dimensions: Sequence[int] = DIMENSIONS,
    regularisation: float = REGULARISATION,
    umap_neighbors: int = UMAP_NEIGHBORS,
    minimum_distance: float = MINIMUM_DISTANCE,
    overlap_neighbors: int = OVERLAP_NEIGHBORS,
    report: Callable[[str], None] = lambda _: None,
) -> AlignedResult:
    """AlignedUMAP and joint PCA of both models, with their noise floors.

    Models of different dimensions have no joint PCA, because no rotation lays one onto the other; AlignedUMAP
    asks only who is near whom.

    Parameters
    ----------
    baseline, tuned
        row by row the same notes, at least three; in the order of their ids, so that the order of the input does not
        matter.
    seed
        0 to 2**31 - 1.
    methods, dimensions
        which maps.
    regularisation, umap_neighbors, minimum_distance
        as in `aligned_umap`.
    overlap_neighbors
        as in `shared_nearest`.
    report
        called with a sentence after each map.

    Raises
    ------
    MapError
        as in `aligned_umap`, `joint_components` and `shared_nearest`.
    """
    lost = 1.0 - shared_nearest(baseline.neighbor_indices, tuned.neighbor_indices, overlap_neighbors)
    comparable = same_dimensions(baseline.embeddings, tuned.embeddings)
    moved = displacement(baseline.embeddings, tuned.embeddings) if comparable else None
    maps: list[Projection] = []
    floors: list[dict[str, Any]] = []

    def add(method: str, size: int, places: JointMap, floor: float) -> None:
        for model, coordinates in places._asdict().items():
            maps.append(Projection(model, method, size, coordinates.astype(np.float32)))
        shown = motion(places)
        floors.append(
            {
                "method": method,
                "dimensions": size,
                "noise_floor": floor,
                "scale": map_scale(places),
                "follows_displacement": None if moved is None else rank_correlation(shown, moved),
                "follows_neighbors": rank_correlation(shown, lost),
            }
        )
        report(f"{method} in {size} dimensions of both models is done")

    for size in dimensions:
        if "aligned_umap" in methods:
            aligned = aligned_umap(
                baseline,
                tuned,
                dimensions=size,
                seed=seed,
                regularisation=regularisation,
                neighbors=umap_neighbors,
                minimum_distance=minimum_distance,
            )
            add("aligned_umap", size, aligned.places, motion_floor(aligned.unmoved))
        if "joint_pca" in methods and comparable:
            places = joint_components(baseline.embeddings, tuned.embeddings, size)
            add("joint_pca", size, places, joint_floor(baseline.embeddings, size, seed=seed))
    embeddings = {"baseline": baseline.embeddings, "tuned": tuned.embeddings}
    left_out = _no_joint_pca(baseline, tuned) if "joint_pca" in methods and not comparable else ""
    floors.sort(key=lambda one: (one["method"], one["dimensions"]))
    return AlignedResult(judged(maps, embeddings=embeddings, seed=seed), floors, left_out)


def aligned_projections_table(maps: Sequence[Projection], *, note_ids: Sequence[str]) -> pa.Table:
    """Maps as a table with ALIGNED_PROJECTIONS_SCHEMA, sorted as `projections_table` sorts.

    Raises
    ------
    MapError
        as in `projections_table`.
    """
    return projections_table(maps, note_ids=note_ids).cast(ALIGNED_PROJECTIONS_SCHEMA)


def rank_correlation(one: FloatArray, other: FloatArray) -> float | None:
    """Spearman's rank correlation, ties at their mean rank; None where either is the same for all notes."""
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(values) for values in (one, other)])
    ranks -= ranks.mean(axis=1, keepdims=True)
    spread = math.sqrt(float(np.prod(np.square(ranks).sum(axis=1))))
    return float(ranks[0] @ ranks[1]) / spread if spread > 0 else None


def _no_joint_pca(baseline: Space, tuned: Space) -> str:
    sizes = [np.asarray(space.embeddings).shape[1] for space in (baseline, tuned)]
    return (
        f"joint_pca is left out: the baseline has {sizes[0]} dimensions and the tuned model {sizes[1]}, and a "
        "rotation needs the same number"
    )
