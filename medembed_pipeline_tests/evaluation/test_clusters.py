"""Silhouette and Davies-Bouldin against scikit-learn, and under weights against loops over repeated notes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import davies_bouldin_score, silhouette_samples, silhouette_score

from medembed_pipeline.evaluation.clusters import cluster_statistics, single_label_classes
from medembed_pipeline.evaluation.relevance import label_matrix
from medembed_pipeline.evaluation.vectors import unit_rows
from medembed_pipeline_tests.evaluation.corpus import make_corpus, unit


@pytest.mark.parametrize(("count", "dimensions"), [(40, 5), (300, 8), (90, 128)])
def test_agrees_with_scikit_learn(count: int, dimensions: int) -> None:
    corpus = make_corpus(count, dimensions=dimensions)
    classes = single_label_classes(label_matrix(corpus.specialties).membership)
    rows = unit_rows(corpus.baseline)
    found = cluster_statistics(rows, classes, np.ones((1, count)), class_count=5)
    kept = classes >= 0
    assert 0 < kept.sum() < count
    assert found.silhouette[0, 0] == pytest.approx(
        silhouette_score(corpus.baseline[kept], classes[kept], metric="cosine"), abs=1e-6
    )
    samples = silhouette_samples(rows[kept], classes[kept], metric="cosine")
    for number in range(5):
        assert found.silhouette[0, 1 + number] == pytest.approx(
            samples[classes[kept] == number].mean(), abs=1e-12
        )
    assert found.davies_bouldin[0, 0] == pytest.approx(
        davies_bouldin_score(rows[kept], classes[kept]), abs=1e-12
    )
    assert found.davies_bouldin[0, 1:].mean() == pytest.approx(found.davies_bouldin[0, 0])


def by_loops(
    rows: np.ndarray, classes: np.ndarray, weights: np.ndarray, count: int
) -> tuple[list[float], list[float]]:
    """Both figures of the repeated notes, never comparing a note with its own copy."""
    nan = float("nan")
    members = {c: [i for i in range(len(rows)) if classes[i] == c and weights[i] > 0] for c in range(count)}
    members = {c: rows_of for c, rows_of in members.items() if len(rows_of) >= 2}
    silhouettes = [nan] * (1 + count)
    worst = [nan] * (1 + count)
    if len(members) < 2:
        return silhouettes, worst

    def distance(i: int, others: list[int]) -> float:
        others = [j for j in others if j != i]
        return sum(weights[j] * (1 - rows[i] @ rows[j]) for j in others) / sum(weights[j] for j in others)

    sums = []
    for c, own in members.items():
        values = []
        for i in own:
            within = distance(i, own)
            between = min(distance(i, others) for other, others in members.items() if other != c)
            values.append((between - within) / max(within, between) if max(within, between) > 1e-12 else 0.0)
        own_weights = [weights[i] for i in own]
        silhouettes[1 + c] = float(np.average(values, weights=own_weights))
        sums.append((silhouettes[1 + c], sum(own_weights)))
    silhouettes[0] = sum(mean * size for mean, size in sums) / sum(size for _, size in sums)

    repeated = {c: np.repeat(rows[own], [int(weights[i]) for i in own], axis=0) for c, own in members.items()}
    centers = {c: copies.mean(axis=0) for c, copies in repeated.items()}
    scatter = {c: np.linalg.norm(copies - centers[c], axis=1).mean() for c, copies in repeated.items()}
    for c in members:
        worst[1 + c] = max(
            (scatter[c] + scatter[o]) / np.linalg.norm(centers[c] - centers[o]) for o in members if o != c
        )
    worst[0] = float(np.mean([worst[1 + c] for c in members]))
    return silhouettes, worst


@given(
    st.integers(2, 24), st.integers(1, 4), st.integers(2, 40), st.integers(0, 2**32 - 1), st.integers(1, 4)
)
@settings(max_examples=50, deadline=None)
def test_weights_agree_with_loops_over_repeated_notes(
    count: int, classes: int, dimensions: int, seed: int, block: int
) -> None:
    random = np.random.default_rng(seed)
    rows = unit_rows(unit(random.normal(size=(count, dimensions))))
    numbers = random.integers(-1, classes, size=count)
    weights = np.vstack([np.ones(count), random.integers(0, 4, size=(3, count)).astype(float)])
    found = cluster_statistics(rows, numbers, weights, class_count=classes, block_draws=block)
    for draw in range(4):
        silhouettes, worst = by_loops(rows, numbers, weights[draw], classes)
        np.testing.assert_allclose(found.silhouette[draw], silhouettes, atol=1e-9)
        np.testing.assert_allclose(found.davies_bouldin[draw], worst, rtol=1e-6)
    defined = found.silhouette[np.isfinite(found.silhouette)]
    assert ((defined >= -1) & (defined <= 1)).all()


def test_only_notes_with_one_specialty_that_another_note_has_too_take_part() -> None:
    sets = [{"a"}, {"a"}, {"b"}, {"a", "b"}, {"c"}, {"c"}, set()]
    assert single_label_classes(label_matrix(sets).membership).tolist() == [0, 0, -1, -1, 2, 2, -1]
    assert single_label_classes(label_matrix([set(), set()]).membership).tolist() == [-1, -1]


def test_a_perfect_embedding_scores_one_and_zero() -> None:
    rows = np.repeat(np.eye(3), 4, axis=0)
    found = cluster_statistics(rows, np.repeat(np.arange(3), 4), np.ones((1, 12)), class_count=3)
    assert (found.silhouette == 1).all()
    assert (found.davies_bouldin == 0).all()


def test_a_collapsed_embedding_has_silhouette_zero_and_no_davies_bouldin() -> None:
    rows = np.tile([[0.6, 0.8]], (8, 1))
    found = cluster_statistics(rows, np.repeat(np.arange(2), 4), np.ones((1, 8)), class_count=2)
    assert (found.silhouette == 0).all()
    assert np.isnan(found.davies_bouldin).all()


def test_two_centroids_that_coincide_leave_a_third_class_its_davies_bouldin() -> None:
    rows = unit_rows(unit(np.array([[3.0, 4], [4, 3], [4, 3], [3, 4], [0, -1], [1, -1]])))
    found = cluster_statistics(
        rows, np.repeat(np.arange(3), 2), np.ones((1, 6)), class_count=3
    ).davies_bouldin
    assert np.isnan(found).tolist() == [[True, True, True, False]]


def test_one_class_is_undefined() -> None:
    found = cluster_statistics(np.eye(3), np.zeros(3, dtype=np.int64), np.ones((2, 3)), class_count=1)
    assert np.isnan(found.silhouette).all()
    assert np.isnan(found.davies_bouldin).all()
