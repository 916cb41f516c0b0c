"""Silhouette and Davies-Bouldin against scikit-learn, and against loops over the notes that each group leaves."""

import itertools
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import davies_bouldin_score, silhouette_samples, silhouette_score

from medembed_pipeline.evaluation.class_cells import Cells
from medembed_pipeline.evaluation.clusters import ClusterFigures, cluster_figures, single_label_classes
from medembed_pipeline.evaluation.davies_bouldin import _squared_products
from medembed_pipeline.evaluation.relevance import label_matrix
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray, unit_rows
from medembed_pipeline_tests.evaluation.corpus import make_corpus, unit


@pytest.mark.parametrize(("count", "dimensions"), [(40, 5), (300, 8), (90, 128)])
def test_agrees_with_scikit_learn(count: int, dimensions: int) -> None:
    corpus = make_corpus(count, dimensions=dimensions)
    classes = single_label_classes(label_matrix(corpus.specialties).membership)
    rows = unit_rows(corpus.baseline)
    found = figures_of(rows, classes, np.arange(count), class_count=5, group_count=count)
    kept = classes >= 0
    assert 0 < kept.sum() < count
    assert found.silhouette.value[0] == pytest.approx(
        silhouette_score(corpus.baseline[kept], classes[kept], metric="cosine"), abs=1e-6
    )
    samples = silhouette_samples(rows[kept], classes[kept], metric="cosine")
    for number in range(5):
        assert found.silhouette.value[1 + number] == pytest.approx(
            samples[classes[kept] == number].mean(), abs=1e-12
        )
    assert found.davies_bouldin.value[0] == pytest.approx(
        davies_bouldin_score(rows[kept], classes[kept]), abs=1e-12
    )
    assert found.davies_bouldin.value[1:].mean() == pytest.approx(found.davies_bouldin.value[0])


def figures_of(
    rows: FloatArray, classes: IntArray, groups: IntArray, *, class_count: int, group_count: int
) -> ClusterFigures:
    return cluster_figures(
        {"model": rows}, classes, groups, class_count=class_count, group_count=group_count
    )["model"]


def by_loops(rows: np.ndarray, classes: np.ndarray, count: int) -> tuple[list[float], list[float]]:
    """Both figures: all, then each class."""
    nan = float("nan")
    members = {c: np.flatnonzero(classes == c).tolist() for c in range(count)}
    members = {c: own for c, own in members.items() if len(own) >= 2}
    silhouettes, worst = [nan] * (1 + count), [nan] * (1 + count)
    if len(members) < 2:
        return silhouettes, worst

    def distance(i: int, others: list[int]) -> float:
        return float(np.mean([1 - rows[i] @ rows[j] for j in others if j != i]))

    values: dict[int, list[float]] = {}
    for c, own in members.items():
        for i in own:
            within = distance(i, own)
            between = min(distance(i, others) for other, others in members.items() if other != c)
            largest = max(within, between)
            values.setdefault(c, []).append((between - within) / largest if largest > 1e-12 else 0.0)
        silhouettes[1 + c] = float(np.mean(values[c]))
    silhouettes[0] = float(np.mean([value for one in values.values() for value in one]))

    centers = {c: rows[own].mean(axis=0) for c, own in members.items()}
    scatter = {c: np.linalg.norm(rows[own] - centers[c], axis=1).mean() for c, own in members.items()}
    for c in members:
        worst[1 + c] = max(
            (scatter[c] + scatter[o]) / np.linalg.norm(centers[c] - centers[o]) for o in members if o != c
        )
    worst[0] = float(np.mean([worst[1 + c] for c in members]))
    return silhouettes, worst


@given(
    st.integers(2, 16), st.integers(1, 4), st.integers(2, 40), st.integers(0, 2**32 - 1), st.integers(1, 8)
)
@settings(max_examples=60, deadline=None)
def test_agrees_with_loops_with_and_without_each_group(
    count: int, classes: int, dimensions: int, seed: int, group_count: int
) -> None:
    random = np.random.default_rng(seed)
    rows = unit_rows(unit(random.normal(size=(count, dimensions))))
    numbers = random.integers(-1, classes, size=count)
    numbers = np.where(np.bincount(numbers + 1, minlength=classes + 1)[numbers + 1] < 2, -1, numbers)
    # Groups within a class; what takes no part may belong to any of them.
    groups = random.integers(group_count, size=count) * classes + np.maximum(numbers, 0)
    found = figures_of(rows, numbers, groups, class_count=classes, group_count=group_count * classes)
    silhouettes, worst = by_loops(rows, numbers, classes)
    np.testing.assert_allclose(found.silhouette.value, silhouettes, atol=1e-9)
    np.testing.assert_allclose(found.davies_bouldin.value, worst, rtol=1e-6)
    if np.isnan(silhouettes[0]):
        return
    for group in range(group_count * classes):
        kept = groups != group
        silhouettes, worst = by_loops(rows[kept], numbers[kept], classes)
        np.testing.assert_allclose(found.silhouette.left_out[group], silhouettes, atol=1e-9)
        np.testing.assert_allclose(found.davies_bouldin.left_out[group], worst, rtol=1e-6)
    for figure in (found.silhouette, found.davies_bouldin):
        assert figure.groups[0] == len(set(groups[numbers >= 0].tolist()))
        for number in range(classes):
            assert figure.groups[1 + number] == len(set(groups[numbers == number].tolist()))


