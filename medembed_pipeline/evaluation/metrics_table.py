"""The whole table of evaluation figures, for models on the same held-out notes, in one call."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.evaluation.clusters import cluster_figures, single_label_classes
from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline.evaluation.jackknife import (
    CONFIDENCE,
    Intervals,
    Jackknife,
    difference,
    group_numbers,
    intervals,
    joined,
    mean_of_columns,
    undefined,
)
from medembed_pipeline.evaluation.metric_names import MetricKey
from medembed_pipeline.evaluation.neighbors import sorted_order
from medembed_pipeline.evaluation.rankings import Blocks, Similarities, ranking_figures
from medembed_pipeline.evaluation.relevance import (
    MINIMUM_NOTES,
    LabelMatrix,
    label_matrix,
    notes_with_irrelevant,
    notes_with_relevant,
    set_gains,
)
from medembed_pipeline.evaluation.retrieval import RETRIEVAL_METRICS
from medembed_pipeline.evaluation.similarity import SIMILARITY_METRICS, PairSums, similarity_figures
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray, unit_rows
from medembed_pipeline.lake.fields import described

CLUSTER_METRICS: tuple[MetricKey, ...] = (("silhouette", None), ("davies_bouldin", None))
METRICS: tuple[MetricKey, ...] = (*RETRIEVAL_METRICS, *CLUSTER_METRICS, *SIMILARITY_METRICS)
"""Every figure, as (metric, k), in the order of the table."""

MODELS = ("baseline", "tuned")
DIFFERENCE = "difference"
LEXICAL = "lexical"
OVER_LEXICAL = "tuned_over_lexical"
RESERVED_SCOPES = ("all", "macro")

_RANGES: dict[str, tuple[float, float]] = {
    **{metric: (0.0, 1.0) for metric, _ in RETRIEVAL_METRICS},
    **{metric: (-1.0, 1.0) for metric in ("silhouette", "positive_similarity", "negative_similarity")},
    **{
        metric: (0.0, math.inf)
        for metric in ("davies_bouldin", "positive_similarity_std", "negative_similarity_std")
    },
}
"""What the figure of a model can be; others can be any number."""

DECIMALS = 12
"""Figures are rounded here: further down, a matrix product depends on the number of threads."""

METRICS_SCHEMA = pa.schema(
    [
        described(
            "model",
            pa.string(),
            "baseline, tuned, difference (tuned - baseline), and for the retrieval figures lexical (TF-IDF) and "
            "tuned_over_lexical (tuned - lexical)",
        ),
        described("split", pa.string(), "the split that was scored"),
        described("scope", pa.string(), "all, macro (mean over specialties), or the name of a specialty"),
        described("metric", pa.string(), "name of the figure"),
        described(
            "k", pa.int32(), "ranks looked at, null where the metric has no such number", nullable=True
        ),
        described("value", pa.float64(), "the figure on the notes themselves, NaN where undefined"),
        described("ci_low", pa.float64(), "lower end of the jackknife interval over groups, NaN where none"),
        described("ci_high", pa.float64(), "upper end of the jackknife interval over groups, NaN where none"),
        described("n", pa.int64(), "different notes (queries) behind the figure"),
        described("groups", pa.int64(), "independent groups (near-duplicates, patients) behind the figure"),
        described("degrees", pa.float64(), "degrees of freedom of the interval, NaN where none"),
    ]
)


@dataclass(frozen=True)
class ScoredNotes:
    """The notes that are scored, in the order of their ids, ready for any number of models.

    Attributes
    ----------
    note_ids
        sorted.
    order
        int64 [n], where each note stood in the input.
    labels
        the specialty sets.
    eligible
        columns of `labels` that get figures of their own.
    groups
        int64 [n], number of the group, from 0.
    """

    note_ids: tuple[str, ...]
    order: IntArray
    labels: LabelMatrix
    eligible: tuple[int, ...]
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
    groups: Sequence[Hashable],
    *,
    minimum_notes: int = MINIMUM_NOTES,
) -> ScoredNotes:
    """Sort the notes by id and drop those without a specialty.

    Raises
    ------
    EvaluationError
        inputs of different lengths, ids that repeat, a specialty with the name of a scope, or a parameter out of
        range.
    """
    for name, values in (("specialties", specialties), ("groups", groups)):
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
    return ScoredNotes(
        note_ids=tuple(note_ids[row] for row in order),
        order=order,
        labels=labels,
        eligible=labels.frequent(minimum_notes),
        groups=group_numbers([groups[row] for row in order]),
    )


def similarity_of(rows: Any) -> Similarities:
    """Cosine similarities of unit rows, float64 [n, d] or a scipy.sparse matrix, to all of them."""

    def similarity(notes: IntArray) -> FloatArray:
        found = rows[notes] @ rows.T
        return found if isinstance(found, np.ndarray) else np.asarray(found.todense(), dtype=np.float64)

    return similarity


def note_rankings(
    notes: ScoredNotes,
    similarities: Mapping[str, Similarities],
    *,
    scopes: FloatArray | None = None,
    contrasts: Sequence[tuple[str, str]] = (),
    blocks: Blocks | None = None,
) -> dict[str, dict[MetricKey, Jackknife]]:
    """Retrieval figures of notes that search each other: each asks, all others are its candidates.

    Parameters
    ----------
    notes
        what is scored.
    similarities
        by model, of notes in the order of `notes.note_ids` (see `similarity_of`).
    scopes, contrasts, blocks
        as in `ranking_figures`.

    Returns
    -------
    dict[str, dict[MetricKey, Jackknife]]
        As `ranking_figures`; a candidate's gain is the Jaccard index of the two specialty sets.
    """
    membership = notes.labels.membership
    return ranking_figures(
        similarities,
        set_gains(membership),
        query_groups=notes.groups,
        candidate_groups=notes.groups,
        scopes=scopes,
        own_candidate=np.arange(len(notes.note_ids)),
        contrasts=contrasts,
        blocks=blocks,
    )


def note_searches(pairs: Mapping[str, PairSums], lexical: Any) -> dict[str, Similarities]:
    """By model, and for word weights scipy.sparse [n, words] where there are any, similarities of notes to all."""
    searches: dict[str, Similarities] = {model: one.similarity for model, one in pairs.items()}
    return searches if lexical is None else {**searches, LEXICAL: similarity_of(lexical)}


def note_contrasts(lexical: Any) -> list[tuple[str, str]]:
    """What tuned is compared with."""
    return [("tuned", "baseline"), *([] if lexical is None else [("tuned", LEXICAL)])]


BlocksOf = Callable[[ScoredNotes, Mapping[str, PairSums], Any], Blocks]
"""Notes, their pairs by model, word weights -> how blocks of them are scored."""


def note_figures(
    notes: ScoredNotes,
    vectors: Mapping[str, npt.ArrayLike],
    *,
    lexical: Any = None,
    blocks_of: BlocksOf | None = None,
) -> dict[str, dict[MetricKey, Jackknife]]:
    """Every figure of baseline, tuned and their difference, columns as `notes.scopes`.

    Parameters
    ----------
    notes
        what is scored; with fewer than two, everything is undefined.
    vectors
        `baseline` and `tuned`, [n, d], L2-normalised, in the order of `notes.note_ids`.
    lexical
        scipy.sparse [n, words], L2-normalised, in the same order; None to leave it out.
    blocks_of
        where rankings and pairs are worked on; by default in threads of this process.
    """
    if len(notes.note_ids) < 2:
        nothing = undefined(len(notes.note_ids), len(notes.scopes))
        compared = () if lexical is None else (LEXICAL, OVER_LEXICAL)
        return {
            **{model: dict.fromkeys(METRICS, nothing) for model in (*MODELS, DIFFERENCE)},
            **{model: dict.fromkeys(RETRIEVAL_METRICS, nothing) for model in compared},
        }
    membership, scopes = notes.labels.membership, notes.scope_membership
    rows = {model: unit_rows(vectors[model], name=f"{model} embeddings") for model in MODELS}
    pairs = {model: PairSums(rows[model], membership) for model in MODELS}
    ranked = note_rankings(
        notes,
        note_searches(pairs, lexical),
        scopes=scopes,
        contrasts=note_contrasts(lexical),
        blocks=None if blocks_of is None else blocks_of(notes, pairs, lexical),
    )
    names = {"tuned-baseline": DIFFERENCE, f"tuned-{LEXICAL}": OVER_LEXICAL}
    found = {names.get(name, name): dict(figures) for name, figures in ranked.items()}
    group_count = int(notes.groups.max(initial=-1)) + 1
    kept = [0, *(1 + column for column in notes.eligible)]
    clusters = cluster_figures(
        rows,
        single_label_classes(membership),
        notes.groups,
        class_count=membership.shape[1],
        group_count=group_count,
        contrasts=[("tuned", "baseline")],
    )
    for name, figures in clusters.items():
        model = names.get(name, name)
        found[model]["silhouette", None] = figures.silhouette.columns(kept)
        found[model]["davies_bouldin", None] = figures.davies_bouldin.columns(kept)
    for model in MODELS:
        found[model] |= similarity_figures(pairs[model], scopes, notes.groups, group_count=group_count)
    for key in SIMILARITY_METRICS:
        found[DIFFERENCE][key] = difference(found["tuned"][key], found["baseline"][key])
    behind = len(np.unique(notes.groups[scopes.any(axis=1)])) if scopes.size else 0
    return {
        model: {key: _with_macro(figures[key], behind) for key in METRICS if key in figures}
        for model, figures in found.items()
    }


def _with_macro(found: Jackknife, groups: int) -> Jackknife:
    """Columns all and the specialties -> all, their mean, the specialties."""
    own = list(range(1, len(found.value)))
    return joined(
        [found.columns([0]), mean_of_columns(found.columns(own), groups=groups), found.columns(own)]
    )


def metrics_table(
    note_ids: Sequence[str],
    baseline: npt.ArrayLike,
    tuned: npt.ArrayLike,
    specialties: Sequence[Collection[str] | None],
    groups: Sequence[Hashable],
    *,
    lexical: Any = None,
    split: str = "test",
    confidence: float = CONFIDENCE,
    minimum_notes: int = MINIMUM_NOTES,
    blocks_of: BlocksOf | None = None,
) -> pa.Table:
    """Score two models on the same notes: retrieval, clusters, similarities, and their paired difference.

    Each note with a specialty is a query; all other notes with a specialty are its candidates; two notes are
    relevant to each other where their specialty sets meet. Notes without a specialty take no part
    (`evaluation_counts` counts them, and the rest of what is left out). The metrics are defined where they
    are computed: `ranking_scores`, `cluster_figures`, `similarity_figures`.

    Scopes: `all` is over all queries, pairs or classes; each specialty with at least `minimum_notes` scored
    notes has its own figures; `macro` is the mean of those that are defined.

    Intervals: see `medembed_pipeline.evaluation.jackknife`. A figure whose notes all come from one group has none.

    Parameters
    ----------
    note_ids
        n different ids, in any order.
    baseline
        [n, d], L2-normalised, one row per note id.
    tuned
        [n, e], likewise.
    specialties
        n collections of specialty names; empty or None where a note has none.
    groups
        n groups; notes that are no independent evidence (near-duplicates, a patient's) share one.
    lexical
        scipy.sparse [n, words], L2-normalised word weights, to compare with word matching.
    split
        goes into the `split` column.
    confidence
        of the intervals.
    minimum_notes
        a specialty with fewer scored notes gets no figures of its own.
    blocks_of
        as in `note_figures`.

    Returns
    -------
    pa.Table
        A table with METRICS_SCHEMA, sorted by model, scope (all, macro, specialties by name) and METRICS.

    Raises
    ------
    EvaluationError
        inputs that do not fit each other, vectors that are not of unit length, or a parameter out of range.
    """
    notes = scored_notes(note_ids, specialties, groups, minimum_notes=minimum_notes)
    for model, embeddings in zip(MODELS, (baseline, tuned), strict=True):
        if len(np.asarray(embeddings)) != len(note_ids):
            raise EvaluationError(
                f"{model} embeddings: {len(np.asarray(embeddings))} rows for {len(note_ids)} notes."
            )
    # Checked before they are sorted, so that an error names the row of the input.
    vectors = {
        model: unit_rows(embeddings, name=f"{model} embeddings")[notes.order]
        for model, embeddings in zip(MODELS, (baseline, tuned), strict=True)
    }
    found = note_figures(
        notes,
        vectors,
        lexical=None if lexical is None else lexical[notes.order],
        blocks_of=blocks_of,
    )
    sizes = {
        metric: [int(members.sum()) for members in _notes_behind(notes, metric)] for metric, _ in METRICS
    }
    order = [name for name in (*MODELS, DIFFERENCE, LEXICAL, OVER_LEXICAL) if name in found]
    columns: dict[str, list[Any]] = {name: [] for name in METRICS_SCHEMA.names}
    for model in order:
        ends = {key: figure_intervals(found[model], key, model, confidence) for key in found[model]}
        for place, scope in enumerate(notes.scopes):
            for (metric, k), found_ends in ends.items():
                figure = found[model][metric, k]
                row = (
                    model,
                    split,
                    scope,
                    metric,
                    k,
                    figure.value[place],
                    found_ends.low[place],
                    found_ends.high[place],
                    sizes[metric][place],
                    int(figure.groups[place]),
                    found_ends.degrees[place],
                )
                for name, value in zip(METRICS_SCHEMA.names, row, strict=True):
                    columns[name].append(round(float(value), DECIMALS) if isinstance(value, float) else value)
    return pa.Table.from_pydict(columns, schema=METRICS_SCHEMA)


def figure_intervals(
    figures: Mapping[MetricKey, Jackknife], key: MetricKey, model: str, confidence: float
) -> Intervals:
    """The intervals of one metric; those of a model stay inside the metric's range."""
    compared = model in (DIFFERENCE, OVER_LEXICAL)
    lowest, highest = (-math.inf, math.inf) if compared else _RANGES.get(key[0], (-math.inf, math.inf))
    return intervals(figures[key], confidence=confidence, lowest=lowest, highest=highest)


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
