"""The training's course: figures against the metrics table, maps against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from medembed_pipeline.evaluation.metrics_table import metrics_table
from medembed_pipeline.evaluation.relevance import label_matrix
from medembed_pipeline.evidence.similarity.progress import epoch_maps, held_out_metrics, recorded_metrics
from medembed_pipeline_tests.evaluation.corpus import make_corpus
from medembed_pipeline_tests.evidence.similarity.planted import HISTORY


def test_the_figures_of_an_epoch_are_those_of_the_metrics_table() -> None:
    corpus = make_corpus(50)
    order = np.argsort(corpus.note_ids)
    table = metrics_table(
        corpus.note_ids,
        corpus.baseline,
        corpus.tuned,
        [sorted(names) for names in corpus.specialties],
        corpus.groups,
    ).to_pylist()
    expected = {
        (row["model"], row["metric"], row["k"]): (row["value"], row["n"])
        for row in table
        if row["scope"] == "all"
    }
    labels = label_matrix([corpus.specialties[row] for row in order])
    found = {
        (one.metric, one.epoch): (one.value, one.notes)
        for one in held_out_metrics({0: corpus.baseline[order], 4: corpus.tuned[order]}, labels.membership)
    }
    assert set(found) == {(name, epoch) for name in ("precision@5", "map", "silhouette") for epoch in (0, 4)}
    for epoch, model in ((0, "baseline"), (4, "tuned")):
        for name, key in (
            ("precision@5", ("precision", 5)),
            ("map", ("map", None)),
            ("silhouette", ("silhouette", None)),
        ):
            value, notes = expected[model, key[0], key[1]]
            assert found[name, epoch][0] == pytest.approx(value, abs=1e-9), name
            assert found[name, epoch][1] == notes


def test_a_perfect_and_a_collapsed_epoch() -> None:
    labels = label_matrix([{name} for name in "abc" for _ in range(8)])
    perfect = np.repeat(np.eye(3), 8, axis=0).astype(np.float32)
    collapsed = np.tile(np.array([0.6, 0.8, 0], np.float32), (24, 1))
    found = {
        (one.metric, one.epoch): one.value
        for one in held_out_metrics({1: perfect, 2: collapsed}, labels.membership)
    }
    assert [found[name, 1] for name in ("precision@5", "map", "silhouette")] == pytest.approx([1, 1, 1])
    assert found["silhouette", 2] == pytest.approx(0, abs=1e-9)
    # All similarities are equal: the order is that of the rows, so only the first class is found.
    assert found["precision@5", 2] < 0.5


def test_undefined_figures_are_left_out() -> None:
    only = label_matrix([{"a"}] * 3)
    names = {one.metric for one in held_out_metrics({0: np.eye(3, dtype=np.float32)}, only.membership)}
    assert names == {"precision@5", "map"}
    alone = label_matrix([{"a"}, {"b"}])
    assert held_out_metrics({0: np.eye(2, dtype=np.float32)}, alone.membership) == []


def test_what_the_training_recorded() -> None:
    found = [(one.metric, one.epoch, one.value, one.notes) for one in recorded_metrics(HISTORY[::-1])]
    assert found == [
        ("train_loss", 1, 2.0, None),
        ("validation_loss", 0, 2.5, None),
        ("validation_loss", 1, 2.1, None),
        ("validation_map", 0, 0.4, None),
        ("validation_map", 1, 0.6, None),
    ]


def test_maps_are_the_principal_components_of_all_epochs_together() -> None:
    corpus = make_corpus(40, seed=2)
    epochs = {0: corpus.baseline, 3: corpus.tuned}
    found = epoch_maps(epochs)
    oracle = PCA(2, svd_solver="full").fit(np.concatenate([corpus.baseline, corpus.tuned]).astype(float))
    for epoch, vectors in epochs.items():
        expected = oracle.transform(vectors.astype(float))
        signs = np.sign((found[epoch] * expected).sum(axis=0))
        np.testing.assert_allclose(found[epoch], expected * signs, atol=2e-6)
    # One plane: a note that did not move stays where it is.
    still = epoch_maps({0: corpus.baseline, 1: corpus.baseline, 2: corpus.tuned})
    np.testing.assert_array_equal(still[0], still[1])
    assert not np.allclose(still[0], still[2])


def test_maps_of_nothing_and_of_one_dimension() -> None:
    assert epoch_maps({}) == {}
    assert epoch_maps({1: np.zeros((0, 3), np.float32)})[1].shape == (0, 2)
    flat = epoch_maps({1: np.array([[1.0], [-1.0]], np.float32)})[1]
    np.testing.assert_array_equal(flat, [[1, 0], [-1, 0]])
