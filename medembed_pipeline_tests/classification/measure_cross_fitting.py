"""Words and base vectors on the cross-fitted notes of a lake: by their own figures, by paired differences, by seeds.

`python -m medembed_pipeline_tests.classification.measure_cross_fitting data_lake`

The lake needs `cleaned_notes`, `note_splits` and `baseline_embeddings` of a base model that saw no label. The first
table has one division into folds, as `classification_metrics` has by default; the second the means of several
(`[classification] cross_fits`). The third has the promises of one rung in each of them. The fourth says how
often the sets of a single fold hold the labels of its notes, which are about as many as the held-out ones: sets found
on all notes of the other folds, out of fold, as they are served; and sets found on as many of these notes as there
are validation notes.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from medembed_pipeline.classification.conformal import covered_shares
from medembed_pipeline.classification.cross_fitting import (
    CrossFitted,
    CrossScores,
    cross_answers,
    cross_scores,
)
from medembed_pipeline.classification.ladder import WORDS, label_free_rungs
from medembed_pipeline.classification.notes import VALIDATION, ClassifierNotes
from medembed_pipeline.classification.scoring import LOWER_IS_BETTER, metric_range
from medembed_pipeline.classification.serving import CHOICES, decide
from medembed_pipeline.evaluation.jackknife import Jackknife, difference, intervals
from medembed_pipeline.evaluation.metric_names import MetricKey
from medembed_pipeline.evaluation.vectors import IntArray
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline_tests.classification.measure_heads import SETTINGS, read

KEYS = [CHOICES[name][0] for name in ("macro_f1", "map", "top_1", "log_loss")]
COVERED: MetricKey = ("covered", None)


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lake", help="a data lake with cleaned_notes, note_splits and baseline_embeddings")
    parser.add_argument("--rung", default="fused", help="of the third and fourth table")
    parser.add_argument("--divisions", type=int, default=10)
    asked = parser.parse_args()
    notes, rows = read(Lake(asked.lake))
    promises, folds, divisions = [], [], []
    for seed in range(SETTINGS.seed, SETTINGS.seed + asked.divisions):
        began = time.monotonic()
        scores = cross_scores(notes, rows, SETTINGS, rungs=label_free_rungs(base_is_known=True), seed=seed)
        found = None if scores is None else cross_answers([scores], notes, SETTINGS)
        if scores is None or found is None:
            print("the groups are too few", file=sys.stderr)
            return 1
        print(f"seed {seed}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
        if seed == SETTINGS.seed:
            show(found)
        promises.append(promise(seed, found, asked.rung))
        folds.append(fold_coverages(scores, notes, asked.rung, seed))
        divisions.append(found)
    show(
        CrossFitted(
            divisions[0].rows,
            divisions[0].truth,
            {name: [one.answers[name][0] for one in divisions] for name in divisions[0].answers},
            {name: [c for one in divisions for c in one.parameters[name]] for name in divisions[0].answers},
            divisions[0].taught,
            divisions[0].folds,
        )
    )
    print(f"\n{asked.rung}\n")
    print("| seed | sets hold | labels a set | calibration error | of the likeliest | mAP over tfidf |")
    print("|---|---|---|---|---|---|")
    print("\n".join(promises))
    print("\n| sets found on | folds | sets hold, mean | standard deviation | lowest | highest |")
    print("|---|---|---|---|---|---|")
    for place, name in enumerate(("all other notes, out of fold", "as many of them as validation notes")):
        own = np.concatenate([one[place] for one in folds])
        print(
            f"| {name} | {len(own)} | {own.mean():.3f} | {own.std(ddof=1):.3f} | {own.min():.3f} | {own.max():.3f} |"
        )
    return 0


def show(found: CrossFitted) -> None:
    """A table: each figure, and its difference to TF-IDF; in bold where the whole interval is better."""
    figures = {name: found.figures(name) for name in found.answers}
    count = len(found.answers[WORDS])
    print(f"\n{len(found.rows)} notes are scored, {found.taught} take part; divisions: {count}\n")
    print("| | chosen in the folds | macro-F1 | mAP | top-1 | log loss |\n|---|---|---|---|---|---|")
    for name, own in figures.items():
        chosen = ", ".join(f"{one:g}" for one in sorted(set(found.parameters[name])))
        print(f"| {name} | {chosen} | {' | '.join(f'{own[key].value[0]:.3f}' for key in KEYS)} |")
        if name != WORDS:
            print(f"| over tfidf | | {' | '.join(_change(own, figures[WORDS], key) for key in KEYS)} |")
    sys.stdout.flush()


def promise(seed: int, found: CrossFitted, rung: str) -> str:
    """A line of the second table."""
    own, words = (found.figures(name) for name in (rung, WORDS))
    lowest, highest = metric_range(COVERED[0])
    ends = intervals(own[COVERED], confidence=SETTINGS.confidence, lowest=lowest, highest=highest)
    size, error, top = (
        own[name, None].value[0] for name in ("set_size", "calibration_error", "top_calibration_error")
    )
    return (
        f"| {seed} | {own[COVERED].value[0]:.1%} [{ends.low[0]:.1%}, {ends.high[0]:.1%}] | {size:.2f} | {error:.4f} | "
        f"{top:.3f} | {_change(own, words, ('map', None))} |"
    )


def fold_coverages(
    scores: CrossScores, notes: ClassifierNotes, rung: str, seed: int
) -> tuple[list[float], list[float]]:
    """What the sets of each fold hold, found on all other notes, and on a part of their groups."""
    share = len(notes.judged(VALIDATION)) / len(scores.rows)
    all_others: list[float] = []
    few: list[float] = []
    for fold in range(int(scores.fold_of.max()) + 1):
        others, own = np.flatnonzero(scores.fold_of != fold), np.flatnonzero(scores.fold_of == fold)
        groups = notes.groups[scores.rows[others]]
        drawn = np.random.default_rng((seed, fold)).permutation(np.unique(groups))
        part = others[np.isin(groups, drawn[: round(share * len(scores.rows) / len(others) * len(drawn))])]
        for known, found in ((others, all_others), (part, few)):
            found.append(_coverage(scores, notes, rung, fold, known, own, seed))
    return all_others, few


def _coverage(
    scores: CrossScores,
    notes: ClassifierNotes,
    rung: str,
    fold: int,
    known: IntArray,
    own: IntArray,
    seed: int,
) -> float:
    """What sets that are found on the `known` notes of other folds hold of the labels of a fold's `own` notes."""
    decided = decide(
        scores.scores[rung].inner[fold][known],
        notes.truth(scores.rows[known]),
        misses=SETTINGS.misses,
        own_from=SETTINGS.calibrate_label_from,
        seed=seed,
    )
    sets = decided.decision.answers(scores.scores[rung].outer[own]).sets
    truth = notes.truth(scores.rows[own])
    return float(np.nanmean(covered_shares(sets, truth.membership, truth.outside)))


def _change(own: dict[MetricKey, Jackknife], other: dict[MetricKey, Jackknife], key: MetricKey) -> str:
    change = difference(own[key], other[key])
    ends = intervals(change, confidence=SETTINGS.confidence)
    better = ends.high[0] < 0 if key[0] in LOWER_IS_BETTER else ends.low[0] > 0
    shown = f"{change.value[0]:+.3f} [{ends.low[0]:+.4f}, {ends.high[0]:+.4f}]"
    return f"**{shown}**" if better else shown


if __name__ == "__main__":
    sys.exit(main())
