"""Every figure against scikit-learn, and every jackknife against leaving the group out for real."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn import metrics
from sklearn.calibration import calibration_curve

from medembed_pipeline.classification.scoring import (
    BINS,
    OVERALL_METRICS,
    Truth,
    average_precisions,
    label_figures,
    note_scores,
    overall_figures,
)
from medembed_pipeline_tests.classification.small_truth import drawn, without


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_figures_over_all_notes_are_those_of_scikit_learn(seed: int, ties: bool) -> None:
    truth, answers = drawn(seed, ties=ties)
    found = {key: figure.value[0] for key, figure in overall_figures(truth, answers).items()}
    member, chosen = truth.membership.astype(int), answers.chosen.astype(int)
    for mean in ("macro", "micro", "weighted"):
        precision, recall, f1, _ = metrics.precision_recall_fscore_support(
            member, chosen, average=mean, zero_division=0
        )
        assert found[f"{mean}_precision", None] == pytest.approx(precision)
        assert found[f"{mean}_recall", None] == pytest.approx(recall)
        assert found[f"{mean}_f1", None] == pytest.approx(f1)
    assert found["map", None] == pytest.approx(
        metrics.average_precision_score(member, answers.probabilities, average="macro")
    )
    assert found["ranking", None] == pytest.approx(
        metrics.label_ranking_average_precision_score(member, answers.probabilities)
    )
    assert found["exact_match", None] == pytest.approx(metrics.accuracy_score(member, chosen))
    expected = np.mean(
        [
            metrics.log_loss(member[row], answers.probabilities[row], normalize=False, labels=[0, 1])
            for row in range(len(member))
            if answers.probabilities[row].min() > 0 and answers.probabilities[row].max() < 1
        ]
    )
    if not ties:
        assert found["log_loss", None] == pytest.approx(expected)
    scored = truth.scored_labels
    of_labels = metrics.f1_score(member, chosen, average=None, zero_division=0)[scored]
    assert found["train_notes_correlation", None] == pytest.approx(
        spearmanr(of_labels, truth.train_notes[scored])[0]
    )


def test_top_k_is_that_of_scikit_learn_where_notes_have_one_label() -> None:
    truth, answers = drawn(3, labels=8)
    single = np.zeros_like(truth.membership)
    single[np.arange(len(single)), truth.membership.argmax(axis=1)] = 1.0
    found = note_scores(
        Truth(single, truth.outside, truth.groups, truth.scored_labels, truth.train_notes), answers
    )
    for k in (1, 3, 5):
        expected = metrics.top_k_accuracy_score(
            single.argmax(axis=1), answers.probabilities, k=k, labels=range(8)
        )
        assert found["top", k].mean() == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_sets_and_calibration_are_those_of_scikit_learn(seed: int) -> None:
    truth, answers = drawn(seed, notes=200)
    found = {key: figure.value[0] for key, figure in overall_figures(truth, answers).items()}
    assert found["covered", None] == pytest.approx(
        metrics.recall_score(truth.membership.astype(int), answers.sets.astype(int), average="samples")
    )
    assert found["set_size", None] == pytest.approx(answers.sets.sum(axis=1).mean())
    first = answers.probabilities.argmax(axis=1)
    rows = np.arange(len(first))
    for name, said, true in (
        ("calibration_error", answers.probabilities.reshape(-1), truth.membership.reshape(-1)),
        ("top_calibration_error", answers.probabilities[rows, first], truth.membership[rows, first]),
    ):
        share, mean = calibration_curve(true, said, n_bins=BINS, strategy="uniform")
        sizes = np.histogram(said, bins=np.linspace(0, 1, BINS + 1))[0]
        expected = (np.abs(share - mean) * sizes[sizes > 0]).sum() / len(said)
        assert found[name, None] == pytest.approx(expected)


def test_the_surest_notes_are_those_of_the_highest_probability() -> None:
    truth, answers = drawn(5)
    first = answers.probabilities.argmax(axis=1)
    wrong = 1 - truth.membership[np.arange(len(first)), first]
    order = np.argsort(-answers.probabilities.max(axis=1))
    found = overall_figures(truth, answers)["error_of_surest", 80]
    assert found.value[0] == pytest.approx(wrong[order][:48].mean())


@pytest.mark.parametrize(("groups", "ties"), [(None, False), (20, False), (20, True)])
def test_a_group_that_is_left_out_is_left_out(groups: int | None, ties: bool) -> None:
    truth, answers = drawn(2, notes=40, groups=groups, ties=ties)
    found = overall_figures(truth, answers)
    labels = label_figures(truth, answers)
    for group in range(truth.group_count):
        left_truth, left_answers = without(truth, answers, group)
        left = overall_figures(left_truth, left_answers)
        for key in OVERALL_METRICS:
            assert found[key].left_out[group, 0] == pytest.approx(left[key].value[0], nan_ok=True), key
        for key, figure in label_figures(left_truth, left_answers).items():
            np.testing.assert_allclose(labels[key].left_out[group], figure.value, atol=1e-12)


def test_a_true_label_that_is_not_predicted_counts_as_missed() -> None:
    truth, answers = drawn(1)
    outside = truth.outside.copy()
    outside[:30] = 1
    more = Truth(truth.membership, outside, truth.groups, truth.scored_labels, truth.train_notes)
    before, after = note_scores(truth, answers), note_scores(more, answers)
    assert not after["exact_match", None][:30].any()
    assert (after["covered", None][:30] < 1).all()
    assert (after["ranking", None][:30] < 1).all()
    np.testing.assert_array_equal(before["covered", None][30:], after["covered", None][30:])
    found = overall_figures(more, answers)["micro_recall", None].value[0]
    hits = (truth.membership * answers.chosen).sum()
    assert found == pytest.approx(hits / (truth.membership.sum() + 30))


def test_what_says_the_same_of_all_notes_has_the_average_precision_of_chance() -> None:
    member = np.array([1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0])
    groups = np.array([0, 0, 1, 2, 2, 2, 3])
    truth = Truth(member[:, None], np.ones(7), groups, np.arange(1), np.ones(1))
    found = average_precisions(truth, np.full((7, 1), 0.3))[:, 0]

    def by_all_orders(kept: np.ndarray) -> float:
        orders = set(itertools.permutations(member[kept].tolist()))
        falling = np.arange(len(member[kept]), 0, -1)
        return float(np.mean([metrics.average_precision_score(order, falling) for order in orders]))

    assert found[0] == pytest.approx(by_all_orders(groups >= 0))
    for group in range(4):
        assert found[1 + group] == pytest.approx(by_all_orders(groups != group))


def test_average_precision_is_undefined_for_a_label_that_no_note_carries() -> None:
    truth, answers = drawn(1)
    member = truth.membership.copy()
    member[:, 2] = 0
    none = Truth(member, truth.outside, truth.groups, truth.scored_labels, truth.train_notes)
    assert np.isnan(average_precisions(none, answers.probabilities)[:, 2]).all()