def test_groups_of_several_classes_come_near() -> None:
    """What a group does in each class is added up; the spread of the figures hardly feels the difference."""
    random = np.random.default_rng(3)
    numbers = np.repeat(np.arange(5), 18)
    rows = unit_rows(unit(0.5 * random.normal(size=(5, 12))[numbers] + random.normal(size=(90, 12))))
    groups = random.integers(30, size=90)
    found = figures_of(rows, numbers, groups, class_count=5, group_count=30)
    exact = [by_loops(rows[groups != group], numbers[groups != group], 5) for group in range(30)]
    for place, figure in enumerate((found.silhouette, found.davies_bouldin)):
        expected = np.array([one[place] for one in exact])
        np.testing.assert_allclose(figure.left_out.std(axis=0), expected.std(axis=0), rtol=0.05)
        apart = (figure.left_out - expected).std(axis=0)
        # The index is a maximum over classes, and jumps where another class becomes the worst.
        assert (apart < (0.1, 0.3)[place] * expected.std(axis=0)).all()


@pytest.mark.parametrize(("cells", "dimensions"), [(30, 40), (30, 4)])
def test_products_of_pairs_of_cells_are_added_up_whether_they_are_few_or_many(
    cells: int, dimensions: int
) -> None:
    random = np.random.default_rng(5)
    own = np.sort(random.integers(4, size=cells))
    left, right = random.normal(size=(2, cells, dimensions))
    expected = np.zeros((4, 4))
    for one, other in itertools.permutations(range(cells), 2):
        expected[own[one], own[other]] += (left[one] @ left[other]) * (right[one] @ right[other])
    parts = cast(Cells, SimpleNamespace(sizes=np.bincount(own), cell_class=own))
    np.testing.assert_allclose(_squared_products(parts, left, right), expected, atol=1e-10)


def test_small_blocks_and_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = make_corpus(60, seed=4)
    classes = single_label_classes(label_matrix(corpus.specialties).membership)
    groups = np.arange(60) // 2
    whole = figures_of(unit_rows(corpus.tuned), classes, groups, class_count=5, group_count=30)
    monkeypatch.setattr("medembed_pipeline.evaluation.silhouette.rows_per_block", lambda size: 3)
    monkeypatch.setattr("medembed_pipeline.evaluation.silhouette.THREADS_FROM", 0)
    parts = figures_of(unit_rows(corpus.tuned), classes, groups, class_count=5, group_count=30)
    np.testing.assert_allclose(parts.silhouette.left_out, whole.silhouette.left_out, atol=1e-12)
    np.testing.assert_allclose(parts.silhouette.double_counted, whole.silhouette.double_counted, rtol=1e-9)


def test_only_notes_with_one_specialty_that_another_note_has_too_take_part() -> None:
    sets = [{"a"}, {"a"}, {"b"}, {"a", "b"}, {"c"}, {"c"}, set()]
    assert single_label_classes(label_matrix(sets).membership).tolist() == [0, 0, -1, -1, 2, 2, -1]
    assert single_label_classes(label_matrix([set(), set()]).membership).tolist() == [-1, -1]


def test_a_perfect_embedding_scores_one_and_zero() -> None:
    rows = np.repeat(np.eye(3), 4, axis=0)
    found = figures_of(rows, np.repeat(np.arange(3), 4), np.arange(12), class_count=3, group_count=12)
    assert (found.silhouette.value == 1).all()
    assert (found.davies_bouldin.value == 0).all()


def test_a_collapsed_embedding_has_silhouette_zero_and_no_davies_bouldin() -> None:
    rows = np.tile([[0.6, 0.8]], (8, 1))
    found = figures_of(rows, np.repeat(np.arange(2), 4), np.arange(8), class_count=2, group_count=8)
    assert (found.silhouette.value == 0).all()
    assert np.isnan(found.davies_bouldin.value).all()


def test_two_centroids_that_coincide_leave_a_third_class_its_davies_bouldin() -> None:
    rows = unit_rows(unit(np.array([[3.0, 4], [4, 3], [4, 3], [3, 4], [0, -1], [1, -1]])))
    found = figures_of(
        rows, np.repeat(np.arange(3), 2), np.arange(6), class_count=3, group_count=6
    ).davies_bouldin
    assert np.isnan(found.value).tolist() == [True, True, True, False]


def test_one_class_is_undefined() -> None:
    found = figures_of(np.eye(3), np.zeros(3, dtype=np.int64), np.arange(3), class_count=1, group_count=3)
    assert np.isnan(found.silhouette.value).all()
    assert np.isnan(found.davies_bouldin.value).all()
