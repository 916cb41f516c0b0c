from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.manifold import trustworthiness

from medembed_pipeline.maps.errors import MapError
from medembed_pipeline.maps.local_trust import local_trustworthiness
from medembed_pipeline.maps.projections import FloatArray
from medembed_pipeline.maps.trustworthiness import local_map_quality
from medembed_pipeline_tests.maps.conftest import make_space


@settings(max_examples=25, deadline=None)
@given(count=st.integers(3, 70), k=st.integers(1, 20), seed=st.integers(0, 999), size=st.integers(2, 3))
def test_it_is_the_local_part_of_scikit_learns_figure(count: int, k: int, seed: int, size: int) -> None:
    rows = make_space(count, seed=seed).embeddings
    maps: list[FloatArray] = [
        np.random.default_rng(seed + one).normal(size=(count, size)) for one in range(2)
    ]
    maps.append(rows[:, :size].astype(np.float64))
    found = local_trustworthiness(rows, maps, neighbors=k)
    expected, _ = local_map_quality(rows, maps, neighbors=k, queries=np.arange(count))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found.min() >= 0 and found.max() <= 1
    used = max(1, min(k, (count - 1) // 2))
    if count >= 5:
        unit = rows.astype(np.float64)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        assert found[0].mean() == pytest.approx(
            trustworthiness(unit, maps[0], n_neighbors=used, metric="cosine"), abs=1e-9
        )


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = make_space(90).embeddings
    whole = local_trustworthiness(rows, [rows[:, :2]])
    monkeypatch.setattr("medembed_pipeline.maps.local_trust._BLOCK_BYTES", 30_000)
    np.testing.assert_allclose(local_trustworthiness(rows, [rows[:, :2]]), whole, atol=1e-12)


def test_a_sample_of_references_comes_close_and_every_note_has_a_figure() -> None:
    rows = make_space(1200, clusters=6, seed=3).embeddings
    maps: list[FloatArray] = [rows[:, :2].astype(np.float64), np.random.default_rng(0).normal(size=(1200, 2))]
    whole = local_trustworthiness(rows, maps)
    sampled = local_trustworthiness(rows, maps, most_references=300, seed=5)
    assert sampled.shape == whole.shape and not np.array_equal(sampled, whole)
    np.testing.assert_allclose(sampled, whole, atol=0.05)
    np.testing.assert_allclose(sampled.mean(axis=1), whole.mean(axis=1), atol=0.005)
    np.testing.assert_array_equal(sampled, local_trustworthiness(rows, maps, most_references=300, seed=5))


def test_a_misplaced_note_stands_out() -> None:
    angles = np.linspace(0, 3, 100)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    moved = circle.copy()
    moved[10] = circle[90] + 1e-3
    found = local_trustworthiness(circle, [circle, moved], neighbors=5)
    assert (found[0] == 1).all()
    assert found[1].argmin() == 10


def test_notes_at_one_place_are_not_their_own_neighbours() -> None:
    rows = np.vstack(
        [np.repeat(make_space(1, k=0).embeddings, 20, axis=0), make_space(20, seed=4).embeddings]
    )
    found = local_trustworthiness(rows, [rows[:, :2]], neighbors=3)
    assert (found[0, :20] == 1).all()
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("count", "options", "message"),
    [
        (2, {}, "at least 3 notes"),
        (9, {"neighbors": 0}, "neighbors = 0: expected at least 1"),
        (9, {"most_references": 0}, "most_references = 0: expected at least 1"),
    ],
)
def test_wrong_input_is_refused(count: int, options: dict[str, int], message: str) -> None:
    rows = make_space(count).embeddings
    with pytest.raises(MapError, match=message):
        local_trustworthiness(rows, [rows[:, :2]], **options)
    with pytest.raises(MapError, match="one row for each"):
        local_trustworthiness(make_space(9).embeddings, [np.zeros((8, 2))])
