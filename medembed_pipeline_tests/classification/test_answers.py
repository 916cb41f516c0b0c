"""Calibration, thresholds and sets: what turns scores into an answer."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from medembed_pipeline.classification.calibration import (
    cross_calibrated,
    fit_calibration,
    reliability_bins,
)
from medembed_pipeline.classification.conformal import covered_shares, label_sets, risk_threshold
from medembed_pipeline.classification.decisions import (
    fit_thresholds,
    predicted_labels,
    threshold_costs,
)
from medembed_pipeline.classification.heads import expit, logit
from medembed_pipeline.classification.scoring import Truth
from medembed_pipeline.classification.serving import decide
from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline_tests.classification.small_truth import drawn


def test_calibration_is_the_logistic_regression_of_the_truth_on_the_logits() -> None:
    truth, answers = drawn(4, notes=300)
    found = fit_calibration(answers.probabilities, truth.membership, own_from=10_000)
    logits = logit(answers.probabilities)
    totals = np.log(answers.probabilities.sum(axis=1, keepdims=True)) + np.zeros_like(logits)
    seen = np.stack([logits.reshape(-1), totals.reshape(-1)], axis=1)
    model = LogisticRegression(C=1e6, tol=1e-8, max_iter=1000).fit(seen, truth.membership.reshape(-1))
    assert found.slope[0] == pytest.approx(model.coef_[0, 0], abs=0.01)
    assert found.total[0] == pytest.approx(model.coef_[0, 1], abs=0.01)
    assert found.shift[0] == pytest.approx(model.intercept_[0], abs=0.01)
    assert not found.own.any()


def test_a_label_has_its_own_calibration_from_enough_positives_on() -> None:
    truth, answers = drawn(4, notes=300)
    own_from = int(np.sort(truth.membership.sum(axis=0))[3])
    enough = truth.membership.sum(axis=0) >= own_from
    found = fit_calibration(answers.probabilities, truth.membership, own_from=own_from)
    np.testing.assert_array_equal(found.own, enough)
    assert len(set(found.slope[~enough])) == 1
    assert len(set(found.slope[enough])) == enough.sum()


@pytest.mark.parametrize("apart", [False, True])
def test_labels_have_their_own_only_where_other_notes_are_told_better_by_it(apart: bool) -> None:
    """With as few notes as this, own calibrations cost more than they give, unless labels are far apart."""
    own = 0
    for seed in range(6):
        generator = np.random.default_rng(seed)
        true = generator.uniform(0.02, 0.6, size=(60, 5))
        member = (generator.uniform(size=true.shape) < true).astype(np.float64)
        said = logit(true)
        if apart:
            said += np.array([0.0, 0.0, 4.0, 0.0, -4.0])
        truth = Truth(member, np.zeros(60), np.arange(60, dtype=np.int64), np.arange(5), np.ones(5))
        found = decide(expit(said), truth, misses=0.1, own_from=5, seed=1).decision
        assert found.calibration.own.all() == found.calibration.own.any()
        assert found.calibration.own.any() == (len(set(found.calibration.slope)) > 1)
        own += int(found.calibration.own.any())
    assert own == 6 if apart else own <= 1


def test_scores_that_are_too_sure_are_made_less_sure() -> None:
    generator = np.random.default_rng(0)
    true = generator.uniform(0.02, 0.98, size=(1000, 4))
    member = (generator.uniform(size=true.shape) < true).astype(np.float64)
    sure = expit(3.0 * logit(true))
    found = fit_calibration(sure, member, own_from=10_000)
    assert found.slope[0] == pytest.approx(1 / 3, abs=0.03)
    _, records = reliability_bins(found.apply(sure).reshape(-1), member.reshape(-1), bins=10)
    assert max(abs(one["said"] - one["true"]) for one in records if one["n"] > 200) < 0.06


def test_that_every_note_has_a_label_is_learned() -> None:
    generator = np.random.default_rng(1)
    member = np.zeros((2000, 5))
    member[np.arange(2000), generator.integers(0, 5, size=2000)] = 1.0
    strength = generator.uniform(0, 6, size=(2000, 1))
    # One head for each label knows little of a hard note, and says so of all labels.
    scores = expit(strength * member - 3.0 + 0.5 * generator.normal(size=member.shape))
    found = fit_calibration(scores, member, own_from=10_000)
    assert found.total[0] < -0.3
    first = scores.argmax(axis=1)
    right = member[np.arange(2000), first]
    before, after = scores.max(axis=1), found.apply(scores)[np.arange(2000), first]
    hard = strength[:, 0] < 1.5
    assert abs(after[hard].mean() - right[hard].mean()) < abs(before[hard].mean() - right[hard].mean()) / 2


def test_that_rare_labels_are_held_back_is_learned_and_helps_labels_too_rare_to_have_their_own() -> None:
    generator = np.random.default_rng(2)
    share: FloatArray = np.asarray(np.geomspace(0.005, 0.2, 12), dtype=np.float64)
    held_back = 0.6 * np.log(share / share.max())

    def drawn_notes(notes: int) -> tuple[FloatArray, FloatArray]:
        member = (generator.uniform(size=(notes, 12)) < share).astype(np.float64)
        right = logit(share) + 3.0 * (generator.normal(size=member.shape) + 3.0 * member) - 4.5
        return expit(right + held_back), member

    said, member = drawn_notes(1500)
    found = fit_calibration(said, member, own_from=10_000)
    assert len(set(found.slope)) == len(set(found.total)) == 1
    assert found.shift[0] - found.shift[-1] == pytest.approx(held_back[-1] - held_back[0], abs=0.6)
    said, member = drawn_notes(20_000)
    rare = slice(0, 4)
    assert abs(found.apply(said)[:, rare].sum() / member[:, rare].sum() - 1) < 0.15
    assert said[:, rare].sum() / member[:, rare].sum() < 0.8


def test_of_rarity_a_few_labels_that_are_as_frequent_tell_nothing() -> None:
    generator = np.random.default_rng(5)
    said = expit(generator.normal(size=(60, 3)))
    member = (generator.uniform(size=said.shape) < 0.34).astype(np.float64)
    shift = fit_calibration(said, member, own_from=10_000).shift
    assert np.ptp(shift) < 0.2


def test_cross_calibration_never_sees_the_note_itself() -> None:
    truth, answers = drawn(4, notes=80)
    folds = np.arange(80) % 4
    (found,) = cross_calibrated(answers.probabilities, truth.membership, folds, own_from=[10_000])
    changed = truth.membership.copy()
    changed[folds == 1] = 1.0 - changed[folds == 1]
    (other,) = cross_calibrated(answers.probabilities, changed, folds, own_from=[10_000])
    np.testing.assert_array_equal(found[folds == 1], other[folds == 1])
    assert (found[folds == 0] != other[folds == 0]).all()


@pytest.mark.parametrize("strength", [2.0, 4.0])
def test_no_other_threshold_has_a_higher_f1_where_probabilities_are_right(strength: float) -> None:
    generator = np.random.default_rng(3)
    said = expit(logit(np.array([0.3, 0.1, 0.03])) + strength * generator.normal(size=(20_000, 3)))
    true = generator.uniform(size=said.shape) < said
    found = fit_thresholds(said)
    for label in range(3):
        best = max(f1_score(true[:, label], said[:, label] >= one) for one in np.linspace(0.02, 0.98, 49))
        assert f1_score(true[:, label], said[:, label] >= found[label]) > best - 0.005


def test_a_label_that_shows_nowhere_is_not_given_to_every_note() -> None:
    np.testing.assert_array_equal(fit_thresholds(np.full((100, 1), 0.05)), [0.2])
    np.testing.assert_array_equal(fit_thresholds(np.zeros((0, 2))), [0.5, 0.5])


def test_a_note_without_a_label_above_its_threshold_gets_the_likeliest() -> None:
    chosen = predicted_labels(np.array([[0.2, 0.3, 0.1], [0.9, 0.8, 0.1]]), np.full(3, 0.5))
    np.testing.assert_array_equal(chosen, [[False, True, False], [True, True, False]])


def test_what_a_threshold_costs_is_counted() -> None:
    records = threshold_costs(
        np.array([[0.9, 0.4], [0.6, 0.1]]), np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.0, 0.5, 0.95])
    )
    assert [one["recall"] for one in records] == [1.0, 0.5, 0.0]
    assert [one["precision"] for one in records] == [0.5, 0.5, 0.0]
    assert [one["answered"] for one in records] == [1.0, 1.0, 0.0]
    assert records[1]["labels"] == 1.0


@pytest.mark.parametrize("seed", range(4))
def test_sets_are_those_of_mapie(seed: int) -> None:
    from mapie.risk_control import MultiLabelClassificationController

    truth, answers = drawn(seed, notes=200)
    scores = np.floor(answers.probabilities * 100) / 100 + 0.005
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        controller = MultiLabelClassificationController(
            predict_function=lambda rows: scores[np.asarray(rows).reshape(-1).astype(int)],
            method="crc",
            risk="recall",
            target_level=0.9,
        )
        controller.calibrate(np.arange(200).reshape(-1, 1), truth.membership.astype(int))
        theirs = np.asarray(controller.predict(np.arange(200).reshape(-1, 1))).reshape(200, -1)
    ours = risk_threshold(scores, truth.membership, np.arange(200), misses=0.1)
    np.testing.assert_array_equal(label_sets(scores, ours), theirs.astype(bool))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.02, 0.1, 0.3]), st.booleans())
def test_the_threshold_is_the_highest_that_the_bound_allows(seed: int, misses: float, ties: bool) -> None:
    truth, answers = drawn(seed, notes=30, ties=ties)
    found = risk_threshold(answers.probabilities, truth.membership, truth.groups, misses=misses)

    def bound(threshold: float) -> float:
        lost = 1 - covered_shares(label_sets(answers.probabilities, threshold), truth.membership)
        return (float(lost.sum()) + 1) / (len(lost) + 1)

    if found > 0:
        assert bound(found) <= misses + 1e-9
    above = answers.probabilities[answers.probabilities > found]
    if len(above) and found > 0:
        assert bound(float(above.min())) > misses - 1e-9 or above.min() == found


def test_sets_of_new_notes_hold_what_was_promised() -> None:
    shares = []
    for seed in range(300):
        truth, answers = drawn(seed, notes=80)
        known, asked = slice(0, 40), slice(40, 80)
        found = risk_threshold(
            answers.probabilities[known], truth.membership[known], truth.groups[known], misses=0.1
        )
        sets = label_sets(answers.probabilities[asked], found)
        shares.append(covered_shares(sets, truth.membership[asked]).mean())
    assert 0.895 < float(np.mean(shares)) < 0.935


def test_too_few_notes_promise_nothing_but_all_labels() -> None:
    truth, answers = drawn(0, notes=8)
    assert risk_threshold(answers.probabilities, truth.membership, truth.groups, misses=0.1) == 0.0
    nobody = np.zeros((0, 6))
    assert risk_threshold(nobody, nobody, np.zeros(0, dtype=np.int64), misses=0.1) == 0.0


def test_notes_of_one_group_count_as_one() -> None:
    truth, answers = drawn(0, notes=60)
    alone = risk_threshold(answers.probabilities, truth.membership, truth.groups, misses=0.1)
    twice = risk_threshold(
        np.repeat(answers.probabilities, 2, axis=0),
        np.repeat(truth.membership, 2, axis=0),
        np.repeat(truth.groups, 2),
        misses=0.1,
    )
    assert twice == alone
