"""Maps, displacement and neighbours of the page: arrays by note, packed as base64."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.lake import compute as pc
from medembed_pipeline.pictures.maps_picture import turned_onto
from medembed_pipeline.report.errors import ReportError
from medembed_pipeline.report.shown_table import NoteIndex, ShownTable

WIDTH = 10
"""Neighbours per note in the page."""

MODELS = ("baseline", "tuned")
METHODS = ("aligned_umap", "umap", "tsne", "joint_pca", "pca")
COMPARABLE = frozenset({"aligned_umap", "joint_pca"})
"""Methods that place both models in one space, so that the way from one place to the other means something."""


def packed(array: npt.ArrayLike, kind: str) -> str:
    """base64 of an array's values, row by row.

    Parameters
    ----------
    array
        any shape.
    kind
        numpy's name of a little-endian type: `<f4`, `<i4` or `u1`.
    """
    return base64.b64encode(np.ascontiguousarray(array, dtype=np.dtype(kind)).tobytes()).decode("ascii")


def maps_part(tables: Sequence[tuple[str, ShownTable]], index: NoteIndex) -> list[dict[str, Any]]:
    """Every map that both models have, ready to be drawn at the same scale.

    A map whose two sides were made on their own is turned, mirrored and moved as a whole onto its baseline side
    (orthogonal Procrustes, Schoenemann 1966; no scaling): the direction of such a map is arbitrary, and no
    distance changes by it.

    Parameters
    ----------
    tables
        names and tables with the columns of `projections`.
    index
        the notes of the page.

    Raises
    ------
    ReportError
        a map that lacks notes of the page, or has others.
    """
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for name, table in tables:
        kinds = table.rows.group_by(["method", "dimensions"]).aggregate([]).to_pylist()
        for kind in kinds:
            method, dimensions = str(kind["method"]), int(kind["dimensions"])
            one = _map(name, table, method, dimensions, index)
            if one is not None:
                found[method, dimensions] = one
    rank = {method: place for place, method in enumerate(METHODS)}
    order = sorted(found, key=lambda key: (rank.get(key[0], len(rank)), key))
    return [found[key] for key in order]


def _map(
    name: str, table: ShownTable, method: str, dimensions: int, index: NoteIndex
) -> dict[str, Any] | None:
    rows = table.rows
    part = rows.filter(pc.and_(pc.equal(rows["method"], method), pc.equal(rows["dimensions"], dimensions)))
    places: dict[str, npt.NDArray[np.float64]] = {}
    trust: dict[str, str | None] = {}
    means: dict[str, float | None] = {}
    for model in MODELS:
        mine = part.filter(pc.equal(part["model"], model))
        if not len(mine):
            return None
        where = f"{name} ({method} in {dimensions} dimensions, {model})"
        position = _every_note_once(mine["note_id"], where, index)
        places[model] = np.empty((len(index), dimensions))
        for column, axis in enumerate("xyz"[:dimensions]):
            places[model][position, column] = mine[axis].to_numpy()
        trust[model], means[model] = _trust(mine, position)
    comparable = method in COMPARABLE
    if not comparable:
        places["tuned"] = turned_onto(places["baseline"], places["tuned"])
        places["baseline"] = places["baseline"] - places["baseline"].mean(axis=0)
    return {
        "key": f"{method}-{dimensions}",
        "method": method,
        "dimensions": dimensions,
        "comparable": comparable,
        "noise_floor": _fact(table.facts, "noise_floors", "noise_floor", method, dimensions),
        "quality": {
            model: _fact(table.facts, "trustworthiness", "trustworthiness", method, dimensions, model)
            or means[model]
            for model in MODELS
        },
        **{model: packed(places[model], "<f4") for model in MODELS},
        **{f"trust_{model}": trust[model] for model in MODELS},
    }


def _every_note_once(column: pa.ChunkedArray, where: str, index: NoteIndex) -> npt.NDArray[np.int64]:
    position: npt.NDArray[np.int64] = index.of_column(column, where)
    if len(position) != len(index) or len(np.unique(position)) != len(index):
        raise ReportError(
            f"{where} has {len(position)} rows for {len(index)} notes; expected each note once. Materialize "
            f"{where.partition(' ')[0]} again, then report."
        )
    return position


def _trust(rows: pa.Table, position: npt.NDArray[np.int64]) -> tuple[str | None, float | None]:
    """Local trustworthiness in steps of 1/255, and its mean; None where it was not taken."""
    if "trustworthiness" not in rows.column_names or rows["trustworthiness"].null_count:
        return None, None
    values = np.empty(len(position))
    values[position] = rows["trustworthiness"].to_numpy()
    if not np.isfinite(values).all():
        return None, None
    return packed(np.rint(np.clip(values, 0, 1) * 255), "u1"), round(float(values.mean()), 6)


def _fact(
    facts: Mapping[str, Any],
    name: str,
    figure: str,
    method: str,
    dimensions: int,
    model: str | None = None,
) -> float | None:
    for row in facts.get(name, ()):
        if (row["method"], int(row["dimensions"])) == (method, dimensions) and row.get("model") == model:
            value = row[figure]
            return float(value) if value is not None and math.isfinite(value) else None
    return None


def displacement_part(table: ShownTable | None, index: NoteIndex) -> dict[str, Any]:
    """How far each note moved in the full space, and the share of its neighbours that stayed.

    Raises
    ------
    ReportError
        as in `maps_part`.
    """
    if table is None:
        return {"distance": None, "overlap": None, "floor": None}
    rows = table.rows
    position = _every_note_once(rows["note_id"], "note_displacement", index)
    overlap = np.full(len(index), np.nan)
    overlap[position] = rows["neighbor_overlap"].to_numpy()
    distance = None
    if rows["displacement"].null_count < len(rows):
        moved = np.full(len(index), np.nan)
        moved[position] = rows["displacement"].to_numpy()
        distance = packed(moved, "<f4")
    floor = table.facts.get("displacement_floor")
    finite = floor is not None and math.isfinite(floor)
    return {
        "distance": distance,
        "overlap": packed(overlap, "<f4"),
        "floor": float(floor) if finite else None,  # type: ignore[arg-type]
    }


def neighbors_part(table: ShownTable | None, index: NoteIndex) -> dict[str, Any]:
    """The WIDTH nearest of all notes, by model; -1 and similarity 0 where there are fewer.

    Raises
    ------
    ReportError
        a neighbour that is no note of the page.
    """
    part: dict[str, Any] = {"width": WIDTH}
    for model in MODELS:
        nearest = np.full((len(index), WIDTH), -1, dtype=np.int64)
        similarity = np.zeros((len(index), WIDTH))
        if table is not None:
            rows = table.rows
            kept = pc.and_(pc.equal(rows["model"], model), pc.equal(rows["pool"], "all"))
            rows = rows.filter(pc.and_(kept, pc.less_equal(rows["rank"], WIDTH)))
            slot = (index.of_column(rows["note_id"], "neighbors"), rows["rank"].to_numpy() - 1)
            nearest[slot] = index.of_column(rows["neighbor_id"], "neighbors")
            similarity[slot] = rows["similarity"].to_numpy()
        part[model] = packed(nearest, "<i4")
        part[f"{model}_similarity"] = packed(similarity, "<f4")
    return part


def scored_note_ids(neighbors: pa.Table) -> set[str]:
    """Ids of the notes that were scored: those that ask in the pool `test`."""
    asked = neighbors.filter(pc.equal(neighbors["pool"], "test"))
    return set(pc.unique(asked["note_id"]).to_pylist())


def first_neighbors(batches: Iterable[pa.RecordBatch], schema: pa.Schema, *, width: int = WIDTH) -> pa.Table:
    """The rows of a `neighbors` table that are shown, few of many: `width` ranks of `all`, the first of `test`."""
    kept = []
    for batch in batches:
        nearest = pc.less_equal(batch["rank"], width)
        first = pc.equal(batch["rank"], 1)
        of_all, of_test = pc.equal(batch["pool"], "all"), pc.equal(batch["pool"], "test")
        kept.append(batch.filter(pc.or_(pc.and_(of_all, nearest), pc.and_(of_test, first))))
    return pa.Table.from_batches(kept, schema)
