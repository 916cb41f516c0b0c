"""Folds: whole groups, every specialty in its share."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.evidence.labels.folds import group_codes, stratified_group_folds
from medembed_pipeline.evidence.labels.probabilities import learnable_specialties


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 60),
    width=st.integers(1, 6),
    folds=st.integers(2, 7),
    seed=st.integers(0, 10_000),
)
def test_no_group_is_split_and_no_fold_is_crowded(count: int, width: int, folds: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    membership = (random.random((count, width)) < 0.3).astype(np.float64)
    groups = group_codes([int(group) for group in random.integers(max(1, count // 2), size=count)])
    fold_of = stratified_group_folds(membership, groups, folds=folds, seed=seed)
    assert len(fold_of) == count and ((fold_of >= 0) & (fold_of < folds)).all()
    for group in np.unique(groups):
        assert len(np.unique(fold_of[groups == group])) == 1
    assert (fold_of == stratified_group_folds(membership, groups, folds=folds, seed=seed)).all()


@settings(max_examples=30, deadline=None)
@given(classes=st.integers(1, 6), folds=st.integers(2, 6), seed=st.integers(0, 10_000))
def test_specialties_of_single_notes_are_dealt_out_evenly(classes: int, folds: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    membership = np.eye(classes)[random.integers(classes, size=50)]
    fold_of = stratified_group_folds(membership, np.arange(50), folds=folds, seed=seed)
    for column in membership.T:
        counts = np.bincount(fold_of[column > 0], minlength=folds)
        assert counts.max() - counts.min() <= 1
    sizes = np.bincount(fold_of, minlength=folds)
    assert sizes.max() - sizes.min() <= 2


def test_the_seed_changes_the_folds() -> None:
    membership = np.ones((40, 1))
    one, other = (
        stratified_group_folds(membership, np.arange(40), folds=4, seed=(7, repeat)) for repeat in range(2)
    )
    assert (one != other).any()


def test_group_codes_only_depend_on_who_shares_a_group() -> None:
    assert group_codes(["b", "a", "b", "c"]).tolist() == group_codes([7, 9, 7, 1]).tolist() == [0, 1, 0, 2]


def test_what_can_be_learned() -> None:
    fold_of = np.array([0, 0, 1, 1, 2, 2])
    membership = np.array(
        [  # everywhere, often enough, twice, three times in two groups, nowhere
            [1, 1, 1, 1, 0],
            [1, 0, 0, 1, 0],
            [1, 1, 1, 0, 0],
            [1, 0, 0, 0, 0],
            [1, 1, 0, 1, 0],
            [1, 0, 0, 0, 0],
        ],
        dtype=np.float64,
    )
    groups = np.array([0, 0, 1, 2, 3, 4])
    assert learnable_specialties(membership, groups, fold_of).tolist() == [False, True, False, False, False]
    assert learnable_specialties(np.zeros((0, 2)), np.zeros(0, np.int64), np.zeros(0, np.int64)).tolist() == [
        False,
        False,
    ]
