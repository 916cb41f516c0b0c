"""How far each note moved from baseline to tuned, in embedding space and among its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.lake.fields import described
from medembed_pipeline.maps.alignment import displacement, displacement_floor
from medembed_pipeline.maps.errors import MapError
from medembed_pipeline.maps.projections import FloatArray

OVERLAP_NEIGHBORS = 10

NOTE_DISPLACEMENT_SCHEMA = pa.schema(
    [
        described("note_id", pa.string(), "the note"),
        described(
            "displacement",
            pa.float32(),
            "Euclidean distance between the note's baseline and tuned vectors after the "
            "tuned space was turned onto the baseline by a rotation that other notes gave, 0 to 2 (1.41: "
            "unrelated); null where the models have different dimensions",
            nullable=True,
        ),
        described(
            "neighbor_overlap",
            pa.float32(),
            "share of the note's nearest notes that stayed among its nearest, 0 to 1",
        ),
        described(
            "rank",
            pa.int32(),
            "1 moved most; ties, and models of different dimensions, by the overlap lost, then by note_id",
        ),
    ]
)


def note_displacement_table(
    note_ids: Sequence[str],
    *,
    baseline: npt.ArrayLike,
    tuned: npt.ArrayLike,
    baseline_neighbors: npt.ArrayLike,
    tuned_neighbors: npt.ArrayLike,
    overlap_neighbors: int = OVERLAP_NEIGHBORS,
    seed: int = 0,
) -> tuple[pa.Table, dict[str, Any]]:
    """Displacement and neighbour overlap of every note.

    Parameters
    ----------
    note_ids
        n ids, in the order of the rows.
    baseline, tuned
        [n, d] and [n, e], L2-normalised rows.
    baseline_neighbors, tuned_neighbors
        int [n, k], row positions, nearest first.
    overlap_neighbors
        as in `shared_nearest`.
    seed
        of the copy that `displacement_floor` turns.

    Returns
    -------
    tuple[pa.Table, dict[str, Any]]
        A table with NOTE_DISPLACEMENT_SCHEMA, sorted by note_id; and the facts `displacement_floor` (see there; None
        where dimensions differ), `median_displacement` (likewise), `mean_neighbor_overlap`, `overlap_neighbors` (the k
        used) and `note`, which says why displacement is missing, empty where it is not.

    Raises
    ------
    MapError
        ids that do not fit the rows, or as in `displacement` and `shared_nearest`.
    """
    count = len(note_ids)
    sizes = {len(np.asarray(one)) for one in (baseline, tuned, baseline_neighbors, tuned_neighbors)}
    if sizes != {count} or len(set(note_ids)) != count:
        raise MapError(
            f"note_ids: {len(set(note_ids))} different ids for tables of {sorted(sizes)} rows; expected one per "
            "row. Materialize the embeddings and neighbors again."
        )
    overlap = shared_nearest(baseline_neighbors, tuned_neighbors, overlap_neighbors)
    comparable = same_dimensions(baseline, tuned)
    order = np.array(sorted(range(count), key=note_ids.__getitem__), dtype=np.int64)
    # By note id, so that the order of the rows does not matter.
    rows, others = np.asarray(baseline)[order], np.asarray(tuned)[order]
    moved = None
    if comparable:
        moved = np.empty(count, dtype=np.float32)
        moved[order] = displacement(rows, others)
    most = sorted(
        range(count),
        key=lambda row: (0.0 if moved is None else -moved[row], overlap[row], note_ids[row]),
    )
    rank = np.empty(count, dtype=np.int32)
    rank[most] = np.arange(1, count + 1)
    table = pa.Table.from_arrays(
        [
            pa.array([note_ids[row] for row in order], pa.string()),
            pa.nulls(count, pa.float32()) if moved is None else pa.array(moved[order]),
            pa.array(overlap[order].astype(np.float32)),
            pa.array(rank[order]),
        ],
        schema=NOTE_DISPLACEMENT_SCHEMA,
    )
    facts = {
        "displacement_floor": displacement_floor(rows, seed=seed) if comparable else None,
        "median_displacement": None if moved is None else float(np.median(moved)),
        "mean_neighbor_overlap": float(overlap.mean()),
        "overlap_neighbors": min(overlap_neighbors, count - 1),
        "note": ""
        if comparable
        else "no displacement: baseline and tuned have different dimensions, so their spaces cannot be laid over "
        "each other; notes are ranked by the neighbours they lost",
    }
    return table, facts


def shared_nearest(baseline: npt.ArrayLike, tuned: npt.ArrayLike, k: int = OVERLAP_NEIGHBORS) -> FloatArray:
    """The share of each note's k nearest notes that are the same in both models, float64 [n].

    Parameters
    ----------
    baseline, tuned
        int [n, at least k], row positions of the nearest notes, nearest first.
    k
        neighbours to compare; all others where there are fewer.

    Raises
    ------
    MapError
        other shapes, or fewer than k neighbours where there are more notes.
    """
    one, other = np.asarray(baseline, dtype=np.int64), np.asarray(tuned, dtype=np.int64)
    if one.ndim != 2 or other.ndim != 2 or len(one) != len(other):
        raise MapError(
            f"neighbours of shape {one.shape} and {other.shape}: expected [n, k] of the same notes. "
            "Materialize neighbors again."
        )
    count = len(one)
    width = min(k, count - 1)
    kept = min(one.shape[1], other.shape[1])
    if width < 1 or kept < width:
        raise MapError(
            f"the overlap of {k} neighbours needs {max(width, 1)} per note, but neighbors holds {kept}. Keep more "
            f"neighbours, or set the overlap neighbours to {max(kept, 1)} or less."
        )
    # A position and its row make one number, so that one search finds what both have.
    first, second = (part[:, :width] + count * np.arange(count)[:, None] for part in (one, other))
    return np.isin(first, second).sum(axis=1) / width


def same_dimensions(baseline: npt.ArrayLike, tuned: npt.ArrayLike) -> bool:
    """Whether one space can be turned onto the other."""
    return np.asarray(baseline).shape[1:] == np.asarray(tuned).shape[1:]
