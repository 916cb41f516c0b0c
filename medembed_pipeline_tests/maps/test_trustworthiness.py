from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.manifold import trustworthiness

from medembed_pipeline.maps.errors import MapError
from medembed_pipeline.maps.trustworthiness import local_map_quality, map_quality
from medembed_pipeline_tests.maps.conftest import make_space


@settings(max_examples=25, deadline=None)
@given(count=st.integers(5, 70), k=st.integers(1, 20), seed=st.integers(0, 999), size=st.integers(2, 3))
def test_figures_are_scikit_learns(count: int, k: int, seed: int, size: int) -> None:
    rows = make_space(count, seed=seed).embeddings.astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    coordinates = np.random.default_rng(seed).normal(size=(count, size)) + rows[:, :size] * (seed % 7)
    found = map_quality(rows, [coordinates, rows[:, :2]], neighbors=k)[0]
    used = min(k, (count - 1) // 2)
    assert found.neighbors == used
    assert found.n == count
    assert found.trustworthiness == pytest.approx(
        trustworthiness(rows, coordinates, n_neighbors=used, metric="cosine"), abs=1e-12
    )
    # On unit vectors Euclidean and cosine order agree: continuity is trustworthiness the other way round.
    assert found.continuity == pytest.approx(trustworthiness(coordinates, rows, n_neighbors=used), abs=1e-12)


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = make_space(90).embeddings
    whole = map_quality(rows, [rows[:, :2]])
    monkeypatch.setattr("medembed_pipeline.maps.trustworthiness._BLOCK_BYTES", 90 * 40 * 7)
    np.testing.assert_allclose(map_quality(rows, [rows[:, :2]]), whole, atol=1e-12)


def test_a_perfect_map_scores_one_and_a_random_one_half() -> None:
    angles = np.sort(np.random.default_rng(1).uniform(0, 3, 300))
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    noise = np.random.default_rng(0).normal(size=(300, 2))
    perfect, random = map_quality(circle, [circle, noise])
    assert perfect.trustworthiness == perfect.continuity == 1.0
    assert random.trustworthiness == pytest.approx(0.5, abs=0.03)
    assert random.continuity == pytest.approx(0.5, abs=0.03)


def test_a_sample_is_close_to_the_whole_and_says_so() -> None:
    rows = make_space(800).embeddings
    coordinates = rows[:, :2]
    whole = map_quality(rows, [coordinates])[0]
    sample = map_quality(rows, [coordinates], most_queries=400, seed=3)[0]
    assert sample.n == 400
    assert sample != whole
    assert sample.trustworthiness == pytest.approx(whole.trustworthiness, abs=0.02)
    assert sample == map_quality(rows, [coordinates], most_queries=400, seed=3)[0]


def test_a_misplaced_note_stands_out() -> None:
    angles = np.linspace(0, 3, 100)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    moved = circle.copy()
    moved[10] = circle[90] + 1e-3
    trust, continuity = local_map_quality(circle, [moved], neighbors=5, queries=np.arange(100))
    assert trust[0].argmin() == 10
    assert continuity[0].argmin() == 10


@pytest.mark.parametrize(
    ("count", "options", "message"),
    [
        (2, {}, "at least 3 notes"),
        (9, {"neighbors": 0}, "at least 1"),
        (9, {"most_queries": 0}, "at least 1"),
    ],
)
def test_wrong_input_is_refused(count: int, options: dict[str, int], message: str) -> None:
    rows = make_space(count).embeddings
    with pytest.raises(MapError, match=message):
        map_quality(rows, [rows[:, :2]], **options)


def test_a_map_of_other_notes_is_refused() -> None:
    rows = make_space(9).embeddings
    with pytest.raises(MapError, match="one row for each of the 9 notes"):
        map_quality(rows, [rows[:5, :2]])
