"""kNN and linear probe against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.neighbors import KNeighborsClassifier

from medembed_pipeline.evaluation.relevance import label_matrix
from medembed_pipeline.evidence.diagnostics import classifiers
from medembed_pipeline.evidence.diagnostics.classifiers import (
    INVERSE_REGULARISATION,
    knn_scores,
    macro_f1,
    predicted_sets,
    probe_scores,
    scored_columns,
)
from medembed_pipeline_tests.evidence.diagnostics.spaces import make_notes, make_rows, random_rows, rotation


def parts(several: float, *, noise: float = 2.0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    notes = make_notes(240, several=several)
    rows = make_rows(notes, noise=noise, dimensions=10)
    membership = label_matrix(notes.specialties).membership
    return (
        rows[notes.training],
        membership[notes.training],
        rows[notes.held_out],
        membership[notes.held_out],
    )


def sizes(truth: np.ndarray) -> np.ndarray:
    return truth.sum(axis=1).astype(np.int64)


@pytest.mark.parametrize("k", [1, 4, 10])
@pytest.mark.parametrize("block_rows", [None, 3])
def test_knn_on_notes_of_one_specialty_is_that_of_scikit_learn(k: int, block_rows: int | None) -> None:
    training, labels, held_out, truth = parts(0.0)
    oracle = KNeighborsClassifier(n_neighbors=k, metric="cosine").fit(training, labels.argmax(axis=1))
    expected = oracle.predict(held_out)
    votes = knn_scores(training, labels, held_out, k=k, block_rows=block_rows)
    predicted = predicted_sets(votes, sizes(truth))
    assert predicted.argmax(axis=1).tolist() == expected.tolist()
    value = macro_f1(predicted, truth, np.arange(4))
    assert value == pytest.approx(f1_score(truth.argmax(axis=1), expected, average="macro"))
    assert 0.3 < value < 1


def test_knn_votes_are_those_of_the_multilabel_classifier_of_scikit_learn() -> None:
    training, labels, held_out, _ = parts(0.5)
    oracle = KNeighborsClassifier(n_neighbors=7, metric="cosine").fit(training, labels)
    share = np.stack([one[:, 1] for one in oracle.predict_proba(held_out)], axis=1)
    np.testing.assert_allclose(knn_scores(training, labels, held_out, k=7), 7 * share)


def test_probe_on_notes_of_one_specialty_is_that_of_scikit_learn() -> None:
    training, labels, held_out, truth = parts(0.0)
    scale = np.sqrt(training.var(axis=0).mean())
    oracle = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=1000).fit(
        training / scale, labels.argmax(axis=1)
    )
    scores = probe_scores(training, labels, held_out)
    # The oracle's intercept is not regularised either, so centring changes nothing.
    np.testing.assert_allclose(scores, oracle.predict_proba(held_out / scale), atol=2e-3)
    expected = f1_score(truth.argmax(axis=1), oracle.predict(held_out / scale), average="macro")
    assert macro_f1(predicted_sets(scores, sizes(truth)), truth, np.arange(4)) == pytest.approx(expected)


def test_macro_f1_of_several_specialties_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    truth, predicted = (random.random((2, 50, 6)) < 0.3).astype(float)
    truth[:, 5] = predicted[:, 5] = 0
    expected = f1_score(truth, predicted, average="macro", zero_division=0)
    assert macro_f1(predicted, truth, np.arange(6)) == pytest.approx(expected)
    assert np.isnan(macro_f1(predicted, truth, np.empty(0, np.int64)))


def test_as_many_are_predicted_as_the_note_carries_and_ties_go_by_name() -> None:
    scores = np.array([[0.1, 0.5, 0.4], [1.0, 1.0, 1.0], [0.0, 0.0, 0.3]])
    assert predicted_sets(scores, np.array([2, 1, 0])).tolist() == [[0, 1, 1], [1, 0, 0], [0, 0, 0]]


def test_only_specialties_that_can_be_predicted_and_are_not_tiny_are_averaged() -> None:
    training = np.array([[1.0, 0, 0, 1]])
    held_out = np.array([[1.0, 0, 1, 0]] * 3 + [[0.0, 0, 0, 1]] * 2)
    assert scored_columns(training, held_out).tolist() == [0]
    assert scored_columns(np.empty((0, 2)), np.empty((0, 2))).tolist() == []


def test_turning_the_space_changes_neither_classifier() -> None:
    training, labels, held_out, _ = parts(0.3)
    turn = rotation(10)
    np.testing.assert_array_equal(
        knn_scores(training @ turn, labels, held_out @ turn, k=5), knn_scores(training, labels, held_out, k=5)
    )
    np.testing.assert_allclose(
        probe_scores(training @ turn, labels, held_out @ turn),
        probe_scores(training, labels, held_out),
        atol=2e-3,
    )


def test_specialties_that_lie_apart_are_read_off_perfectly_and_noise_is_not() -> None:
    training, labels, held_out, truth = parts(0.0, noise=0.4)
    for scores in (knn_scores(training, labels, held_out, k=10), probe_scores(training, labels, held_out)):
        assert macro_f1(predicted_sets(scores, sizes(truth)), truth, np.arange(4)) > 0.95
    noise, held_out_noise = random_rows(len(training), 10), random_rows(len(held_out), 10, 1)
    for scores in (
        knn_scores(noise, labels, held_out_noise, k=10),
        probe_scores(noise, labels, held_out_noise),
    ):
        assert macro_f1(predicted_sets(scores, sizes(truth)), truth, np.arange(4)) < 0.45


def test_small_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = np.eye(3)[:1], np.eye(3)[:2]
    assert knn_scores(one, np.ones((1, 1)), two, k=10).tolist() == [[1.0], [1.0]]
    assert knn_scores(np.empty((0, 3)), np.empty((0, 2)), two, k=10).tolist() == [[0, 0], [0, 0]]
    assert probe_scores(two, np.ones((2, 1)), one).tolist() == [[1.0]]
    same = probe_scores(np.tile(one, (2, 1)), np.eye(2), two)
    np.testing.assert_allclose(same.sum(axis=1), 1.0)
    monkeypatch.setattr(classifiers, "MOST_TRAINING_NOTES", 40)
    training, labels, held_out, truth = parts(0.0, noise=0.4)
    scores = probe_scores(training, labels, held_out)
    assert macro_f1(predicted_sets(scores, sizes(truth)), truth, np.arange(4)) > 0.9
