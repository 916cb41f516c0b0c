"""The table `classification_metrics`: every figure of every rung on held-out and on cross-fitted notes, and of the
differences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from medembed_pipeline.classification.cross_fitting import CrossFitted
from medembed_pipeline.classification.ladder import PREVALENCE, WORDS
from medembed_pipeline.classification.scoring import (
    LABEL_METRICS,
    NOTE_METRICS,
    OVERALL_METRICS,
    Answers,
    LabelCounts,
    Truth,
    label_figures,
    metric_range,
    note_scores,
    overall_figures,
)
from medembed_pipeline.evaluation.jackknife import (
    Jackknife,
    difference,
    intervals,
    mean_jackknife,
    mean_of_columns,
    ratio_jackknife,
    sum_by_group,
)
from medembed_pipeline.evaluation.metric_names import MetricKey
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray
from medembed_pipeline.lake.fields import described

ALL, LABEL, TRAIN_NOTES, LENGTH, WINDOW = "all", "label", "train_notes", "length", "window"
CROSS_FITTED, CROSS_FITTED_LABEL = "cross_fitted", "cross_fitted_label"
"""Kinds of scopes; a slice's is `slice:` and its name. The last two are of all notes that `cross_fit` judges."""

IN_SERVICE = "in_service"
"""The classifier that is in service, as a model of the table."""

DECIMALS = 9
TRAIN_NOTES_BINS = (
    (0, 10, "under 10"),
    (10, 50, "10 to 49"),
    (50, 200, "50 to 199"),
    (200, math.inf, "200 and more"),
)
LENGTH_PARTS = 4

METRICS_SCHEMA = pa.schema(
    [
        described("model", pa.string(), "a rung of the ladder, or in_service"),
        described(
            "over",
            pa.string(),
            "null: the figure of the model; else what it is compared with: the row is their paired difference",
            nullable=True,
        ),
        described(
            "scope_kind",
            pa.string(),
            "on held-out notes: all, label, train_notes (labels by their number of train notes), length, window, or "
            "slice:NAME; cross_fitted and cross_fitted_label: on all notes but the validation notes, each judged by "
            "classifiers that saw nothing of its group, of rungs whose features never saw a label",
        ),
        described("scope", pa.string(), "all, a label, or the part of the notes"),
        described("metric", pa.string(), "name of the figure"),
        described(
            "k", pa.int32(), "labels looked at, or percent of the notes; null where neither", nullable=True
        ),
        described("value", pa.float64(), "the figure, NaN where undefined"),
        described("ci_low", pa.float64(), "lower end of the jackknife interval over groups, NaN where none"),
        described("ci_high", pa.float64(), "upper end, NaN where none"),
        described("n", pa.int64(), "notes behind the figure"),
        described("groups", pa.int64(), "independent groups behind it"),
        described("degrees", pa.float64(), "degrees of freedom of the interval, NaN where none"),
    ]
)


class Scope(NamedTuple):
    """A part of the notes."""

    kind: str
    name: str
    inside: BoolArray


@dataclass(frozen=True)
class Measured:
    """One model on the scored notes.

    Attributes
    ----------
    truth
        of the notes that it was scored on.
    answers
        what it says.
    """

    truth: Truth
    answers: Answers


