"""Do the intervals of cross-fitted notes hold? Notes are drawn anew, and two classifiers of known worth compared.

`python -m medembed_pipeline_tests.classification.simulate_cross_fitting --draws 200`

Each draw has notes of one or two labels and two sets of vectors, in which the labels show equally strongly, or in one
of them more. Both are classified by logistic regression, calibrated and judged as on real notes. Where both
show the same, the expected difference is zero, whatever the training notes were: so the share of intervals above zero
also counts what other training notes would have changed. "Clustered" notes come in groups of one to four that carry
the same labels and share half of the variance of their vectors.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from medembed_pipeline.classification.cross_fitting import cross_answers, cross_scores
from medembed_pipeline.classification.features import NoteRows, count_words
from medembed_pipeline.classification.notes import ClassifierNotes, classifier_notes
from medembed_pipeline.classification.serving import CHOICES
from medembed_pipeline.classification.settings import ClassificationSettings
from medembed_pipeline.evaluation.jackknife import difference, intervals
from medembed_pipeline.evaluation.vectors import FloatArray

DIMENSIONS, LABELS = 16, 4
RUNGS = ("baseline", "tuned")
"""Names of the two sets of vectors; here neither saw a label."""
FIGURES = ("macro_f1", "map", "top_1", "log_loss")
SETTINGS = ClassificationSettings(inverse_regularization=[30.0], calibrate_label_from=1_000)
STRENGTH, STRONGER = 0.5, 0.6


@dataclass(frozen=True)
class Compared:
    """The second classifier against the first in one draw: by figure, the value and both ends of the interval."""

    found: dict[str, tuple[float, float, float]]


def drawn(seed: int, *, notes: int, clustered: bool, gain: bool) -> tuple[ClassifierNotes, NoteRows]:
    """Notes whose labels show in two sets of vectors.

    Parameters
    ----------
    seed
        of the draw.
    notes
        how many.
    clustered
        whether they come in groups.
    gain
        whether the labels show more strongly in the second set.
    """
    generator = np.random.default_rng(seed)
    sizes = generator.integers(1, 5, size=notes) if clustered else np.ones(notes, dtype=np.int64)
    group = np.repeat(np.arange(notes), sizes)[:notes]
    frequent = 1.0 / np.arange(1, LABELS + 1)
    labels = [
        generator.choice(
            LABELS, size=1 + (generator.uniform() < 0.2), replace=False, p=frequent / frequent.sum()
        )
        for _ in range(notes)
    ]
    vectors: dict[str, FloatArray] = {}
    for name, strength in zip(RUNGS, (STRENGTH, STRONGER if gain else STRENGTH), strict=True):
        directions = np.linalg.qr(generator.normal(size=(DIMENSIONS, LABELS)))[0].T
        shown = np.array([directions[labels[own]].sum(axis=0) for own in group])
        shared = generator.normal(size=(notes, DIMENSIONS))[group]
        own = generator.normal(size=(notes, DIMENSIONS))
        noise = np.sqrt(0.5) * (shared + own) if clustered else own
        rows = strength * np.sqrt(DIMENSIONS) * shown + noise
        vectors[name] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    ids = [f"{place:06d}" for place in range(notes)]
    found = classifier_notes(
        ids,
        [{f"label {label}" for label in labels[own]} for own in group],
        dict.fromkeys(ids, "train"),
        dict(zip(ids, (str(one) for one in group), strict=True)),
        trained=[],
        smallest_label_notes=2,
    )
    return found, NoteRows(count_words([""] * notes).counts, vectors)


def compared(seed: int, *, notes: int, clustered: bool, gain: bool, divisions: int) -> Compared:
    """One draw; the notes are divided into folds `divisions` times."""
    known, rows = drawn(seed, notes=notes, clustered=clustered, gain=gain)
    scores = [cross_scores(known, rows, SETTINGS, rungs=RUNGS, seed=place) for place in range(divisions)]
    answers = cross_answers([one for one in scores if one is not None], known, SETTINGS)
    assert answers is not None
    first, second = (answers.figures(name) for name in RUNGS)
    found = {}
    for name in FIGURES:
        key = CHOICES[name][0]
        change = difference(second[key], first[key])
        ends = intervals(change)
        found[name] = (float(change.value[0]), float(ends.low[0]), float(ends.high[0]))
    return Compared(found)


def line(draws: Sequence[Compared], *, notes: int, clustered: bool, gain: bool, divisions: int) -> str:
    """A row of the table: mean difference, and the shares of intervals that hold it and that lie above zero."""
    cells = []
    for name in FIGURES:
        own = np.array([one.found[name] for one in draws])
        truth = own[:, 0].mean() if gain else 0.0
        held = ((own[:, 1] <= truth) & (own[:, 2] >= truth)).mean()
        better = (own[:, 2] < 0).mean() if name == "log_loss" else (own[:, 1] > 0).mean()
        cells.append(f"{own[:, 0].mean():+.3f}, {held:.1%} ({better:.1%})")
    shown = "clustered" if clustered else "single"
    return f"| {notes} | {shown} | {divisions} | {'unequal' if gain else 'equal'} | {' | '.join(cells)} |"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--notes", type=int, nargs="+", default=[300, 1000])
    parser.add_argument("--divisions", type=int, default=1, help="as [classification] cross_fits")
    parser.add_argument("--processes", type=int, default=1)
    asked = parser.parse_args()
    print(
        f"{asked.draws} draws each: mean difference, share of 95% intervals that hold the truth, in brackets the share "
        "wholly on the better side of zero.\n"
    )
    print(
        f"| notes | groups | divisions | classifiers | {' | '.join(FIGURES)} |\n|{'---|' * (4 + len(FIGURES))}"
    )
    with ProcessPoolExecutor(asked.processes) as pool:
        for notes in asked.notes:
            for clustered in (False, True):
                for gain in (False, True):
                    cell = {
                        "notes": notes,
                        "clustered": clustered,
                        "gain": gain,
                        "divisions": asked.divisions,
                    }
                    one = partial(compared, **cell)
                    draws = list(pool.map(one, range(asked.draws), chunksize=5))
                    print(line(draws, **cell), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
