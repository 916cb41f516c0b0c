"""Features and heads against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

from medembed_pipeline.classification.features import Features, NoteRows, WordWeights, count_words
from medembed_pipeline.classification.heads import NeighborHead, fit_linear, nearest_rows
from medembed_pipeline.classification.ladder import RUNGS, TrainNotes, climb, log_loss
from medembed_pipeline.classification.settings import ClassificationSettings

TEXTS = [
    "Chest pain on exertion, relieved by rest.",
    "Chest X-ray shows no fracture.",
    "Fracture of the left wrist; wrist in a cast.",
    "Pain in the wrist, wrist swollen.",
    "",
    "§§ ... 42",
]


def test_word_weights_are_those_of_scikit_learn() -> None:
    counted = count_words(TEXTS)
    found = WordWeights.fit(counted.counts[:4], smallest_word_notes=2).weigh(counted.counts).toarray()
    oracle = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\b\w+\b", min_df=2).fit(TEXTS[:4])
    np.testing.assert_allclose(found, oracle.transform(TEXTS).toarray(), atol=1e-12)
    assert not found[4].any()


def test_words_of_new_texts_are_counted_in_the_known_columns() -> None:
    known = count_words(TEXTS)
    found = count_words(["Pain, pain and a Zebra"], words=known.words)
    assert found.words == known.words
    assert found.counts.sum() == 3
    assert count_words(["", " "]).counts.shape == (2, 0)
    assert count_words(["§ ..."]).counts.shape[0] == 1


def test_both_features_weigh_alike() -> None:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(6, 5)) + 3
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    notes = NoteRows(count_words(TEXTS).counts, {"tuned": rows})
    seen = Features.fit(notes, model="tuned", words=True, smallest_word_notes=2).rows(notes).toarray()
    assert np.square(seen[:, :5]).sum(axis=1).mean() == pytest.approx(1.0)
    assert np.square(seen[:4, 5:]).sum(axis=1) == pytest.approx(np.ones(4))


def test_the_linear_head_is_one_logistic_regression_for_each_label() -> None:
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(200, 8))
    member = (rows[:, :3] + 0.5 * generator.normal(size=(200, 3)) > 0.3).astype(np.float64)
    member = np.hstack([member, np.zeros((200, 1)), np.ones((200, 1))])
    found = fit_linear(rows, member, inverse_regularization=2.0).probabilities(rows)
    for column in range(3):
        oracle = LogisticRegression(C=2.0, tol=1e-8, max_iter=1000).fit(rows, member[:, column])
        np.testing.assert_allclose(found[:, column], oracle.predict_proba(rows)[:, 1], atol=0.03)
    assert (found[:, 3] < 0.01).all()
    assert (found[:, 4] > 0.99).all()


def test_labels_that_all_or_none_of_the_notes_carry_need_no_regression() -> None:
    rows = np.random.default_rng(1).normal(size=(40, 8))
    member = np.hstack([np.ones((40, 1)), np.zeros((40, 1))])
    said = fit_linear(rows, member, inverse_regularization=2.0).probabilities(rows)
    np.testing.assert_allclose(said, np.tile([40.5 / 41, 0.5 / 41], (40, 1)))
    assert fit_linear(rows, member[:, :0], inverse_regularization=2.0).probabilities(rows).shape == (40, 0)


def test_balanced_the_notes_that_carry_a_label_weigh_as_much_as_all_others() -> None:
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(200, 8))
    member = np.zeros((200, 1))
    member[np.argsort(rows[:, 0] + generator.normal(size=200))[-40:]] = 1.0
    found = fit_linear(rows, member, inverse_regularization=2.0, balanced=True)
    # The same, said by hand: each of the 40 four times over, beside the other 160.
    order = np.concatenate([np.arange(200), np.repeat(np.flatnonzero(member[:, 0]), 3)])
    plain = fit_linear(rows[order], member[order], inverse_regularization=2.0 * 200 / 320)
    np.testing.assert_allclose(found.weights, plain.weights, atol=0.01)
    np.testing.assert_allclose(found.bias, plain.bias, atol=0.01)


def test_the_nearest_are_those_of_scikit_learn() -> None:
    generator = np.random.default_rng(2)
    known, asked = (generator.normal(size=(size, 6)) for size in (40, 15))
    known /= np.linalg.norm(known, axis=1, keepdims=True)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    chosen, similarity = nearest_rows(known, asked, k=5)
    distance, place = NearestNeighbors(n_neighbors=5, metric="cosine").fit(known).kneighbors(asked)
    np.testing.assert_array_equal(chosen, place)
    np.testing.assert_allclose(similarity, 1 - distance, atol=1e-9)
    member = generator.integers(0, 2, size=(40, 3)).astype(np.float64)
    found = NeighborHead(known, member, 5).probabilities(asked)
    weights = (1 - distance) / (1 - distance).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, np.einsum("nk,nkl->nl", weights, member[place]), atol=1e-9)


def test_out_of_fold_never_sees_a_note_of_its_own_group() -> None:
    generator = np.random.default_rng(3)
    groups = np.repeat(np.arange(30), 2)
    rows = np.repeat(generator.normal(size=(30, 20)), 2, axis=0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    # Labels at random, the same for both notes of a group: who sees the twin knows them.
    member = np.repeat((generator.uniform(size=(30, 2)) < 0.5).astype(np.float64), 2, axis=0)
    notes = NoteRows(count_words([""] * 60).counts, dict.fromkeys(("baseline", "tuned"), rows))
    rung = next(one for one in RUNGS if one.name == "knn_tuned")
    kept = climb(rung, TrainNotes(notes, member, groups), ClassificationSettings())
    split = climb(rung, TrainNotes(notes, member, np.arange(60)), ClassificationSettings())
    assert log_loss(kept.out_of_fold, member).mean() > 1.2
    assert log_loss(split.out_of_fold, member).mean() < log_loss(kept.out_of_fold, member).mean()
