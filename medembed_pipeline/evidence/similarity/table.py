"""The table `similarity_evidence`: every figure of this room in one long table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.evaluation.neighbors import sorted_order
from medembed_pipeline.evaluation.relevance import LabelMatrix, label_matrix, notes_with_relevant
from medembed_pipeline.evaluation.vectors import FloatArray, unit_rows
from medembed_pipeline.evidence.similarity.examples import (
    MODELS,
    SimilarityError,
    example_queries,
    nearest_among,
)
from medembed_pipeline.evidence.similarity.heatmaps import heatmap_notes, main_specialties, specialty_means
from medembed_pipeline.evidence.similarity.pairs import PairSimilarities, pair_similarities
from medembed_pipeline.evidence.similarity.progress import epoch_maps, held_out_metrics, recorded_metrics
from medembed_pipeline.evidence.similarity.settings import SimilaritySettings
from medembed_pipeline.lake.fields import described

DECIMALS = 9
"""Figures are rounded to so many decimals: below that lies what differs from one machine to the next."""

Row = dict[str, Any]

SIMILARITY_SCHEMA = pa.schema(
    [
        described(
            "figure",
            pa.string(),
            "histogram, spread, specialties, documents, neighbors, progress, or progress_map",
        ),
        described("model", pa.string(), "baseline or tuned"),
        described(
            "group",
            pa.string(),
            "histogram, spread: positive or negative pairs, margin, separation; specialties: the specialty; "
            "documents, neighbors: note_id of the query; progress: the metric; progress_map: note_id",
        ),
        described(
            "other",
            pa.string(),
            "specialties: the other specialty; documents, neighbors: note_id of the document or neighbour",
            nullable=True,
        ),
        described(
            "position",
            pa.int32(),
            "histogram: bin, counted from 0 at similarity -1; documents: column; neighbors: rank, 1 the "
            "nearest; progress, progress_map: epoch, 0 the model before training",
            nullable=True,
        ),
        described(
            "statistic",
            pa.string(),
            "histogram: count; spread: mean, std, minimum, q1, median, q3, maximum, or value; specialties: "
            "mean; documents, neighbors: similarity; progress: value; progress_map: x or y",
        ),
        described("value", pa.float64(), "the number (cosine similarities: -1 to 1); NaN where undefined"),
        described("n", pa.int64(), "pairs, or notes, behind it", nullable=True),
        described(
            "relevant",
            pa.bool_(),
            "documents, neighbors: whether both notes share a specialty; null for a note beside itself",
            nullable=True,
        ),
    ]
)


def similarity_table(
    note_ids: Sequence[str],
    specialties: Sequence[Sequence[str]],
    embeddings: Mapping[str, npt.NDArray[np.float32]],
    neighbors: pa.Table,
    history: Sequence[Mapping[str, Any]],
    settings: SimilaritySettings,
    *,
    epochs: Mapping[int, npt.NDArray[np.float32]] | None = None,
) -> tuple[pa.Table, dict[str, Any]]:
    """All figures on held-out notes, for both models.

    Parameters
    ----------
    note_ids
        n different ids of held-out notes that have a specialty, in any order.
    specialties
        their specialty sets, none empty.
    embeddings
        float32 [n, d] unit rows in the same order, of `baseline` and `tuned`; d may differ.
    neighbors
        the table `neighbors`.
    history
        the checkpoint's, a row per epoch.
    settings
        how many bins, examples and notes.
    epochs
        float32 [n, d] unit rows in the same order, by epoch; empty where no epoch was kept. Where it is not empty, it
        holds epoch 0 too.

    Returns
    -------
    tuple[pa.Table, dict[str, Any]]
        A table with SIMILARITY_SCHEMA, and the facts. The order of the input has no influence.

    Raises
    ------
    SimilarityError
        a note without a specialty, or neighbours of other notes.
    EvaluationError
        ids that repeat, or vectors that are not of unit length.
    """
    order = sorted_order(note_ids, rows=len(specialties))
    ids = [note_ids[row] for row in order]
    labels = label_matrix([specialties[row] for row in order])
    bare = int((~labels.membership.any(axis=1)).sum()) if labels.names else len(ids)
    if bare:
        raise SimilarityError(f"specialties: {bare} of {len(ids)} notes have none; leave them out.")
    rows = {model: unit_rows(embeddings[model], name=f"{model} embeddings")[order] for model in MODELS}
    by_epoch = {epoch: vectors[order] for epoch, vectors in sorted((epochs or {}).items())}

    spreads = {
        model: pair_similarities(rows[model], labels.membership, bins=settings.bins) for model in MODELS
    }
    nearest = nearest_among(neighbors, ids, [specialties[row] for row in order])
    answerable = notes_with_relevant(labels.membership)
    queries = example_queries(
        nearest,
        [note for note, answered in zip(ids, answerable, strict=True) if answered],
        count=settings.example_queries,
        seed=settings.seed,
    )
    shown = heatmap_notes(main_specialties(labels), notes=settings.heatmap_notes, seed=settings.seed)
    found: list[Row] = []
    for model in MODELS:
        found += _spread_rows(model, spreads[model])
        found += _specialty_rows(model, rows[model], labels)
        found += _document_rows(model, rows[model], labels, ids, shown)
        found += [
            {
                **_row("neighbors", model, query, "similarity", one.similarity),
                "other": one.neighbor,
                "position": one.rank,
                "relevant": one.relevant,
            }
            for query in queries
            for one in nearest[model][query]
        ]
    for metric in [*recorded_metrics(history), *held_out_metrics(by_epoch, labels.membership)]:
        found.append(
            {
                **_row("progress", "tuned", metric.metric, "value", metric.value),
                "position": metric.epoch,
                "n": metric.notes,
            }
        )
    for epoch, places in epoch_maps(by_epoch).items():
        for note, place in zip(ids, places, strict=True):
            for axis, value in zip("xy", place, strict=True):
                found.append({**_row("progress_map", "tuned", note, axis, float(value)), "position": epoch})
    facts: dict[str, Any] = {"notes": len(ids)}
    for model in MODELS:
        facts[f"margin_{model}"] = _defined(spreads[model].margin)
        facts[f"separation_{model}"] = _defined(spreads[model].separation)
    facts["positive_pairs"] = spreads["tuned"].positive.pairs
    facts["negative_pairs"] = spreads["tuned"].negative.pairs
    facts["epochs_kept"] = sum(epoch > 0 for epoch in by_epoch)
    return pa.Table.from_pylist(found, schema=SIMILARITY_SCHEMA), facts


def _row(figure: str, model: str, group: str, statistic: str, value: float) -> Row:
    return {
        "figure": figure,
        "model": model,
        "group": group,
        "statistic": statistic,
        "value": round(value, DECIMALS),
    }


def _spread_rows(model: str, found: PairSimilarities) -> Iterator[Row]:
    groups = {"positive": found.positive, "negative": found.negative}
    for group, spread in groups.items():
        for position, count in enumerate(spread.counts.tolist()):
            yield {
                **_row("histogram", model, group, "count", float(count)),
                "position": position,
                "n": spread.pairs,
            }
    for group, spread in groups.items():
        for statistic, value in spread.statistics.items():
            yield {**_row("spread", model, group, statistic, value), "n": spread.pairs}
    both = found.positive.pairs + found.negative.pairs
    for group, value in (("margin", found.margin), ("separation", found.separation)):
        yield {**_row("spread", model, group, "value", value), "n": both}


def _specialty_rows(model: str, rows: FloatArray, labels: LabelMatrix) -> Iterator[Row]:
    found = specialty_means(rows, labels.membership)
    for first, name in enumerate(labels.names):
        for second, other in enumerate(labels.names):
            if found.pairs[first, second]:
                yield {
                    **_row("specialties", model, name, "mean", float(found.means[first, second])),
                    "other": other,
                    "n": int(found.pairs[first, second]),
                }


def _document_rows(
    model: str, rows: FloatArray, labels: LabelMatrix, ids: Sequence[str], shown: Sequence[int]
) -> Iterator[Row]:
    chosen = list(shown)
    similarity = np.clip(rows[chosen] @ rows[chosen].T, -1.0, 1.0)
    meets = labels.membership[chosen] @ labels.membership[chosen].T > 0
    for line, query in enumerate(chosen):
        for column, document in enumerate(chosen):
            yield {
                **_row("documents", model, ids[query], "similarity", float(similarity[line, column])),
                "other": ids[document],
                "position": column,
                "relevant": bool(meets[line, column]) if line != column else None,
            }


def _defined(value: float) -> float | None:
    return round(value, DECIMALS) if math.isfinite(value) else None
