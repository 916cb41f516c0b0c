"""Probabilities come from models that saw neither the note nor its near-duplicates."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from medembed_pipeline.evidence.labels.errors import LabelReviewError
from medembed_pipeline.evidence.labels.folds import group_codes, stratified_group_folds
from medembed_pipeline.evidence.labels.probabilities import (
    INVERSE_REGULARIZATION,
    out_of_sample_probabilities,
)
from medembed_pipeline_tests.evaluation.corpus import unit


def cloud(count: int = 80, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors, and labels of which a note may carry several or none."""
    random = np.random.default_rng(seed)
    rows = unit(random.normal(size=(count, 6)))
    return rows, (rows[:, :3] > 0.2).astype(np.float64)


def test_agrees_with_scikit_learn_fold_by_fold() -> None:
    rows, membership = cloud()
    fold_of = stratified_group_folds(membership, np.arange(80), folds=4, seed=1)
    found = out_of_sample_probabilities(rows, membership, fold_of)
    for fold in range(4):
        model = OneVsRestClassifier(
            LogisticRegression(C=INVERSE_REGULARIZATION, solver="newton-cholesky", tol=1e-9)
        )
        model.fit(rows[fold_of != fold].astype(np.float64), membership[fold_of != fold])
        expected = model.predict_proba(rows[fold_of == fold].astype(np.float64))
        np.testing.assert_allclose(found[fold_of == fold], expected, atol=5e-4)


def test_neither_a_notes_own_label_nor_its_twins_reaches_its_probability() -> None:
    rows, membership = cloud()
    rows[1], membership[1] = rows[0], membership[0]
    groups = group_codes(["twins", "twins", *range(78)])
    fold_of = stratified_group_folds(membership, groups, folds=4, seed=1)
    before = out_of_sample_probabilities(rows, membership, fold_of)
    flipped = membership.copy()
    flipped[:2] = 1 - flipped[:2]
    after = out_of_sample_probabilities(rows, flipped, fold_of)
    assert (after[:2] == before[:2]).all()
    assert (after[fold_of != fold_of[0]] != before[fold_of != fold_of[0]]).any()


def test_the_same_input_gives_the_same_bytes() -> None:
    rows, membership = cloud(seed=3)
    fold_of = stratified_group_folds(membership, np.arange(80), folds=4, seed=1)
    one, other = (out_of_sample_probabilities(rows, membership, fold_of).tobytes() for _ in range(2))
    assert one == other


def test_errors_name_the_specialty_and_the_fold() -> None:
    rows, membership = cloud()
    fold_of = np.arange(80) % 2
    with pytest.raises(LabelReviewError, match="79 notes in 80 folds"):
        out_of_sample_probabilities(rows, membership[1:], fold_of)
    membership[:, 2] = fold_of
    with pytest.raises(LabelReviewError, match="specialty number 2 cannot be learned without fold 0"):
        out_of_sample_probabilities(rows, membership, fold_of)
