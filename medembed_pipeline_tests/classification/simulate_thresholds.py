"""Which threshold gives a label the best F1 on other notes? Notes of known probabilities are drawn.

`python -m medembed_pipeline_tests.classification.simulate_thresholds`

Each draw has labels of 0.5% to 17% of the notes that show more or less clearly. Thresholds are found on some notes and
judged by macro-F1 on many others: half of the highest F1 that the probabilities let expect (`fit_thresholds`); the one
with the highest F1 counted on the notes, for each label or over all of them; and 0.5. "Off" is by how much the
probabilities are wrong: the standard deviation of what is added to a label's logits; they are also multiplied, by as
much as half of it says.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from medembed_pipeline.classification.decisions import fit_thresholds
from medembed_pipeline.classification.heads import expit, logit
from medembed_pipeline.evaluation.vectors import FloatArray

LABELS, JUDGED = 26, 20_000
RULES = ("half of the expected F1", "counted, each label", "counted, one for all", "0.5")


def drawn(
    generator: np.random.Generator, share: FloatArray, apart: FloatArray, notes: int
) -> tuple[FloatArray, FloatArray]:
    """Logits of the true probabilities and what came of them, float64 [notes, labels]."""
    truth = (generator.uniform(size=(notes, len(share))) < share).astype(np.float64)
    seen = generator.normal(size=truth.shape) + apart * truth
    return logit(share) + apart * seen - np.square(apart) / 2, truth


def counted(probabilities: FloatArray, truth: FloatArray) -> float:
    """The threshold with the highest F1 on these very notes."""
    order = np.argsort(-probabilities)
    f1 = 2 * np.cumsum(truth[order]) / (np.arange(1, len(order) + 1) + max(1.0, truth.sum()))
    best = int(f1.argmax())
    below = probabilities[order[best + 1]] if best + 1 < len(order) else 0.0
    return float((probabilities[order[best]] + below) / 2)


def macro_f1(seed: int, *, notes: int, off: float) -> list[float]:
    """Of each rule, on notes that it was not found on."""
    generator = np.random.default_rng((seed, notes))
    share = np.exp(generator.uniform(np.log(0.005), np.log(0.17), LABELS))
    apart = generator.uniform(2.0, 4.5, LABELS)
    shift, slope = off * generator.normal(size=LABELS), np.exp(off / 2 * generator.normal(size=LABELS))
    logits, truth = drawn(generator, share, apart, notes)
    known = expit(slope * logits + shift)
    logits, judged = drawn(generator, share, apart, JUDGED)
    asked = expit(slope * logits + shift)
    rules = (
        fit_thresholds(known),
        np.array([counted(known[:, label], truth[:, label]) for label in range(LABELS)]),
        np.full(LABELS, counted(known.reshape(-1), truth.reshape(-1))),
        np.full(LABELS, 0.5),
    )
    chosen = [asked >= thresholds for thresholds in rules]
    return [
        float((2 * (one * judged).sum(axis=0) / (one.sum(axis=0) + judged.sum(axis=0))).mean())
        for one in chosen
    ]


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=60)
    parser.add_argument("--notes", type=int, nargs="+", default=[300, 1300, 5000])
    parser.add_argument("--off", type=float, nargs="+", default=[0.0, 0.3, 0.6])
    asked = parser.parse_args()
    print(f"| off | notes | {' | '.join(RULES)} | over one for all |\n|{'---|' * (3 + len(RULES))}")
    for off in asked.off:
        for notes in asked.notes:
            found = np.array([macro_f1(seed, notes=notes, off=off) for seed in range(asked.draws)])
            over = found[:, 0] - found[:, 2]
            error = over.std(ddof=1) / np.sqrt(len(over))
            cells = " | ".join(f"{one:.3f}" for one in found.mean(axis=0))
            print(f"| {off:g} | {notes} | {cells} | {over.mean():+.4f} (± {error:.4f}) |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