def classification_metrics_table(
    models: Mapping[str, Measured],
    labels: Sequence[str],
    scopes: Sequence[Scope],
    *,
    served: str,
    confidence: float,
    in_service: tuple[Measured, Measured] | None = None,
    cross_fitted: CrossFitted | None = None,
) -> pa.Table:
    """Every rung over all notes, and the served one and TF-IDF by label and by part of the notes.

    Parameters
    ----------
    models
        by rung, all on the same notes; TF-IDF and prevalence among them.
    labels
        names of the columns of the truth.
    scopes
        further parts of the notes.
    served
        the rung that is served.
    confidence
        of the intervals.
    in_service
        the classifier in service, and the served rung on the same notes (those that neither has learned from) and
        labels; None where none is, or where it is this one.
    cross_fitted
        what cross-fitted classifiers say, TF-IDF among them; None where there are none.
    """
    rows = _Rows(confidence)
    overall = {name: overall_figures(one.truth, one.answers) for name, one in models.items()}
    truth = models[WORDS].truth
    notes = int((truth.carried > 0).sum())
    for name, found in overall.items():
        rows.add_all(name, None, ALL, ALL, {key: found[key] for key in OVERALL_METRICS}, notes)
        if name != WORDS:
            rows.add_all(name, WORDS, ALL, ALL, _differences(found, overall[WORDS], OVERALL_METRICS), notes)
    if served != PREVALENCE:
        chance = _differences(overall[served], overall[PREVALENCE], OVERALL_METRICS)
        rows.add_all(served, PREVALENCE, ALL, ALL, chance, notes)
    pair = [served] if served == WORDS else [served, WORDS]
    _label_rows(rows, {name: models[name] for name in pair}, labels, served, WORDS)
    for scope in scopes:
        parts = {name: _scope_figures(models[name], scope.inside) for name in pair}
        inside = int((scope.inside & (truth.carried > 0)).sum())
        for name, found in parts.items():
            rows.add_all(name, None, scope.kind, scope.name, found, inside)
        if served != WORDS:
            change = _differences(parts[served], parts[WORDS], list(parts[served]))
            rows.add_all(served, WORDS, scope.kind, scope.name, change, inside)
    if in_service is not None:
        standing, ours = in_service
        before, after = (overall_figures(one.truth, one.answers) for one in (standing, ours))
        behind = int((standing.truth.carried > 0).sum())
        rows.add_all(IN_SERVICE, None, ALL, ALL, before, behind)
        rows.add_all(served, IN_SERVICE, ALL, ALL, _differences(after, before, OVERALL_METRICS), behind)
        changes = _differences(
            label_figures(ours.truth, ours.answers),
            label_figures(standing.truth, standing.answers),
            LABEL_METRICS,
        )
        for column, label in enumerate(labels):
            one = {key: figure.columns([column]) for key, figure in changes.items()}
            carrying = int(ours.truth.membership[:, column].sum())
            if carrying:
                rows.add_all(served, IN_SERVICE, LABEL, label, one, carrying)
    if cross_fitted is not None:
        _cross_fitted_rows(rows, cross_fitted, labels, served)
    return rows.table()


def _cross_fitted_rows(rows: _Rows, found: CrossFitted, labels: Sequence[str], served: str) -> None:
    """Every rung over all notes, and the served one against TF-IDF by label."""
    overall = {name: found.figures(name) for name in found.answers}
    truth = found.truth
    notes = int((truth.carried > 0).sum())
    for name, own in overall.items():
        rows.add_all(name, None, CROSS_FITTED, ALL, own, notes)
        if name != WORDS:
            change = _differences(own, overall[WORDS], OVERALL_METRICS)
            rows.add_all(name, WORDS, CROSS_FITTED, ALL, change, notes)
    if served == WORDS or served not in overall:
        return
    ours, words = (found.label_figures(name) for name in (served, WORDS))
    changes = _differences(ours, words, LABEL_METRICS)
    for column, label in enumerate(labels):
        carrying = int(truth.membership[:, column].sum())
        if carrying:
            for over, part in ((None, ours), (WORDS, changes)):
                one = {key: figure.columns([column]) for key, figure in part.items()}
                rows.add_all(served, over, CROSS_FITTED_LABEL, label, one, carrying)


def _differences(
    left: Mapping[MetricKey, Jackknife], right: Mapping[MetricKey, Jackknife], keys: Sequence[MetricKey]
) -> dict[MetricKey, Jackknife]:
    return {key: difference(left[key], right[key]) for key in keys}


def _label_rows(
    rows: _Rows, models: Mapping[str, Measured], labels: Sequence[str], served: str, other: str
) -> None:
    """By label, and by how many train notes the labels have."""
    found: dict[str, dict[MetricKey, Jackknife]] = {}
    for name, one in models.items():
        found[name] = {**label_figures(one.truth, one.answers), ("covered", None): _label_coverage(one)}
    truth = models[served].truth
    carrying = truth.membership.sum(axis=0).astype(int)
    for column, label in enumerate(labels):
        if not carrying[column]:
            continue
        own = {
            name: {key: one.columns([column]) for key, one in part.items()} for name, part in found.items()
        }
        for name, part in own.items():
            rows.add_all(name, None, LABEL, label, part, int(carrying[column]))
        if served != other:
            change = _differences(own[served], own[other], list(own[served]))
            rows.add_all(served, other, LABEL, label, change, int(carrying[column]))
    for low, high, shown in TRAIN_NOTES_BINS:
        inside = (truth.train_notes >= low) & (truth.train_notes < high)
        columns = np.intersect1d(truth.scored_labels, np.flatnonzero(inside))
        if not len(columns):
            continue
        member = truth.membership[:, inside].any(axis=1)
        groups = len(np.unique(truth.groups[member]))
        means = {}
        for name, part in found.items():
            means[name] = {
                (f"macro_{key[0]}" if key[0] != "average_precision" else "map", key[1]): mean_of_columns(
                    figure.columns(columns), groups=groups
                )
                for key, figure in part.items()
                if key[0] != "covered"
            }
            means[name]["covered", None] = _pooled_coverage(models[name], inside)
            means[name]["set_size", None] = mean_jackknife(
                np.where(member, models[name].answers.sets.sum(axis=1), np.nan), truth.groups
            )
            rows.add_all(name, None, TRAIN_NOTES, shown, means[name], int(member.sum()))
        if served != other:
            change = _differences(means[served], means[other], list(means[served]))
            rows.add_all(served, other, TRAIN_NOTES, shown, change, int(member.sum()))


