"""The ledger: what every held-out note won and lost among its ten neighbours, the worst regression first."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.evaluation.metrics_table import MODELS
from medembed_pipeline.evaluation.retrieval import retrieval_scores
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray, unit_rows
from medembed_pipeline.evidence.queries.errors import LedgerError
from medembed_pipeline.evidence.queries.near_duplicates import precision_in_other_groups
from medembed_pipeline.evidence.queries.nearest import (
    LEDGER_NEIGHBORS,
    Nearest,
    nearest_in_table,
    relevant_neighbors,
    scored_pool,
)
from medembed_pipeline.lake.fields import described


def _figures(name: str, description: str) -> list[pa.Field]:
    undefined = "null where no other held-out note shares a specialty"
    return [
        described(
            f"{name}_{model}", pa.float64(), f"{description}, {model} model; {undefined}", nullable=True
        )
        for model in MODELS
    ]


def _neighbor_columns(model: str) -> list[pa.Field]:
    return [
        described(
            f"neighbors_{model}",
            pa.list_(pa.string()),
            f"note_ids of the ten nearest held-out notes, {model} model",
        ),
        described(
            f"relevant_{model}", pa.list_(pa.bool_()), f"which of neighbors_{model} share a specialty with it"
        ),
        described(
            f"similarity_{model}", pa.list_(pa.float32()), f"cosine similarity of neighbors_{model}, -1 to 1"
        ),
    ]


QUERY_RESULTS_SCHEMA = pa.schema(
    [
        described("rank", pa.int32(), "1 lost most precision; ties by note_id, undefined changes last"),
        described("note_id", pa.string(), "the held-out note that asks; joins cleaned_notes"),
        described("specialties", pa.list_(pa.string()), "its specialties, sorted"),
        *_figures("precision", "P@10, 0 to 1"),
        described("change", pa.float64(), "precision_tuned - precision_baseline", nullable=True),
        *_figures("average_precision", "average precision over the whole ranking, 0 to 1"),
        *_neighbor_columns("baseline"),
        *_neighbor_columns("tuned"),
        described(
            "won", pa.list_(pa.string()), "relevant neighbours that only the tuned model has, nearest first"
        ),
        described(
            "lost",
            pa.list_(pa.string()),
            "relevant neighbours that only the baseline model has, nearest first",
        ),
        described(
            "near_duplicates",
            pa.int32(),
            "other held-out notes of its duplicate group, which are near it by their text alone",
        ),
    ]
)


def query_results_table(
    note_ids: Sequence[str],
    specialties: Sequence[Collection[str]],
    duplicate_groups: Sequence[Hashable],
    *,
    embeddings: dict[str, npt.ArrayLike],
    neighbors: pa.Table,
) -> tuple[pa.Table, dict[str, Any]]:
    """One row per held-out note that has a specialty.

    Precision at 10 and average precision are those of `retrieval_scores`, hence exactly the ones that
    `embedding_metrics` averages.

    A near-duplicate of a note is found by any model, relevant or not for other reasons, and so flatters the
    level of both models (hardly their difference). The facts tell by how much: the share of neighbour slots
    that a note's own duplicate group takes, and mean P@10 with the own group taken out of the candidates,
    over the queries that then still have a relevant one.

    Parameters
    ----------
    note_ids
        n different ids of held-out notes, in any order.
    specialties
        n collections of names; a note without any takes no part.
    duplicate_groups
        n groups; near-duplicates share one.
    embeddings
        `baseline` and `tuned` to [n, d] L2-normalised rows, in the order of `note_ids`.
    neighbors
        the table `neighbors`, whose pool `test` is these notes.

    Returns
    -------
    tuple[pa.Table, dict[str, Any]]
        A table with QUERY_RESULTS_SCHEMA, and the facts `notes_better`, `notes_worse`, `notes_unchanged` (by
        P@10), `notes_without_relevant`, and by model `mean_precision_*`, `duplicate_neighbor_share_*`,
        `mean_precision_in_other_groups_*` (None where there is nothing to average).

    Raises
    ------
    LedgerError
        inputs that do not fit each other.
    EvaluationError
        vectors that are not of unit length.
    """
    if len(duplicate_groups) != len(note_ids):
        raise LedgerError(
            f"duplicate_groups: {len(duplicate_groups)} groups for {len(note_ids)} notes; expected one per note."
        )
    pool = scored_pool(note_ids, specialties)
    ids, membership = pool.note_ids, pool.labels.membership
    code_of: dict[Hashable, int] = {}
    groups = np.array(
        [code_of.setdefault(duplicate_groups[row], len(code_of)) for row in pool.order], dtype=np.int64
    )
    columns: dict[str, Any] = {
        "note_id": ids,
        "specialties": [sorted(set(specialties[row])) for row in pool.order],
        "near_duplicates": np.bincount(groups, minlength=1)[groups] - 1 if ids else [],
    }
    facts: dict[str, Any] = {}
    precision: dict[str, FloatArray] = {}
    nearest: dict[str, Nearest] = {}
    relevant: dict[str, BoolArray] = {}
    for model in MODELS:
        rows = unit_rows(embeddings[model], name=f"{model} embeddings")
        if len(rows) != len(note_ids):
            raise LedgerError(f"{model} embeddings: {len(rows)} rows for {len(note_ids)} notes.")
        rows = rows[pool.order]
        nearest[model] = nearest_in_table(neighbors, model=model, note_ids=ids)
        indices = nearest[model].indices
        relevant[model] = relevant_neighbors(indices, membership)
        scores = retrieval_scores(rows, membership)
        precision[model] = scores["precision", LEDGER_NEIGHBORS]
        columns[f"precision_{model}"] = _nullable(precision[model])
        columns[f"average_precision_{model}"] = _nullable(scores["map", None])
        columns[f"neighbors_{model}"] = [[ids[other] for other in row] for row in indices]
        columns[f"relevant_{model}"] = relevant[model].tolist()
        columns[f"similarity_{model}"] = nearest[model].similarities.tolist()
        own = groups[indices] == groups[:, None] if indices.size else np.zeros(0)
        elsewhere = precision_in_other_groups(rows, membership, groups, k=LEDGER_NEIGHBORS)
        facts[f"mean_precision_{model}"] = _mean(precision[model])
        facts[f"duplicate_neighbor_share_{model}"] = _mean(own.astype(np.float64))
        facts[f"mean_precision_in_other_groups_{model}"] = _mean(elsewhere)

    change = precision["tuned"] - precision["baseline"]
    # P@10 is a whole number of tenths: a smaller difference is rounding.
    change = np.round(change, 12) + 0.0
    columns["change"] = _nullable(change)
    columns["won"] = _gained(nearest["tuned"].indices, relevant["tuned"], nearest["baseline"].indices, ids)
    columns["lost"] = _gained(
        nearest["baseline"].indices, relevant["baseline"], nearest["tuned"].indices, ids
    )
    # Stable, and the rows are in the order of their ids; NaN sorts last.
    order = np.argsort(change, kind="stable")
    columns["rank"] = np.empty(len(ids), dtype=np.int32)
    columns["rank"][order] = np.arange(1, len(ids) + 1)
    table = pa.Table.from_arrays(
        [pa.array(columns[field.name], field.type) for field in QUERY_RESULTS_SCHEMA],
        schema=QUERY_RESULTS_SCHEMA,
    ).take(pa.array(order))
    counts = {
        "notes_better": int((change > 0).sum()),
        "notes_worse": int((change < 0).sum()),
        "notes_unchanged": int((change == 0).sum()),
        "notes_without_relevant": int(np.isnan(change).sum()),
    }
    return table, counts | facts


def _gained(indices: IntArray, relevant: BoolArray, others: IntArray, ids: list[str]) -> list[list[str]]:
    """Ids of the relevant neighbours that are not among `others`, nearest first."""
    return [
        [
            ids[neighbor]
            for neighbor, is_relevant in zip(row, flags, strict=True)
            if is_relevant and neighbor not in known
        ]
        for row, flags, known in zip(
            indices.tolist(), relevant.tolist(), map(set, others.tolist()), strict=True
        )
    ]


def _nullable(values: FloatArray) -> pa.Array:
    return pa.array(values, pa.float64(), from_pandas=True)


def _mean(values: FloatArray) -> float | None:
    """Mean of the defined values; None where there is none."""
    defined = values[np.isfinite(values)]
    return round(float(defined.mean()), 12) if len(defined) else None
