"""The table `embedding_diagnostics`: every figure of both models."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.evaluation.relevance import label_matrix
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, effective_rank, unit_rows
from medembed_pipeline.evidence.diagnostics.classifiers import (
    knn_scores,
    macro_f1,
    predicted_sets,
    probe_scores,
    scored_columns,
)
from medembed_pipeline.evidence.diagnostics.detail import Detail, share_kept, within_class_recall
from medembed_pipeline.evidence.diagnostics.errors import HealthError
from medembed_pipeline.evidence.diagnostics.geometry import (
    alignment_and_uniformity,
    specialty_spread,
)
from medembed_pipeline.evidence.diagnostics.hubs import (
    Occurrences,
    k_occurrences,
    largest_hubs,
    skewness,
    unreachable_share,
)
from medembed_pipeline.lake.fields import described

MODELS = ("baseline", "tuned")
DECIMALS = 9
"""Figures are rounded to so many decimals: beyond them lies what the number of threads decides."""

HEALTH_SCHEMA = pa.schema(
    [
        described("model", pa.string(), "baseline or tuned"),
        described(
            "figure",
            pa.string(),
            "alignment, uniformity, effective_rank, hubness_skew, unreachable_share, hub, "
            "k_occurrence, specialty_spread, within_class_recall, knn_macro_f1 or probe_macro_f1",
        ),
        described(
            "name",
            pa.string(),
            "hub: note_id; k_occurrence: how often; specialty_spread: specialty; "
            "within_class_recall: near_duplicate or sample_name; else empty",
        ),
        described(
            "value",
            pa.float64(),
            "the figure; hub: its k-occurrence; k_occurrence: notes that occur so often",
        ),
        described("n", pa.int64(), "notes or pairs behind the figure"),
    ]
)


@dataclass(frozen=True)
class HealthNotes:
    """The notes with a specialty, or all where none has one, sorted by id.

    Attributes
    ----------
    note_ids
        n ids.
    specialties
        n sets, none empty, or all.
    held_out
        bool [n], test notes that the checkpoint has not seen.
    training
        bool [n], notes of the training split.
    kinds
        by method of detail, the kinds of each note (see `within_class_recall`).
    """

    note_ids: list[str]
    specialties: list[list[str]]
    held_out: BoolArray
    training: BoolArray
    kinds: Mapping[str, Sequence[frozenset[str]]]


@dataclass(frozen=True)
class _ModelFigures:
    rows: list[dict[str, Any]]
    detail: dict[str, Detail]
    dimensions: int
    hub_neighbors: int


def health_table(
    notes: HealthNotes,
    embeddings: Mapping[str, npt.ArrayLike],
    neighbors: pa.Table,
    *,
    hub_neighbors: int,
    detail_neighbors: int,
    classifier_neighbors: int,
) -> tuple[pa.Table, dict[str, Any]]:
    """All figures of both models, and the facts to read them by.

    alignment, uniformity, effective_rank, specialty_spread: over the held-out notes. hubness: over all notes,
    by the table `neighbors`. within_class_recall: held-out notes ask, all labelled notes answer; where no note has a
    specialty, all notes. The classifiers are trained on training notes and scored on held-out ones. Figures that no
    note allows are left out.

    Parameters
    ----------
    notes
        the labelled notes, or all where none is.
    embeddings
        by model, [n, d], L2-normalised, in the order of `notes`.
    neighbors
        the table `neighbors`.
    hub_neighbors, detail_neighbors, classifier_neighbors
        k of each.

    Raises
    ------
    HealthError
        a model without embeddings, or as in `k_occurrences`.
    """
    missing = sorted(set(MODELS).difference(embeddings))
    if missing:
        raise HealthError(f"embeddings: none of the model '{missing[0]}'; expected both models.")
    figures = {
        model: _figures_of_model(
            model,
            notes,
            unit_rows(embeddings[model], name=f"{model} embeddings"),
            k_occurrences(neighbors, model=model, k=hub_neighbors),
            detail_neighbors=detail_neighbors,
            classifier_neighbors=classifier_neighbors,
        )
        for model in MODELS
    }
    rows = [row for model in MODELS for row in figures[model].rows]
    membership = label_matrix(notes.specialties).membership
    facts = {
        "labelled_notes": sum(bool(names) for names in notes.specialties),
        "held_out_notes": int(notes.held_out.sum()),
        "training_notes": int(notes.training.sum()),
        "hub_neighbors": figures["baseline"].hub_neighbors,
        "detail_neighbors": detail_neighbors,
        "classifier_neighbors": classifier_neighbors,
        "classifier_specialties": len(scored_columns(membership[notes.training], membership[notes.held_out])),
        **{f"dimensions_{model}": figures[model].dimensions for model in MODELS},
        **_detail_facts(figures["baseline"].detail, figures["tuned"].detail),
    }
    return pa.Table.from_pylist(rows, schema=HEALTH_SCHEMA), facts


def _figures_of_model(
    model: str,
    notes: HealthNotes,
    rows: FloatArray,
    occurrences: Occurrences,
    *,
    detail_neighbors: int,
    classifier_neighbors: int,
) -> _ModelFigures:
    labels = label_matrix(notes.specialties)
    held_out, membership = rows[notes.held_out], labels.membership[notes.held_out]
    count = len(held_out)
    alignment, uniformity = alignment_and_uniformity(held_out, membership)
    found = [
        _row(model, "alignment", *alignment),
        _row(model, "uniformity", *uniformity),
        _row(model, "effective_rank", effective_rank(held_out), count),
        *_hub_rows(model, occurrences),
    ]
    spread = specialty_spread(
        held_out, label_matrix([notes.specialties[row] for row in np.flatnonzero(notes.held_out)])
    )
    found += [_row(model, "specialty_spread", *figure, name) for name, figure in spread.items()]
    # Without specialties, every note is a candidate of every other.
    candidates = labels.membership if labels.names else np.ones((len(rows), 1))
    detail = {
        method: within_class_recall(rows, candidates, kinds, notes.held_out, k=detail_neighbors)
        for method, kinds in notes.kinds.items()
    }
    found += [
        _row(model, "within_class_recall", kept.kept, kept.notes, method) for method, kept in detail.items()
    ]
    training, training_membership = rows[notes.training], labels.membership[notes.training]
    columns = scored_columns(training_membership, membership)
    if len(columns):
        sizes = membership.sum(axis=1).astype(np.int64)
        votes = knn_scores(training, training_membership, held_out, k=classifier_neighbors)
        probabilities = probe_scores(training, training_membership, held_out)
        for figure, scores in (("knn_macro_f1", votes), ("probe_macro_f1", probabilities)):
            value = macro_f1(predicted_sets(scores, sizes), membership, columns)
            found.append(_row(model, figure, value, count))
    found = [row for row in found if math.isfinite(row["value"])]
    return _ModelFigures(found, detail, rows.shape[1], occurrences.k)


def _hub_rows(model: str, occurrences: Occurrences) -> list[dict[str, Any]]:
    count = len(occurrences.note_ids)
    often, notes = np.unique(occurrences.counts, return_counts=True)
    return [
        _row(model, "hubness_skew", skewness(occurrences.counts), count),
        _row(model, "unreachable_share", unreachable_share(occurrences), count),
        *(_row(model, "hub", times, count, note_id) for note_id, times in largest_hubs(occurrences)),
        *(
            _row(model, "k_occurrence", int(number), count, str(times))
            for times, number in zip(often.tolist(), notes.tolist(), strict=True)
        ),
    ]


def _row(model: str, figure: str, value: float, n: int, name: str = "") -> dict[str, Any]:
    # + 0.0 turns a rounded -0.0 into 0.0.
    rounded = round(float(value), DECIMALS) + 0.0
    return {"model": model, "figure": figure, "name": name, "value": rounded, "n": int(n)}


def _detail_facts(before: Mapping[str, Detail], after: Mapping[str, Detail]) -> dict[str, Any]:
    methods = [method for method, detail in before.items() if detail.notes]
    shares = {method: share_kept(before[method], after[method]) for method in methods}
    known = [share for share in shares.values() if share is not None]
    return {
        "mean_detail_baseline": _mean([before[method].kept for method in methods]),
        "mean_detail_tuned": _mean([after[method].kept for method in methods]),
        "mean_detail_random": _mean([before[method].random for method in methods]),
        "smallest_detail_share": round(min(known), DECIMALS) if known else None,
        "detail": [
            {
                "method": method,
                "notes": before[method].notes,
                "random_order": round(before[method].random, DECIMALS),
                "baseline": round(before[method].kept, DECIMALS),
                "tuned": round(after[method].kept, DECIMALS),
                "share_kept": share,
            }
            for method, share in shares.items()
        ],
    }


def _mean(values: list[float]) -> float | None:
    return round(float(np.mean(values)), DECIMALS) if values else None
