"""All maps of all models: from tables to tables."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.lake import compute as pc
from medembed_pipeline.lake.fields import described
from medembed_pipeline.maps.errors import MapError
from medembed_pipeline.maps.local_trust import local_trustworthiness
from medembed_pipeline.maps.projections import (
    DIMENSIONS,
    METHODS,
    MINIMUM_DISTANCE,
    PERPLEXITY,
    UMAP_NEIGHBORS,
    Float32Array,
    IntArray,
    load_libraries,
    project,
)
from medembed_pipeline.maps.trustworthiness import NEIGHBORS, map_quality
from medembed_pipeline.threads import in_threads


def _places_schema(methods: str) -> pa.Schema:
    return pa.schema(
        [
            described("note_id", pa.string(), "the note"),
            described("model", pa.string(), "baseline or tuned"),
            described("method", pa.string(), methods),
            described("dimensions", pa.int8(), "2 or 3"),
            described("x", pa.float32(), "first coordinate; the unit of a map has no meaning of its own"),
            described("y", pa.float32(), "second coordinate"),
            described("z", pa.float32(), "third coordinate, null on a 2-D map", nullable=True),
            described(
                "trustworthiness",
                pa.float32(),
                "1 where the note's 15 neighbours on the map are its true ones by this model, 0 where they are "
                "the farthest notes; null where it was not judged",
                nullable=True,
            ),
        ]
    )


PROJECTIONS_SCHEMA = _places_schema("pca, tsne or umap")
ALIGNED_PROJECTIONS_SCHEMA = _places_schema("aligned_umap or joint_pca")

MAP_QUALITY_SCHEMA = pa.schema(
    [
        described("model", pa.string(), "baseline or tuned"),
        described("method", pa.string(), "pca, tsne, umap, aligned_umap or joint_pca"),
        described("dimensions", pa.int8(), "2 or 3"),
        described(
            "trustworthiness",
            pa.float64(),
            "1 where neighbours on the map are true neighbours, 0.5 at random",
        ),
        described(
            "continuity", pa.float64(), "1 where true neighbours stay together on the map, 0.5 at random"
        ),
        described("neighbors", pa.int32(), "neighbours per note that both figures look at"),
        described("n", pa.int64(), "notes averaged over: all, or a seeded sample of many"),
    ]
)


class Projection(NamedTuple):
    """One map of one model.

    Attributes
    ----------
    coordinates
        float32 [n, dimensions].
    trustworthiness
        float32 [n], of each note's own place, once it is judged (`judged`).
    """

    model: str
    method: str
    dimensions: int
    coordinates: Float32Array
    trustworthiness: Float32Array | None = None


def neighbor_arrays(
    neighbors: pa.Table, *, model: str, note_ids: Sequence[str]
) -> tuple[IntArray, Float32Array]:
    """The `neighbors` table of one model (pool `all`) as arrays that `project` takes.

    Parameters
    ----------
    neighbors
        columns model, pool, note_id, rank (from 1), neighbor_id, similarity.
    model
        baseline or tuned.
    note_ids
        n ids, in the order of the rows of the embeddings.

    Returns
    -------
    tuple[IntArray, Float32Array]
        Row positions, int64 [n, k], and cosine similarities, float32 [n, k], nearest first.

    Raises
    ------
    MapError
        the table does not hold the same number of neighbours for each of these notes.
    """
    part = neighbors.filter(pc.and_(pc.equal(neighbors["model"], model), pc.equal(neighbors["pool"], "all")))
    known = pa.array(note_ids, pa.string())
    query, neighbor = (
        pc.fill_null(pc.index_in(part[column], value_set=known), -1).to_numpy().astype(np.int64)
        for column in ("note_id", "neighbor_id")
    )
    rank = part["rank"].to_numpy().astype(np.int64)
    width = int(rank.max(initial=0))
    complete = len(part) == len(known) * width and width > 0
    if complete and query.min() >= 0 and neighbor.min() >= 0 and rank.min() >= 1:
        slot = query * width + rank - 1
        if len(np.unique(slot)) == len(slot):
            order = np.argsort(slot)
            shape = (len(known), width)
            similarity = part["similarity"].to_numpy().astype(np.float32)
            return neighbor[order].reshape(shape), similarity[order].reshape(shape)
    raise MapError(
        f"neighbors: {len(part)} rows of the model '{model}' do not fit the {len(known)} embedded notes: "
        "expected the same number of neighbours for each, among these notes. Materialize neighbors again."
    )


def make_projections(
    *,
    model: str,
    note_ids: Sequence[str],
    embeddings: npt.ArrayLike,
    neighbor_indices: npt.ArrayLike,
    neighbor_similarities: npt.ArrayLike,
    seed: int,
    methods: Sequence[str] = METHODS,
    dimensions: Sequence[int] = DIMENSIONS,
    perplexity: float = PERPLEXITY,
    umap_neighbors: int = UMAP_NEIGHBORS,
    minimum_distance: float = MINIMUM_DISTANCE,
) -> Iterator[Projection]:
    """All maps of one model, one at a time, so that a caller can report progress.

    A note lies at the same place whatever the order of the input: maps are made in the order of the note ids.

    Parameters
    ----------
    model
        baseline or tuned.
    note_ids
        n different ids. embeddings, neighbor_indices, neighbor_similarities, seed, perplexity, umap_neighbors,
        minimum_distance: as in `project`.
    methods, dimensions
        which maps.

    Yields
    ------
    Projection
        Projections, with rows in the order of `note_ids`.

    Raises
    ------
    MapError
        as in `project`, or ids that do not fit the rows.
    """
    rows = np.asarray(embeddings)
    if len(note_ids) != len(rows) or len(set(note_ids)) != len(rows):
        raise MapError(
            f"note_ids: {len(set(note_ids))} different ids for {len(rows)} embeddings; expected one per row."
        )
    order = np.array(sorted(range(len(rows)), key=note_ids.__getitem__), dtype=np.int64)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    nearest = place[np.asarray(neighbor_indices, dtype=np.int64)[order]]
    wanted = list(itertools.product(methods, dimensions))

    def placed(one: tuple[str, int]) -> Float32Array:
        method, size = one
        return project(
            rows[order],
            method=method,
            dimensions=size,
            seed=seed,
            neighbor_indices=nearest,
            neighbor_similarities=np.asarray(neighbor_similarities)[order],
            perplexity=perplexity,
            umap_neighbors=umap_neighbors,
            minimum_distance=minimum_distance,
        )[place]

    for method in set(methods).intersection(METHODS):
        load_libraries(method)
    for (method, size), coordinates in zip(wanted, in_threads(placed, wanted), strict=True):
        yield Projection(model, method, size, coordinates)


def judged(
    projections: Sequence[Projection],
    *,
    embeddings: Mapping[str, npt.ArrayLike],
    neighbors: int = NEIGHBORS,
    seed: int = 0,
) -> list[Projection]:
    """The maps, each with the local trustworthiness of every note against its own model's space.

    Parameters
    ----------
    projections
        maps.
    embeddings
        [n, d] by model, L2-normalised, rows in the order of the maps.
    neighbors, seed
        as in `local_trustworthiness`.

    Raises
    ------
    MapError
        a model without embeddings, or as in `local_trustworthiness`.
    """
    figures: dict[int, Float32Array] = {}
    for model, mine in _by_model(projections, embeddings).items():
        trust = local_trustworthiness(
            embeddings[model], [projections[row].coordinates for row in mine], neighbors=neighbors, seed=seed
        )
        figures.update(zip(mine, trust.astype(np.float32), strict=True))
    return [one._replace(trustworthiness=figures[row]) for row, one in enumerate(projections)]


def projections_table(projections: Sequence[Projection], *, note_ids: Sequence[str]) -> pa.Table:
    """Maps as a table with PROJECTIONS_SCHEMA, sorted by model, method, dimensions and note_id.

    Parameters
    ----------
    projections
        maps of the same notes, judged or not.
    note_ids
        n ids, in the order of the rows of every map.

    Raises
    ------
    MapError
        a map with another number of rows or columns.
    """
    order = np.array(sorted(range(len(note_ids)), key=note_ids.__getitem__), dtype=np.int64)
    names = pa.array([note_ids[row] for row in order], pa.string())
    count = len(note_ids)
    parts = []
    for model, method, dimensions, coordinates, trust in sorted(projections, key=lambda one: one[:3]):
        if coordinates.shape != (count, dimensions):
            raise MapError(
                f"the {method} map of '{model}' has shape {coordinates.shape}: "
                f"expected ({count}, {dimensions})."
            )
        x, y, *z = coordinates[order].astype(np.float32).T
        columns = [
            names,
            pa.repeat(pa.scalar(model), count),
            pa.repeat(pa.scalar(method), count),
            pa.repeat(pa.scalar(dimensions, pa.int8()), count),
            pa.array(x),
            pa.array(y),
            pa.array(z[0]) if z else pa.nulls(count, pa.float32()),
            pa.nulls(count, pa.float32()) if trust is None else pa.array(trust[order].astype(np.float32)),
        ]
        parts.append(pa.Table.from_arrays(columns, schema=PROJECTIONS_SCHEMA))
    return pa.concat_tables(parts).combine_chunks() if parts else PROJECTIONS_SCHEMA.empty_table()


def map_quality_table(
    projections: Sequence[Projection],
    *,
    embeddings: Mapping[str, npt.ArrayLike],
    neighbors: int = NEIGHBORS,
    seed: int = 0,
) -> pa.Table:
    """Trustworthiness and continuity of every map, as a table with MAP_QUALITY_SCHEMA.

    Parameters
    ----------
    projections
        maps.
    embeddings
        [n, d] by model, L2-normalised, rows in the order of the maps.
    neighbors, seed
        as in `map_quality`.

    Raises
    ------
    MapError
        a model without embeddings, or as in `map_quality`.
    """
    rows = []
    for model, positions in _by_model(projections, embeddings).items():
        mine = sorted((projections[row] for row in positions), key=lambda one: one[:3])
        figures = map_quality(
            embeddings[model], [one.coordinates for one in mine], neighbors=neighbors, seed=seed
        )
        for one, figure in zip(mine, figures, strict=True):
            rows.append(
                {"model": model, "method": one.method, "dimensions": one.dimensions, **figure._asdict()}
            )
    return pa.Table.from_pylist(rows, schema=MAP_QUALITY_SCHEMA)


def _by_model(
    projections: Sequence[Projection], embeddings: Mapping[str, npt.ArrayLike]
) -> dict[str, list[int]]:
    """Positions of the maps of each model, by model in order of its name."""
    found: dict[str, list[int]] = {}
    for model in sorted({one.model for one in projections}):
        if model not in embeddings:
            raise MapError(
                f"no embeddings of the model '{model}'; there are: {', '.join(sorted(embeddings))}."
            )
        found[model] = [row for row, one in enumerate(projections) if one.model == model]
    return found
