"""The retrieval figures of the notes of one value of a slice: one site, one sex, one span of ages."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.evaluation.jackknife import CONFIDENCE, Jackknife
from medembed_pipeline.evaluation.metric_names import MetricKey
from medembed_pipeline.evaluation.metrics_table import (
    DECIMALS,
    DIFFERENCE,
    MODELS,
    figure_intervals,
    note_rankings,
    scored_notes,
    similarity_of,
)
from medembed_pipeline.evaluation.relevance import notes_with_relevant
from medembed_pipeline.evaluation.retrieval import RETRIEVAL_METRICS
from medembed_pipeline.evaluation.vectors import unit_rows
from medembed_pipeline.lake.fields import described
from medembed_pipeline.notes.slices import ordered_values

SLICE_METRICS_SCHEMA = pa.schema(
    [
        described("slice", pa.string(), "column of the landing files"),
        described(
            "value_name",
            pa.string(),
            "what the notes say there: words, a bin of numbers, or (none); a note of rows that disagree is in several",
        ),
        described("model", pa.string(), "baseline, tuned, or difference (tuned - baseline)"),
        described("metric", pa.string(), "name of the figure"),
        described(
            "k", pa.int32(), "ranks looked at, null where the metric has no such number", nullable=True
        ),
        described(
            "value",
            pa.float64(),
            "the figure of the notes of that value, which search among all held-out notes; NaN where undefined",
        ),
        described("ci_low", pa.float64(), "lower end of the jackknife interval over groups, NaN where none"),
        described("ci_high", pa.float64(), "upper end of the jackknife interval over groups, NaN where none"),
        described("n", pa.int64(), "notes (queries) behind the figure"),
        described("groups", pa.int64(), "independent groups (near-duplicates, patients) behind the figure"),
        described("degrees", pa.float64(), "degrees of freedom of the interval, NaN where none"),
        described("share", pa.float64(), "share of all scored notes that have that value, 0 to 1"),
    ]
)


def slice_metrics_table(
    note_ids: Sequence[str],
    baseline: npt.ArrayLike,
    tuned: npt.ArrayLike,
    specialties: Sequence[Collection[str] | None],
    groups: Sequence[Hashable],
    slices: Mapping[str, Sequence[Collection[str]]],
    *,
    confidence: float = CONFIDENCE,
) -> pa.Table:
    """Retrieval figures by slice and value, on the rankings that `metrics_table` scores.

    A note with a specialty is a query of the values it has; its candidates are all other notes with a specialty,
    whatever their value. Values without a query that has something to find are left out, however small the others are:
    what can be concluded of them is for the reader of the interval to say.

    Parameters
    ----------
    note_ids, baseline, tuned, specialties, groups, confidence
        as in `metrics_table`.
    slices
        by slice, the values of each note, in the order of `note_ids`.

    Returns
    -------
    pa.Table
        A table with SLICE_METRICS_SCHEMA: slices as given, values from low to high, then by model and metric.

    Raises
    ------
    EvaluationError
        as in `metrics_table`.
    """
    notes = scored_notes(note_ids, specialties, groups)
    count = len(notes.note_ids)
    if count < 2 or not slices:
        return SLICE_METRICS_SCHEMA.empty_table()
    answered = notes_with_relevant(notes.labels.membership)
    keys: list[tuple[str, str]] = []
    columns: list[npt.NDArray[np.float64]] = []
    for name, values_of in slices.items():
        own = [frozenset(values_of[row]) for row in notes.order]
        for value in ordered_values(value for values in own for value in values):
            inside = np.array([value in values for values in own], dtype=np.float64)
            if (inside * answered).any():
                keys.append((name, value))
                columns.append(inside)
    if not keys:
        return SLICE_METRICS_SCHEMA.empty_table()
    membership = np.stack(columns, axis=1)
    vectors = {
        model: similarity_of(unit_rows(np.asarray(rows)[notes.order], name=f"{model} embeddings"))
        for model, rows in zip(MODELS, (baseline, tuned), strict=True)
    }
    ranked = note_rankings(notes, vectors, scopes=membership, contrasts=[("tuned", "baseline")])
    found = {**{model: ranked[model] for model in MODELS}, DIFFERENCE: ranked["tuned-baseline"]}
    sizes = (membership * answered[:, None]).sum(axis=0).astype(int)
    shares = membership.mean(axis=0)
    rows: list[dict[str, Any]] = []
    for place, (name, value) in enumerate(keys):
        for model, figures in found.items():
            for key in RETRIEVAL_METRICS:
                figure = {
                    "slice": name,
                    "value_name": value,
                    "model": model,
                    "metric": key[0],
                    "k": key[1],
                    **_figure(figures, key, model, 1 + place, confidence),
                    "n": int(sizes[place]),
                    "share": float(shares[place]),
                }
                rows.append(figure)
    return pa.Table.from_pylist(rows, schema=SLICE_METRICS_SCHEMA)


def _figure(
    figures: Mapping[MetricKey, Jackknife], key: MetricKey, model: str, place: int, confidence: float
) -> dict[str, Any]:
    one = {key: figures[key].columns([place])}
    ends = figure_intervals(one, key, model, confidence)
    numbers = {
        "value": one[key].value,
        "ci_low": ends.low,
        "ci_high": ends.high,
        "degrees": ends.degrees,
    }
    return {
        **{name: round(float(number[0]), DECIMALS) for name, number in numbers.items()},
        "groups": int(one[key].groups[0]),
    }