def _label_coverage(one: Measured) -> Jackknife:
    """Of each label: the share of the notes that carry it whose set holds it."""
    member = one.truth.membership
    return _ratio(member * one.answers.sets, member, one.truth)


def _pooled_coverage(one: Measured, columns: BoolArray) -> Jackknife:
    """Over some labels: the share of pairs of note and true label that the sets hold."""
    member = one.truth.membership[:, columns]
    held = (member * one.answers.sets[:, columns]).sum(axis=1, keepdims=True)
    return _ratio(held, member.sum(axis=1, keepdims=True), one.truth)


def _ratio(part: FloatArray, whole: FloatArray, truth: Truth) -> Jackknife:
    return ratio_jackknife(
        sum_by_group(np.asarray(part, dtype=np.float64), truth.groups, truth.group_count),
        sum_by_group(np.asarray(whole, dtype=np.float64), truth.groups, truth.group_count),
    )


def _scope_figures(one: Measured, inside: BoolArray) -> dict[MetricKey, Jackknife]:
    """What notes have by themselves, and micro-F1, over a part of them."""
    column = inside[:, None].astype(np.float64)
    found = {
        key: mean_jackknife(scores, one.truth.groups, column)
        for key, scores in note_scores(one.truth, one.answers).items()
        if key in NOTE_METRICS
    }
    part = Truth(
        one.truth.membership * column,
        one.truth.outside * inside,
        one.truth.groups,
        one.truth.scored_labels,
        one.truth.train_notes,
    )
    counts = LabelCounts.of(part, one.answers.chosen)
    outside = sum_by_group(part.outside[:, None], part.groups, part.group_count)
    hits = counts.hits[:1] - counts.hits[1:]
    both = counts.said[:1] - counts.said[1:] + counts.true[:1] - counts.true[1:]
    found["micro_f1", None] = ratio_jackknife(
        2 * hits.sum(axis=1, keepdims=True), both.sum(axis=1, keepdims=True) + outside
    )
    return found


class _Rows:
    """The rows of the table as they come."""

    def __init__(self, confidence: float) -> None:
        self._confidence = confidence
        self._columns: dict[str, list[Any]] = {name: [] for name in METRICS_SCHEMA.names}

    def add_all(
        self,
        model: str,
        over: str | None,
        kind: str,
        scope: str,
        figures: Mapping[MetricKey, Jackknife],
        notes: int,
    ) -> None:
        """Figures of one column each."""
        for (metric, k), figure in figures.items():
            lowest, highest = (-math.inf, math.inf) if over is not None else metric_range(metric)
            ends = intervals(figure, confidence=self._confidence, lowest=lowest, highest=highest)
            numbers = [figure.value[0], ends.low[0], ends.high[0]]
            row = (
                model,
                over,
                kind,
                scope,
                metric,
                k,
                *(round(float(number), DECIMALS) for number in numbers),
                notes,
                int(figure.groups[0]),
                round(float(ends.degrees[0]), DECIMALS),
            )
            for name, value in zip(METRICS_SCHEMA.names, row, strict=True):
                self._columns[name].append(value)

    def table(self) -> pa.Table:
        """All of them."""
        return pa.table(self._columns, schema=METRICS_SCHEMA)


def note_scopes(words: Sequence[int], beyond_window: Sequence[bool] | None) -> list[Scope]:
    """Scopes by length, in parts of about as many notes, and by whether the model reads the whole note.

    Parameters
    ----------
    words
        of each note.
    beyond_window
        whether the note is longer than what the model reads; None where that is not known.
    """
    lengths = np.asarray(words, dtype=np.int64)
    scopes = []
    if len(lengths):
        edges = np.unique(np.quantile(lengths, np.arange(1, LENGTH_PARTS) / LENGTH_PARTS).astype(np.int64))
        part_of = np.searchsorted(edges, lengths, side="left")
        for part in np.unique(part_of):
            low = "" if part == 0 else f"over {edges[part - 1]}"
            high = "" if part == len(edges) else f"up to {edges[part]}"
            scopes.append(
                Scope(LENGTH, " ".join(filter(None, (low, high, "words"))), np.asarray(part_of == part))
            )
    if beyond_window is not None:
        cut = np.asarray(beyond_window, dtype=np.bool_)
        scopes += [
            Scope(WINDOW, name, inside)
            for name, inside in (("read whole", ~cut), ("cut off", cut))
            if inside.any()
        ]
    return scopes
