"""Who is taken for whom: the specialties of the wrong neighbours."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.evaluation.metrics_table import MODELS
from medembed_pipeline.evaluation.relevance import notes_with_relevant
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray
from medembed_pipeline.evidence.queries.nearest import nearest_in_table, relevant_neighbors, scored_pool
from medembed_pipeline.lake.fields import described

_DECIMALS = 12  # sums of thirds and fifths, whose last bits depend on the order of adding
_LARGEST = 15

LABEL_CONFUSIONS_SCHEMA = pa.schema(
    [
        described(name, kind, description)
        for name, kind, description in (
            ("model", pa.string(), "baseline or tuned"),
            ("specialty", pa.string(), "a specialty of the held-out note that asks"),
            ("wrong_specialty", pa.string(), "a specialty of its irrelevant neighbours"),
            (
                "weight",
                pa.float64(),
                "slots among the ten nearest; a neighbour of m specialties counts 1/m in each",
            ),
            (
                "share",
                pa.float64(),
                "weight / all neighbour slots of the specialty's queries; over all wrong ones it sums to 1 - P@10",
            ),
            ("queries", pa.int64(), "held-out notes of the specialty that have a relevant candidate"),
        )
    ]
)


def label_confusions_table(
    note_ids: Sequence[str], specialties: Sequence[Collection[str]], *, neighbors: pa.Table
) -> tuple[pa.Table, dict[str, Any]]:
    """The wrong neighbours of each specialty's queries, by the specialties they are filed under.

    Only notes with a relevant candidate are queries, as in `embedding_metrics`: the shares of a specialty then
    sum to 1 minus its P@10. A query of several specialties counts fully in each.

    Parameters
    ----------
    note_ids
        n different ids of held-out notes, in any order.
    specialties
        n collections of names; a note without any takes no part.
    neighbors
        the table `neighbors`, whose pool `test` is these notes.

    Returns
    -------
    tuple[pa.Table, dict[str, Any]]
        A table with LABEL_CONFUSIONS_SCHEMA, only pairs that occur, sorted by model, specialty, the heaviest
        wrong specialty first. Facts: `wrong_share_baseline` and `wrong_share_tuned` (of all slots; None without
        queries), and `largest_confusions`, records of the pairs with the most weight in either model.

    Raises
    ------
    LedgerError
        inputs that do not fit each other.
    """
    pool = scored_pool(note_ids, specialties)
    names, membership = pool.labels.names, pool.labels.membership
    asks = notes_with_relevant(membership)
    queries = membership[asks].sum(axis=0)
    weights: dict[str, FloatArray] = {}
    shares: dict[str, FloatArray] = {}
    facts: dict[str, Any] = {}
    for model in MODELS:
        indices = nearest_in_table(neighbors, model=model, note_ids=pool.note_ids).indices
        relevant = relevant_neighbors(indices, membership)
        weights[model] = confusion_weights(indices, relevant, membership, asks)
        slots = queries[:, None] * indices.shape[1]
        share = np.divide(weights[model], slots, out=np.zeros_like(weights[model]), where=slots > 0)
        shares[model] = np.round(share, _DECIMALS)
        wrong = ~relevant[asks]
        facts[f"wrong_share_{model}"] = round(float(wrong.mean()), _DECIMALS) if wrong.size else None
    rows = [
        {
            "model": model,
            "specialty": names[query],
            "wrong_specialty": names[wrong],
            "weight": float(weights[model][query, wrong]),
            "share": float(shares[model][query, wrong]),
            "queries": int(queries[query]),
        }
        for model in MODELS
        for query, wrong in np.argwhere(weights[model] > 0)
    ]
    rows.sort(key=lambda row: (row["model"], row["specialty"], -row["weight"], row["wrong_specialty"]))
    facts["largest_confusions"] = _largest(names, weights, shares)
    return pa.Table.from_pylist(rows, schema=LABEL_CONFUSIONS_SCHEMA), facts


def confusion_weights(
    indices: IntArray, relevant: BoolArray, membership: FloatArray, asks: BoolArray
) -> FloatArray:
    """Slots that irrelevant neighbours of one specialty take from queries of another.

    Parameters
    ----------
    indices
        int64 [n, k], neighbours by row.
    relevant
        bool [n, k].
    membership
        float64 [n, m].
    asks
        bool [n], which notes are queries.

    Returns
    -------
    FloatArray
        float64 [m, m], rows the query's specialty, columns the neighbour's; the diagonal is zero.
    """
    sizes = membership.sum(axis=1, keepdims=True)
    spread = np.divide(membership, sizes, out=np.zeros_like(membership), where=sizes > 0)
    weights = np.zeros((membership.shape[1], membership.shape[1]))
    for rank in range(indices.shape[1]):
        wrong = asks & ~relevant[:, rank]
        weights += membership[wrong].T @ spread[indices[wrong, rank]]
    return np.round(weights, _DECIMALS)


def _largest(
    names: Sequence[str], weights: dict[str, FloatArray], shares: dict[str, FloatArray]
) -> list[dict[str, Any]]:
    heaviest = np.maximum(*(weights[model] for model in MODELS))
    pairs = sorted(
        ((int(query), int(wrong)) for query, wrong in np.argwhere(heaviest > 0)),
        key=lambda pair: (-heaviest[pair], pair),
    )
    return [
        {
            "specialty": names[pair[0]],
            "wrong_specialty": names[pair[1]],
            **{f"weight_{model}": float(weights[model][pair]) for model in MODELS},
            **{f"share_{model}": float(shares[model][pair]) for model in MODELS},
        }
        for pair in pairs[:_LARGEST]
    ]
