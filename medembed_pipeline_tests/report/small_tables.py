"""A small lake's tables with known contents, made without the pipeline."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.evaluation.metrics_table import metrics_table
from medembed_pipeline.evaluation.neighbors import neighbors_table
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.report.shown_table import ShownTable

NOTES = 14
SPECIALTIES = ["Urology", "Neurology", "Cardiology"]
SECRET = "zanzibarium"
PHONE = "555-867-5309"


def note_id(number: int) -> str:
    """32 hex, whose order is not the order of the numbers."""
    return digest(["note", number])[:32]


def texts(count: int = NOTES) -> list[str]:
    """Texts in the order of `ids()`; each has a word and a number that must not show up where text is off."""
    by_id = {note_id(number): number for number in range(count)}
    return [
        f"Note {by_id[name]} about {SECRET}. Call {PHONE}. <script>alert(1)</script>" for name in ids(count)
    ]


def ids(count: int = NOTES) -> list[str]:
    """All note ids, sorted, as cleaned_notes has them."""
    return sorted(note_id(number) for number in range(count))


def vectors(seed: int, dimensions: int, count: int = NOTES) -> np.ndarray:
    """Unit vectors in the order of `ids()`."""
    rows = np.random.default_rng(seed).normal(size=(count, dimensions)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def cleaned_notes(count: int = NOTES) -> pa.Table:
    """The first note has two specialties, the last none; notes 2 and 3 are near-duplicates."""
    names = ids(count)
    specialties = [[SPECIALTIES[row % 3]] for row in range(count)]
    specialties[0] = ["Cardiology", "Urology"]
    specialties[-1] = []
    groups = list(names)
    if count > 3:
        groups[3] = names[2]
    return pa.table(
        {
            "note_id": names,
            "text": pa.array(texts(count), pa.large_string()),
            "specialties": pa.array(specialties, pa.list_(pa.string())),
            "document_types": pa.array(
                [["Letters"] if row == 1 else [] for row in range(count)], pa.list_(pa.string())
            ),
            "source_rows": pa.array(
                [[f"row-{row}", "row-twice"] if row == 0 else [f"row-{row}"] for row in range(count)],
                pa.list_(pa.string()),
            ),
            "duplicate_group": groups,
            "words": pa.array(range(10, 10 + count), pa.int32()),
        }
    )


def note_splits(count: int = NOTES) -> pa.Table:
    """Every third note is held out, in an order that is not that of the notes."""
    names = ids(count)
    splits = ["test" if row % 3 == 0 else "train" if row % 3 == 1 else "validation" for row in range(count)]
    return pa.table({"note_id": names[::-1], "split": splits[::-1], "group": names[::-1]})


def held_out(count: int = NOTES) -> list[str]:
    """The held-out notes that have a specialty."""
    return [name for row, name in enumerate(ids(count)) if row % 3 == 0 and row != count - 1]


def places(method: str, dimensions: int, coordinates: dict[str, np.ndarray], trust: float = 0.5) -> pa.Table:
    """Rows of a projections table, shuffled."""
    parts = []
    order = np.random.default_rng(0).permutation(len(next(iter(coordinates.values()))))
    names = ids(len(order))
    for model, points in coordinates.items():
        axes = points[order].astype(np.float32).T
        parts.append(
            pa.table(
                {
                    "note_id": [names[row] for row in order],
                    "model": [model] * len(order),
                    "method": [method] * len(order),
                    "dimensions": pa.array([dimensions] * len(order), pa.int8()),
                    "x": axes[0],
                    "y": axes[1],
                    "z": axes[2] if dimensions == 3 else pa.nulls(len(order), pa.float32()),
                    "trustworthiness": pa.array(np.full(len(order), trust), pa.float32()),
                }
            )
        )
    return pa.concat_tables(parts)


def turned(points: np.ndarray) -> np.ndarray:
    """The same map, mirrored, turned by 90 degrees and moved."""
    return (points * [1, -1])[:, ::-1] + [30.0, -7.0]


def map_points(count: int = NOTES) -> np.ndarray:
    """A 2-D map in the order of `ids()`."""
    return np.random.default_rng(3).normal(size=(count, 2)) * [4, 1] + [9.0, 2.0]


def neighbors(count: int = NOTES) -> pa.Table:
    """The neighbors table of both models."""
    return pa.concat_tables(
        neighbors_table(model, ids(count), vectors(seed, 8, count), scored_note_ids=held_out(count), k=12)
        for seed, model in ((1, "baseline"), (2, "tuned"))
    )


def all_tables(count: int = NOTES) -> dict[str, ShownTable]:
    """Every table of the page."""
    names, scored = ids(count), held_out(count)
    baseline, tuned = vectors(1, 8, count), vectors(2, 8, count)
    notes = cleaned_notes(count)
    rows = [names.index(name) for name in scored]
    metrics = metrics_table(
        scored,
        baseline[rows],
        tuned[rows],
        [notes["specialties"][row].as_py() for row in rows],
        scored,
        minimum_notes=2,
    )
    flat = map_points(count)
    own_maps = pa.concat_tables(
        [
            places("umap", 2, {"baseline": flat, "tuned": turned(flat)}),
            places("pca", 3, {"baseline": baseline[:, :3], "tuned": tuned[:, :3]}, trust=1.0),
        ]
    )
    quality = [
        {"model": "baseline", "method": "umap", "dimensions": 2, "trustworthiness": 0.75},
        {"model": "tuned", "method": "umap", "dimensions": 2, "trustworthiness": float("nan")},
    ]
    aligned = places("aligned_umap", 2, {"baseline": flat, "tuned": flat + 1})
    floors = [{"method": "aligned_umap", "dimensions": 2, "noise_floor": 0.25, "scale": 4.0}]
    return {
        "cleaned_notes": ShownTable(notes, {"rows": 99}, {"CleaningSettings": {"redact": False}}, {}, "n1"),
        "note_splits": ShownTable(note_splits(count), {}, {"SplitSettings": {"train": 0.7}}, {}, "s1"),
        "neighbors": ShownTable(
            neighbors(count), {"scored_notes": len(scored)}, {}, {"baseline_embeddings": "b1"}
        ),
        "projections": ShownTable(own_maps, {"trustworthiness": quality}),
        "aligned_projections": ShownTable(aligned, {"noise_floors": floors}),
        "note_displacement": ShownTable(note_displacement(count), {"displacement_floor": 0.01}),
        "embedding_metrics": ShownTable(metrics, {"scored_notes": len(scored)}, {}, {}, "m1"),
        **{name: ShownTable(table) for name, table in evidence(count).items()},
    }


def note_displacement(count: int = NOTES) -> pa.Table:
    """Displacement grows with the position of the note; the first has none."""
    displacement: list[float | None] = [None, *(row / count for row in range(1, count))]
    return pa.table(
        {
            "note_id": ids(count)[::-1],
            "displacement": pa.array(displacement[::-1], pa.float32()),
            "neighbor_overlap": pa.array(np.linspace(1, 0, count), pa.float32()),
            "rank": pa.array(range(1, count + 1), pa.int32()),
        }
    )


def evidence(count: int = NOTES) -> dict[str, pa.Table]:
    """The tables of evidence, a few rows each, in which every way to name a note occurs."""
    names = ids(count)
    asked = held_out(count)
    similarity: list[dict[str, Any]] = [
        _figure("histogram", "positive", None, 3, "count", 7.0, n=20),
        _figure("specialties", "Urology", "Neurology", None, "mean", 0.1 + 0.2),
        _figure("documents", asked[0], names[5], 0, "similarity", 0.5, relevant=True),
        _figure("neighbors", asked[1], names[7], 1, "similarity", float("nan"), relevant=False),
    ]
    ledger = {
        "rank": pa.array([1, 2], pa.int32()),
        "note_id": asked[:2],
        "specialties": pa.array([["Urology"], []], pa.list_(pa.string())),
        "change": pa.array([-0.2, 0.1], pa.float64()),
        "neighbors_baseline": pa.array([names[1:4], names[5:7]], pa.list_(pa.string())),
        "relevant_baseline": pa.array([[True, False, True], [False, False]], pa.list_(pa.bool_())),
        "similarity_baseline": pa.array([[0.9, 0.1, 0.05], [0.4, 0.3]], pa.list_(pa.float32())),
        "neighbors_tuned": pa.array([names[2:5], names[6:8]], pa.list_(pa.string())),
        "won": pa.array([[names[4]], []], pa.list_(pa.string())),
        "lost": pa.array([[], [names[5]]], pa.list_(pa.string())),
    }
    health = {
        "model": ["tuned", "tuned"],
        "figure": ["effective_rank", "hub"],
        "name": ["", names[9]],
        "value": [5.5, 12.0],
        "n": pa.array([count, None], pa.int64()),
    }
    labels = {
        "rank": pa.array([1], pa.int32()),
        "note_id": [names[4]],
        "specialties": pa.array([["Urology"]], pa.list_(pa.string())),
        "suggested": pa.array([None], pa.string()),
        "label_quality": pa.array([0.1], pa.float32()),
        "judgement": ["looks_wrong"],
    }
    return {
        "similarity_evidence": pa.Table.from_pylist(similarity),
        "query_results": pa.table(ledger),
        "label_confusions": pa.table(
            {
                "model": ["tuned"],
                "specialty": ["Urology"],
                "wrong_specialty": ["Neurology"],
                "weight": [1.5],
                "share": [0.3],
                "queries": [5],
            }
        ),
        "embedding_diagnostics": pa.table(health),
        "label_review": pa.table(labels),
        "leakage_estimate": pa.table(
            {"protocol": ["by_row"], "model": ["tuned"], "metric": ["precision"], "k": [5], "value": [0.7]}
        ),
        "release_verdict": pa.table({"rule": ["main_metric"], "passed": [True], "reason": ["It is better."]}),
    }


def _figure(
    figure: str,
    group: str,
    other: str | None,
    position: int | None,
    statistic: str,
    value: float,
    *,
    n: int | None = None,
    relevant: bool | None = None,
) -> dict[str, Any]:
    return {
        "figure": figure,
        "model": "tuned",
        "group": group,
        "other": other,
        "position": position,
        "statistic": statistic,
        "value": value,
        "n": n,
        "relevant": relevant,
    }
