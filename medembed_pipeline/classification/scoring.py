"""Figures of a classifier on notes that it has not seen, and what each would be without each group of notes.

Multi-label throughout: a note has a set of true labels, and every pair of note and label has a probability. Figures of
single notes are means (`mean_jackknife`); figures of labels (F1, average precision) are computed again without each
group. Nothing is resampled; see `medembed_pipeline.evaluation.jackknife`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medembed_pipeline.classification.conformal import covered_shares
from medembed_pipeline.evaluation.jackknife import Jackknife, mean_jackknife, sum_by_group, undefined
from medembed_pipeline.evaluation.metric_names import MetricKey
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray, rows_per_block

NOTE_METRICS: tuple[MetricKey, ...] = (
    ("top", 1),
    ("top", 3),
    ("top", 5),
    ("ranking", None),
    ("exact_match", None),
    ("log_loss", None),
    ("covered", None),
    ("set_size", None),
)
LABEL_METRICS: tuple[MetricKey, ...] = (
    ("precision", None),
    ("recall", None),
    ("f1", None),
    ("average_precision", None),
)
OVERALL_METRICS: tuple[MetricKey, ...] = (
    *(
        (f"{mean}_{name}", None)
        for mean in ("macro", "micro", "weighted")
        for name in ("precision", "recall", "f1")
    ),
    ("map", None),
    *NOTE_METRICS,
    ("calibration_error", None),
    ("top_calibration_error", None),
    ("error_of_surest", 80),
    ("error_of_surest", 90),
    ("train_notes_correlation", None),
)
"""Every figure over all notes, in the order of the table."""

BINS = 10
UNBOUNDED = frozenset({"log_loss", "set_size"})
LOWER_IS_BETTER = frozenset(
    {"log_loss", "set_size", "calibration_error", "top_calibration_error", "error_of_surest"}
)


@dataclass(frozen=True)
class Truth:
    """What is true of the scored notes.

    Attributes
    ----------
    membership
        float64 [n, labels], only labels that are predicted.
    outside
        float64 [n], how many true labels of each note are not predicted: they count as missed.
    groups
        int64 [n], numbers from 0.
    scored_labels
        int64, columns with figures of their own, over which the macro means go.
    train_notes
        float64 [labels], train notes of each.
    """

    membership: FloatArray
    outside: FloatArray
    groups: IntArray
    scored_labels: IntArray
    train_notes: FloatArray

    @property
    def group_count(self) -> int:
        """How many groups there are."""
        return int(self.groups.max(initial=-1)) + 1

    @property
    def carried(self) -> FloatArray:
        """float64 [n], true labels of each note, those included that are not predicted."""
        return np.asarray(self.membership.sum(axis=1) + self.outside)


@dataclass(frozen=True)
class Answers:
    """What a classifier says of the scored notes.

    Attributes
    ----------
    probabilities
        float64 [n, labels], calibrated.
    chosen
        bool [n, labels], the labels that it gives.
    sets
        bool [n, labels], the sets with a promise.
    """

    probabilities: FloatArray
    chosen: BoolArray
    sets: BoolArray

    def take(self, rows: IntArray | BoolArray) -> Answers:
        """Of some of the notes, in that order."""
        return Answers(self.probabilities[rows], self.chosen[rows], self.sets[rows])


def note_scores(truth: Truth, answers: Answers) -> dict[MetricKey, FloatArray]:
    """Figures that each note has by itself.

    - `top` k: 1 where one of the k likeliest labels is true, else 0.
    - `ranking`: label ranking average precision, where a true label that is not predicted comes after all others.
    - `exact_match`: 1 where exactly the true labels are given.
    - `log_loss`: in nats, summed over the labels that are predicted.
    - `covered`: share of the true labels that the set holds; `set_size`: labels in it.

    Returns
    -------
    dict[MetricKey, FloatArray]
        float64 [n] each, NaN for a note without a true label.
    """
    member, labels = truth.membership, truth.membership.shape[1]
    carried = truth.carried
    labelled = carried > 0
    order = np.argsort(-np.round(answers.probabilities, 12), axis=1, kind="stable")
    sorted_truth = np.take_along_axis(member, order, axis=1)
    found: dict[MetricKey, FloatArray] = {}
    for k in (1, 3, 5):
        found["top", k] = np.asarray(sorted_truth[:, :k].any(axis=1), dtype=np.float64)
    found["ranking", None] = _ranking(member, answers.probabilities, truth.outside, labels)
    wrong = (answers.chosen != (member > 0)).any(axis=1) | (truth.outside > 0)
    found["exact_match", None] = (~wrong).astype(np.float64)
    inside = np.clip(answers.probabilities, 1e-12, 1 - 1e-12)
    likelihood = member * np.log(inside) + (1 - member) * np.log1p(-inside)
    found["log_loss", None] = np.asarray(-likelihood.sum(axis=1))
    found["covered", None] = covered_shares(answers.sets, member, truth.outside)
    found["set_size", None] = answers.sets.sum(axis=1).astype(np.float64)
    return {key: np.where(labelled, values, np.nan) for key, values in found.items()}


def _ranking(member: FloatArray, probabilities: FloatArray, outside: FloatArray, labels: int) -> FloatArray:
    """Of tied labels, each ranks last among them, as in scikit-learn."""
    total = np.zeros(len(member))
    for row in range(len(member)):
        true = np.flatnonzero(member[row] > 0)
        if len(true):
            own = probabilities[row]
            above = (own[None, :] >= own[true][:, None]).sum(axis=1)
            hits = (own[true][None, :] >= own[true][:, None]).sum(axis=1)
            total[row] = float((hits / above).sum())
        extra = int(outside[row])
        total[row] += sum((len(true) + place) / (labels + place) for place in range(1, extra + 1))
    carried = member.sum(axis=1) + outside
    return np.divide(total, carried, out=np.zeros(len(member)), where=carried > 0)


@dataclass(frozen=True)
class LabelCounts:
    """Hits, false alarms and misses of each label, of all notes and without each group: row 0 is of all.

    Attributes
    ----------
    hits, said, true
        float64 [1 + groups, labels].
    """

    hits: FloatArray
    said: FloatArray
    true: FloatArray

    @classmethod
    def of(cls, truth: Truth, chosen: BoolArray) -> LabelCounts:
        """Count; notes of which nothing is known take no part."""
        labelled = (truth.carried > 0)[:, None]
        said, true = chosen * labelled.astype(np.float64), truth.membership

        def without(values: npt.NDArray[Any]) -> FloatArray:
            sums = sum_by_group(np.asarray(values, dtype=np.float64), truth.groups, truth.group_count)
            total = sums.sum(axis=0)
            return np.vstack([total, total - sums])

        return cls(without(said * true), without(said), without(true))

    def figures(self) -> dict[str, FloatArray]:
        """precision, recall, f1: float64 [1 + groups, labels]; 0 where undefined, as in scikit-learn."""
        return {
            "precision": _share(self.hits, self.said),
            "recall": _share(self.hits, self.true),
            "f1": _share(2 * self.hits, self.said + self.true),
        }


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0.5)


def label_figures(truth: Truth, answers: Answers) -> dict[MetricKey, Jackknife]:
    """Precision, recall, F1 and average precision of every label, columns as the labels.

    A label that no scored note carries has no figure.
    """
    counts = LabelCounts.of(truth, answers.chosen)
    present = counts.true[0] > 0
    behind = np.array(
        [len(np.unique(truth.groups[column > 0])) for column in truth.membership.T], dtype=np.int64
    )
    found: dict[MetricKey, Jackknife] = {}
    for name, values in counts.figures().items():
        found[name, None] = _with_undefined(values, present, behind)
    found["average_precision", None] = _with_undefined(
        average_precisions(truth, answers.probabilities), present, behind
    )
    return found


def _with_undefined(values: FloatArray, present: BoolArray, behind: IntArray) -> Jackknife:
    value = np.where(present, values[0], np.nan)
    left_out = np.where(present, values[1:], np.nan)
    return Jackknife(value, left_out, np.zeros(len(value)), behind)


def average_precisions(truth: Truth, probabilities: FloatArray) -> FloatArray:
    """Average precision of each label, of all notes and without each group: float64 [1 + groups, labels].

    Notes of equal probability are one step of the curve, as in scikit-learn; where all are equal, the value is the
    mean over all their orders, which is what chance gets, and lies above the share of notes that carry the label. NaN
    where no note carries it.
    """
    labelled = np.flatnonzero(truth.carried > 0)
    count, labels = truth.group_count, truth.membership.shape[1]
    found = np.full((1 + count, labels), np.nan)
    groups = truth.groups[labelled]
    for column in range(labels):
        hits = truth.membership[labelled, column] > 0
        found[:, column] = _average_precision(probabilities[labelled, column], hits, groups, count)
    return found


def _average_precision(scores: FloatArray, hits: BoolArray, groups: IntArray, count: int) -> FloatArray:
    if not hits.any():
        return np.full(1 + count, np.nan)
    _, step_of = np.unique(-np.round(scores, 12), return_inverse=True)
    step_of = step_of.reshape(-1)
    steps = int(step_of.max()) + 1
    if steps == 1:
        sizes = np.bincount(groups, minlength=count)
        own = np.bincount(groups, weights=hits, minlength=count)
        return _chance_precision(
            np.concatenate([[len(hits)], len(hits) - sizes]), np.concatenate([[hits.sum()], hits.sum() - own])
        )
    positives = np.bincount(step_of, weights=hits, minlength=steps)
    above, right = np.cumsum(np.bincount(step_of, minlength=steps)), np.cumsum(positives)
    terms = positives * right / above
    total, carried = float(terms.sum()), float(right[-1])
    found = np.full(1 + count, np.nan)
    found[0] = total / carried
    # Without one note the steps above it stay, its own loses it, and those below have one note less above them.
    before = np.concatenate([[0.0], np.cumsum(terms)])
    less = np.maximum(above - 1, 1)
    tails = []
    for lost_one in (0.0, 1.0):
        behind = positives * (right - lost_one) / less
        tails.append(np.concatenate([np.cumsum(behind[::-1])[::-1], [0.0]]))
    hit = hits.astype(np.float64)
    own = (positives[step_of] - hit) * (right[step_of] - hit) / less[step_of]
    rest = np.where(hits, tails[1][step_of + 1], tails[0][step_of + 1])
    left = carried - hit
    alone = np.divide(before[step_of] + own + rest, left, out=np.full(len(hits), np.nan), where=left > 0)
    sizes = np.bincount(groups, minlength=count)
    found[1:][sizes == 0] = found[0]
    single = sizes[groups] == 1
    found[1 + groups[single]] = alone[single]
    for group in np.flatnonzero(sizes > 1):
        gone = groups == group
        lost = np.bincount(step_of[gone], minlength=steps)
        lost_hits = np.bincount(step_of[gone], weights=hits[gone], minlength=steps)
        number, correct = above - np.cumsum(lost), right - np.cumsum(lost_hits)
        if correct[-1] > 0:
            kept = (positives - lost_hits) * np.divide(correct, number, out=np.zeros(steps), where=number > 0)
            found[1 + group] = float(kept.sum()) / float(correct[-1])
    return found


def _chance_precision(notes: FloatArray, carriers: FloatArray) -> FloatArray:
    """Mean average precision over all orders of `notes` of which `carriers` count; NaN where none does.

    A carrier at rank k has (k - 1)(carriers - 1)/(notes - 1) others before it on average; every rank is equally likely.
    """
    harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, int(notes.max()) + 1))])
    first = harmonic[notes.astype(np.int64)] / np.maximum(notes, 1)
    mean = first + (carriers - 1) / np.maximum(notes - 1, 1) * (1 - first)
    return np.where(carriers > 0, mean, np.nan)


def overall_figures(truth: Truth, answers: Answers) -> dict[MetricKey, Jackknife]:
    """Every figure of OVERALL_METRICS, one column each."""
    if not (truth.carried > 0).any() or not truth.membership.shape[1]:
        return {key: undefined(truth.group_count, 1) for key in OVERALL_METRICS}
    behind = len(np.unique(truth.groups[truth.carried > 0]))
    counts = LabelCounts.of(truth, answers.chosen)
    figures, scored = counts.figures(), truth.scored_labels

    def column(values: FloatArray) -> Jackknife:
        return Jackknife(values[:1], values[1:, None], np.zeros(1), np.array([behind], dtype=np.int64))

    found: dict[MetricKey, Jackknife] = {}
    nothing = undefined(truth.group_count, 1)
    for name, values in figures.items():
        found[f"macro_{name}", None] = column(values[:, scored].mean(axis=1)) if len(scored) else nothing
        weights = counts.true / np.maximum(counts.true.sum(axis=1, keepdims=True), 1.0)
        found[f"weighted_{name}", None] = column((values * weights).sum(axis=1))
    outside = _outside_without(truth)
    hits, said, true = counts.hits.sum(axis=1), counts.said.sum(axis=1), counts.true.sum(axis=1) + outside
    found["micro_precision", None] = column(_share(hits, said))
    found["micro_recall", None] = column(_share(hits, true))
    found["micro_f1", None] = column(_share(2 * hits, said + true))
    precisions = average_precisions(truth, answers.probabilities)
    found["map", None] = column(_mean_of_defined(precisions[:, scored])) if len(scored) else nothing
    for key, scores in note_scores(truth, answers).items():
        found[key] = mean_jackknife(scores, truth.groups)
    found["calibration_error", None] = column(calibration_errors(truth, answers.probabilities, top=False))
    found["top_calibration_error", None] = column(calibration_errors(truth, answers.probabilities, top=True))
    for share in (80, 90):
        found["error_of_surest", share] = column(_error_of_surest(truth, answers.probabilities, share / 100))
    found["train_notes_correlation", None] = (
        column(_rank_correlations(figures["f1"][:, scored], truth.train_notes[scored]))
        if len(scored) > 2
        else nothing
    )
    return found


def _outside_without(truth: Truth) -> FloatArray:
    sums = sum_by_group(truth.outside[:, None], truth.groups, truth.group_count)[:, 0]
    return np.concatenate([[sums.sum()], sums.sum() - sums])


def _mean_of_defined(values: FloatArray) -> FloatArray:
    present = np.isfinite(values)
    count = present.sum(axis=1)
    total = np.where(present, values, 0.0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)


def calibration_errors(truth: Truth, probabilities: FloatArray, *, top: bool) -> FloatArray:
    """Expected calibration error, of all notes and without each group, in BINS bins of equal width.

    Over all pairs of note and label, or over the likeliest label of each note. With a few hundred notes the latter is
    some hundredths for perfectly calibrated probabilities, too.

    Reference: C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017.
    """
    labelled = np.flatnonzero(truth.carried > 0)
    own, true = probabilities[labelled], truth.membership[labelled]
    if top:
        first = np.round(own, 12).argmax(axis=1)[:, None]
        own, true = np.take_along_axis(own, first, axis=1), np.take_along_axis(true, first, axis=1)
    bin_of = np.minimum((own * BINS).astype(np.int64), BINS - 1)
    gap, size = np.zeros((truth.group_count, BINS)), np.zeros((truth.group_count, BINS))
    rows = np.broadcast_to(truth.groups[labelled][:, None], own.shape)
    np.add.at(gap, (rows, bin_of), own - true)
    np.add.at(size, (rows, bin_of), 1.0)
    gaps = np.vstack([gap.sum(axis=0), gap.sum(axis=0) - gap])
    sizes = np.vstack([size.sum(axis=0), size.sum(axis=0) - size]).sum(axis=1)
    return _ratio(np.abs(gaps).sum(axis=1), sizes)


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0.5)


def _error_of_surest(truth: Truth, probabilities: FloatArray, share: float) -> FloatArray:
    """How often the likeliest label is wrong among the surest of the notes; of all notes and without each group."""
    labelled = np.flatnonzero(truth.carried > 0)
    own = np.round(probabilities[labelled], 12)
    first = own.argmax(axis=1)
    rows = np.arange(len(labelled))
    order = np.argsort(-own[rows, first], kind="stable")
    wrong = 1.0 - truth.membership[labelled][rows, first][order]
    groups = truth.groups[labelled][order]
    found = np.full(1 + truth.group_count, np.nan)
    found[0] = wrong[: _rounded_up(share * len(wrong))].mean()
    step = rows_per_block(24 * len(wrong))
    for start in range(0, truth.group_count, step):
        block = np.arange(start, min(start + step, truth.group_count))
        stays = groups[None, :] != block[:, None]
        place = np.cumsum(stays, axis=1)
        kept = np.ceil(share * place[:, -1] - 1e-9)
        taken = stays & (place <= kept[:, None])
        found[1 + block] = _ratio((taken * wrong).sum(axis=1), taken.sum(axis=1).astype(np.float64))
    return found


def _rounded_up(value: float) -> int:
    return int(np.ceil(value - 1e-9))


def _rank_correlations(values: FloatArray, sizes: FloatArray) -> FloatArray:
    """Spearman's correlation of each row of values [r, labels] with the sizes [labels]. float64 [r]."""
    from scipy.stats import rankdata

    ranks = rankdata(values, axis=1)
    other = rankdata(sizes)
    ranks, other = ranks - ranks.mean(axis=1, keepdims=True), other - other.mean()
    scale = np.sqrt((ranks**2).sum(axis=1) * (other**2).sum())
    return np.divide(ranks @ other, scale, out=np.full(len(values), np.nan), where=scale > 0)


def metric_range(metric: str) -> tuple[float, float]:
    """The lowest and the highest value of a figure."""
    if metric in UNBOUNDED:
        return 0.0, float("inf")
    return (-1.0, 1.0) if metric.endswith("correlation") else (0.0, 1.0)
