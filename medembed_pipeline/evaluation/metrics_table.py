"""The whole table of evaluation figures, for two models on the same held-out notes, in one call."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from medembed_pipeline.evaluation.bootstrap import CONFIDENCE, RESAMPLES, group_weights, percentile_interval
from medembed_pipeline.evaluation.clusters import cluster_statistics, single_label_classes
from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline.evaluation.neighbors import sorted_order
from medembed_pipeline.evaluation.relevance import (
    MINIMUM_NOTES,
    LabelMatrix,
    label_matrix,
    notes_with_irrelevant,
    notes_with_relevant,
)
from medembed_pipeline.evaluation.retrieval import (
    DEEPEST_CUTOFF,
    NDCG_CUTOFF,
    PRECISION_CUTOFFS,
    MetricKey,
    retrieval_scores,
    weighted_query_means,
)
from medembed_pipeline.evaluation.similarity import similarity_statistics
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray, unit_rows

METRICS: tuple[MetricKey, ...] = (
    *(("precision", cutoff) for cutoff in PRECISION_CUTOFFS),
    ("mrr", None),
    ("ndcg", NDCG_CUTOFF),
    ("map", None),
    ("silhouette", None),
    ("davies_bouldin", None),
    ("positive_similarity", None),
    ("positive_similarity_std", None),
    ("negative_similarity", None),
    ("negative_similarity_std", None),
    ("margin", None),
    ("separation", None),
)
"""Every figure, as (metric, k), in the order of the table."""

MODELS = ("baseline", "tuned")
RESERVED_SCOPES = ("all", "macro")

_CENTERED: dict[str, tuple[float, float]] = {"silhouette": (-1.0, 1.0), "davies_bouldin": (0.0, np.inf)}
"""Figures whose interval is centred on their value, with the range that the figure of a model can take."""


_DECIMALS = 12
"""Figures are rounded here: further down, a matrix product depends on the number of threads."""


def _field(name: str, kind: pa.DataType, description: str, *, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"description": description})


METRICS_SCHEMA = pa.schema(
    [
        _field("model", pa.string(), "baseline, tuned, or difference (tuned - baseline)"),
        _field("split", pa.string(), "the split that was scored"),
        _field("scope", pa.string(), "all, macro (mean over specialties), or the name of a specialty"),
        _field("metric", pa.string(), "name of the figure"),
        _field("k", pa.int32(), "ranks looked at, null where the metric has no such number", nullable=True),
        _field("value", pa.float64(), "the figure on the notes themselves, NaN where undefined"),
        _field(
            "ci_low",
            pa.float64(),
            "lower end of the bootstrap interval over duplicate groups, NaN where none",
        ),
        _field(
            "ci_high",
            pa.float64(),
            "upper end of the bootstrap interval over duplicate groups, NaN where none",
        ),
        _field("n", pa.int64(), "different notes (queries) behind the figure"),
    ]
)


@dataclass(frozen=True)
class ScoredNotes:
    """The notes that are scored, in the order of their ids, ready for any number of models.

    Attributes:
        note_ids: sorted.
        order: int64 [n], where each note stood in the input.
        labels: the specialty sets.
        eligible: columns of `labels` that get figures of their own.
        weights: float64 [1 + resamples, n]: row 0 is all ones (the notes themselves), then the resamples.
        groups: int64 [n], number of the duplicate group.
    """

    note_ids: tuple[str, ...]
    order: IntArray
    labels: LabelMatrix
    eligible: tuple[int, ...]
    weights: FloatArray
    groups: IntArray

    @property
    def scopes(self) -> tuple[str, ...]:
        """Names of the scopes: all, macro, then the eligible specialties."""
        return (*RESERVED_SCOPES, *(self.labels.names[column] for column in self.eligible))

    @property
    def scope_membership(self) -> FloatArray:
        """float64 [n, eligible specialties]."""
        return self.labels.membership[:, list(self.eligible)]


def scored_notes(
    note_ids: Sequence[str],
    specialties: Sequence[Collection[str] | None],
    duplicate_groups: Sequence[Hashable],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    minimum_notes: int = MINIMUM_NOTES,
) -> ScoredNotes:
    """Sort the notes by id, drop those without a specialty, and draw the resamples.

    Raises:
        EvaluationError: inputs of different lengths, ids that repeat, a specialty with the name of a scope,
        or a
            parameter out of range.
    """
    for name, values in (("specialties", specialties), ("duplicate_groups", duplicate_groups)):
        if len(values) != len(note_ids):
            raise EvaluationError(
                f"{name}: {len(values)} entries for {len(note_ids)} notes; expected one per note."
            )
    if minimum_notes < 1:
        raise EvaluationError(f"minimum_notes = {minimum_notes}: expected at least 1.")
    order = sorted_order(note_ids, rows=len(note_ids))
    order = order[np.array([bool(specialties[row]) for row in order], dtype=np.bool_)]
    labels = label_matrix([specialties[row] for row in order])
    reserved = [name for name in RESERVED_SCOPES if name in labels.names]
    if reserved:
        raise EvaluationError(
            f"specialties: the name '{reserved[0]}' is taken, the metrics use it for figures over all "
            "specialties. Map the label to another name in the settings."
        )
    groups = [duplicate_groups[row] for row in order]
    resampled = group_weights(groups, resamples=resamples, seed=seed)
    code_of: dict[Hashable, int] = {}
    return ScoredNotes(
        note_ids=tuple(note_ids[row] for row in order),
        order=order,
        labels=labels,
        eligible=labels.frequent(minimum_notes),
        weights=np.vstack([np.ones((1, len(order))), resampled]),
        groups=np.array([code_of.setdefault(group, len(code_of)) for group in groups], dtype=np.int64),
    )


def metric_draws(
    notes: ScoredNotes, embeddings: npt.ArrayLike, *, nearest: IntArray | None = None
) -> dict[MetricKey, FloatArray]:
    """Every figure of one model under every row of `notes.weights`.

    Args:
        notes: what is scored.
        embeddings: [n, d], L2-normalised, in the order of `notes.note_ids`.
        nearest: int64 [n, >= min(10, n - 1)], known nearest rows within `notes` (see `retrieval_scores`).

    Returns:
        (metric, k) -> float64 [1 + resamples, scopes], columns as `notes.scopes`; row 0 is the figure itself.
    """
    rows = unit_rows(embeddings)
    membership = notes.labels.membership
    scopes = notes.scope_membership
    columns = np.hstack([np.ones((len(rows), 1)), scopes])
    draws: dict[MetricKey, FloatArray] = {
        key: weighted_query_means(values, notes.weights, columns)
        for key, values in retrieval_scores(rows, membership, nearest=nearest).items()
    }
    clusters = cluster_statistics(
        rows, single_label_classes(membership), notes.weights, class_count=membership.shape[1]
    )
    kept = [0, *(1 + column for column in notes.eligible)]
    draws["silhouette", None] = clusters.silhouette[:, kept]
    draws["davies_bouldin", None] = clusters.davies_bouldin[:, kept]
    draws |= similarity_statistics(rows, membership, scopes, notes.weights)
    return {
        key: np.insert(values, 1, _mean_of_defined(values[:, 1:]), axis=1)
        for key, values in ((key, draws[key]) for key in METRICS)
    }


def metrics_table(
    note_ids: Sequence[str],
    baseline: npt.ArrayLike,
    tuned: npt.ArrayLike,
    specialties: Sequence[Collection[str] | None],
    duplicate_groups: Sequence[Hashable],
    *,
    split: str = "test",
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
    minimum_notes: int = MINIMUM_NOTES,
    neighbors: pa.Table | None = None,
) -> pa.Table:
    """Score two models on the same notes: retrieval, clusters, similarities, and their paired difference.

    Each note with a specialty is a query; all other notes with a specialty are its candidates; two notes are
    relevant to each other where their specialty sets meet. Notes without a specialty take no part
    (`evaluation_counts` counts them, and the rest of what is left out). The metrics are defined where they
    are computed: `retrieval_scores`, `cluster_statistics`, `similarity_statistics`.

    Scopes: `all` is over all queries, pairs or classes; each specialty with at least `minimum_notes` scored
    notes has its own figures; `macro` is the mean of those that are defined.

    Intervals: percentile bootstrap over duplicate groups, the same resamples for both models, so that the
    interval of the difference is paired. The candidates of a query stay as they are; how often it counts is
    resampled. In the similarities, silhouette and Davies-Bouldin index all notes are reweighted. These last
    two depend on the smallest distance to another class, which the fewer different notes of a resample shift
    as a whole (on 20 hardly separated classes of 17 notes each, Davies-Bouldin went from 5.6 to 4.2): their
    intervals are the percentiles, moved by that shift. A figure whose notes all come from one duplicate group
    has no interval.

    Args:
        note_ids: n different ids, in any order.
        baseline: [n, d], L2-normalised, one row per note id.
        tuned: [n, e], likewise.
        specialties: n collections of specialty names; empty or None where a note has none.
        duplicate_groups: n groups; near-duplicates share one.
        split: goes into the `split` column.
        resamples: bootstrap resamples; 0 gives no intervals.
        confidence: of the intervals.
        seed: of the resamples.
        minimum_notes: a specialty with fewer scored notes gets no figures of its own.
        neighbors: tables by `neighbors_table` of the models `baseline` and `tuned`, pool `test` among them;
            precision and nDCG are then read from it, with the same result. MRR and MAP need the whole
            ranking.

    Returns:
        A table with METRICS_SCHEMA, sorted by model, scope (all, macro, specialties by name) and METRICS.

    Raises:
        EvaluationError: inputs that do not fit each other, vectors that are not of unit length, neighbours of
            other notes, or a parameter out of range.
    """
    notes = scored_notes(
        note_ids, specialties, duplicate_groups, resamples=resamples, seed=seed, minimum_notes=minimum_notes
    )
    draws: dict[str, dict[MetricKey, FloatArray]] = {}
    for model, embeddings in zip(MODELS, (baseline, tuned), strict=True):
        rows = unit_rows(embeddings, name=f"{model} embeddings")
        if len(rows) != len(note_ids):
            raise EvaluationError(f"{model} embeddings: {len(rows)} rows for {len(note_ids)} notes.")
        nearest = None if neighbors is None else _nearest_in_table(neighbors, model, notes.note_ids)
        draws[model] = metric_draws(notes, rows[notes.order], nearest=nearest)
    draws["difference"] = {key: draws["tuned"][key] - draws["baseline"][key] for key in METRICS}

    behind = [_notes_behind(notes, metric) for metric, _ in METRICS]
    sizes = np.array([[members.sum() for members in scopes] for scopes in behind])
    one_group = np.array(
        [[len(np.unique(notes.groups[members])) < 2 for members in scopes] for scopes in behind]
    )
    values: list[FloatArray] = []
    lows: list[FloatArray] = []
    highs: list[FloatArray] = []
    for model, figures in draws.items():
        stacked = np.stack([figures[key] for key in METRICS], axis=1)  # [1 + resamples, metrics, scopes]
        flat = stacked.reshape(len(stacked), -1)
        centers = np.where([[metric in _CENTERED] for metric, _ in METRICS], stacked[0], np.nan)
        low, high = percentile_interval(flat[1:], confidence=confidence, centers=centers.reshape(-1))
        low, high = low.reshape(centers.shape), high.reshape(centers.shape)
        if model != "difference":
            for row, (metric, _) in enumerate(METRICS):
                low[row], high[row] = np.clip(
                    (low[row], high[row]), *_CENTERED.get(metric, (-np.inf, np.inf))
                )
        no_interval = one_group | ~np.isfinite(stacked[0])
        low[no_interval] = high[no_interval] = np.nan
        for numbers, column in ((stacked[0], values), (low, lows), (high, highs)):
            column.append(np.round(numbers, _DECIMALS).T)

    models, scopes = tuple(draws), notes.scopes
    rows_of = [(model, scope, name, k) for model in models for scope in scopes for name, k in METRICS]
    return pa.Table.from_arrays(
        [
            pa.array([row[0] for row in rows_of], pa.string()),
            pa.array([split] * len(rows_of), pa.string()),
            pa.array([row[1] for row in rows_of], pa.string()),
            pa.array([row[2] for row in rows_of], pa.string()),
            pa.array([row[3] for row in rows_of], pa.int32()),
            pa.array(np.concatenate(values).reshape(-1)),
            pa.array(np.concatenate(lows).reshape(-1)),
            pa.array(np.concatenate(highs).reshape(-1)),
            pa.array(np.tile(sizes.T.reshape(-1), len(models)), pa.int64()),
        ],
        schema=METRICS_SCHEMA,
    )


def _notes_behind(notes: ScoredNotes, metric: str) -> list[BoolArray]:
    """Per scope, the notes that a metric rests on: given by the labels alone, the same for every model."""
    membership = notes.labels.membership
    if metric in {"silhouette", "davies_bouldin"}:
        taking_part = single_label_classes(membership) >= 0
    elif metric in {"negative_similarity", "negative_similarity_std"}:
        taking_part = notes_with_irrelevant(membership)
    elif metric in {"margin", "separation"}:
        taking_part = notes_with_relevant(membership) | notes_with_irrelevant(membership)
    else:
        taking_part = notes_with_relevant(membership)
    inside = notes.scope_membership > 0
    scopes = [taking_part, taking_part & inside.any(axis=1)]
    return scopes + [taking_part & inside[:, column] for column in range(inside.shape[1])]


def _mean_of_defined(values: FloatArray) -> FloatArray:
    """Mean over the columns that are not NaN; NaN where all are."""
    defined = np.isfinite(values)
    count = defined.sum(axis=1)
    total = np.where(defined, values, 0.0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)


def _nearest_in_table(neighbors: pa.Table, model: str, note_ids: tuple[str, ...]) -> IntArray:
    """The first ranks of a neighbours table, pool `test`, as row positions. int64 [n, min(10, n - 1)]."""
    missing = {"model", "pool", "note_id", "rank", "neighbor_id"}.difference(neighbors.column_names)
    if missing:
        raise EvaluationError(f"neighbors: the columns {', '.join(sorted(missing))} are missing.")
    width = max(0, min(DEEPEST_CUTOFF, len(note_ids) - 1))
    chosen = pc.and_(
        pc.and_(pc.equal(neighbors["model"], model), pc.equal(neighbors["pool"], "test")),
        pc.less_equal(neighbors["rank"], width),
    )
    part = neighbors.filter(chosen)
    known = pa.array(note_ids, pa.string())
    query, neighbor = (
        pc.fill_null(pc.index_in(part[column], value_set=known), -1).to_numpy()
        for column in ("note_id", "neighbor_id")
    )
    nearest = np.full((len(note_ids), width), -1, dtype=np.int64)
    fits = (query >= 0) & (neighbor >= 0)
    nearest[query[fits], part["rank"].to_numpy()[fits] - 1] = neighbor[fits]
    if not fits.all() or (nearest < 0).any() or len(part) != nearest.size:
        raise EvaluationError(
            f"neighbors: the pool 'test' of the model '{model}' does not fit the {len(note_ids)} scored "
            f"notes: expected ranks 1 to {width} of each among the others. Materialize neighbors again."
        )
    return nearest
