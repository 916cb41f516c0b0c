"""Small made-up answers of a classifier, for the tests of its figures."""

from __future__ import annotations

import numpy as np

from medembed_pipeline.classification.scoring import Answers, Truth
from medembed_pipeline.evaluation.jackknife import group_numbers
from medembed_pipeline.evaluation.vectors import IntArray


def drawn(
    seed: int, *, notes: int = 60, labels: int = 6, ties: bool = False, groups: int | None = None
) -> tuple[Truth, Answers]:
    """Notes of one to three labels, and probabilities that know something of them."""
    generator = np.random.default_rng(seed)
    member = np.zeros((notes, labels))
    for row in range(notes):
        member[row, generator.choice(labels, size=generator.integers(1, 4), replace=False)] = 1.0
    scores = 1 / (1 + np.exp(-(2.0 * member - 1.5 + generator.normal(size=member.shape))))
    if ties:
        scores = np.round(scores, 1)
    numbers = np.arange(notes) if groups is None else generator.integers(0, groups, size=notes)
    truth = Truth(
        member,
        np.zeros(notes),
        group_numbers(numbers.tolist()),
        np.flatnonzero(member.sum(axis=0) >= 3),
        generator.integers(5, 100, size=labels).astype(np.float64),
    )
    return truth, Answers(scores, scores >= 0.5, scores >= 0.2)


def without(truth: Truth, answers: Answers, group: int) -> tuple[Truth, Answers]:
    """The same notes without a group."""
    rows: IntArray = np.flatnonzero(truth.groups != group)
    left = Truth(
        truth.membership[rows],
        truth.outside[rows],
        group_numbers(truth.groups[rows].tolist()),
        truth.scored_labels,
        truth.train_notes,
    )
    return left, Answers(answers.probabilities[rows], answers.chosen[rows], answers.sets[rows])
