from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from scipy.stats import ortho_group
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from medembed_pipeline.maps.alignment import (
    HARMLESS_CHANGE,
    displacement,
    displacement_floor,
    joint_components,
    joint_floor,
    map_scale,
    motion,
    procrustes_align,
)
from medembed_pipeline.maps.errors import MapError
from medembed_pipeline.maps.projections import FloatArray


def unit(rows: FloatArray) -> FloatArray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def random_units(count: int, width: int, seed: int) -> FloatArray:
    return unit(np.random.default_rng(seed).normal(size=(count, width)))


def turn_of(width: int, seed: int) -> FloatArray:
    return np.asarray(ortho_group.rvs(width, random_state=seed))


@settings(max_examples=25, deadline=None)
@given(count=st.integers(3, 60), width=st.integers(2, 20), seed=st.integers(0, 999))
def test_the_rotation_is_scipys_and_keeps_every_similarity(count: int, width: int, seed: int) -> None:
    baseline, tuned = random_units(count, width, seed), random_units(count, width, seed + 1)
    turned = procrustes_align(baseline, tuned)
    np.testing.assert_allclose(turned @ turned.T, tuned @ tuned.T, atol=1e-10)
    best, _ = orthogonal_procrustes(tuned, baseline)
    expected = np.square(tuned @ best - baseline).sum()
    assert np.square(turned - baseline).sum() == pytest.approx(expected, abs=1e-9)
    if count > 2 * width:
        np.testing.assert_allclose(turned, tuned @ best, atol=1e-8)


@settings(max_examples=25, deadline=None)
@given(width=st.integers(2, 12), seed=st.integers(0, 999))
def test_turning_the_tuned_space_changes_no_displacement_and_no_map(width: int, seed: int) -> None:
    baseline, tuned = random_units(60, width, seed), random_units(60, width, seed + 1)
    turned = tuned @ turn_of(width, seed)
    moved = displacement(baseline, tuned)
    np.testing.assert_allclose(displacement(baseline, turned), moved, atol=1e-7)
    assert moved.min() >= 0 and moved.max() <= 2
    np.testing.assert_allclose(
        joint_components(baseline, turned, 2).tuned, joint_components(baseline, tuned, 2).tuned, atol=1e-6
    )


def test_planted_displacement_is_found_and_the_others_stay_under_the_floor() -> None:
    """The notes that stay and the notes that move span subspaces of their own: the rotation is known exactly."""
    generator = np.random.default_rng(0)
    rows = np.zeros((200, 16))
    rows[:100, :8], rows[100:, 8:] = generator.normal(size=(2, 100, 8))
    baseline = unit(rows)
    tuned = baseline.copy()
    shift = np.zeros(16)
    shift[8:] = 0.3
    tuned[100:] = unit(tuned[100:] + shift)
    hidden = (tuned @ turn_of(16, 1)).astype(np.float32)
    moved, floor = displacement(baseline.astype(np.float32), hidden), displacement_floor(baseline, seed=0)
    assert HARMLESS_CHANGE < floor < 2 * HARMLESS_CHANGE
    assert moved[:100].max() < 1e-6
    assert moved[100:].min() > 5 * floor
    assert roc_auc_score(np.arange(200) >= 100, moved) == 1.0


@pytest.mark.parametrize(("count", "width"), [(30, 6), (150, 16), (400, 16)])
def test_a_rotation_is_never_fitted_on_the_note_it_turns(count: int, width: int) -> None:
    baseline, tuned = random_units(count, width, 1), random_units(count, width, 2)
    part = np.arange(count) % 10
    expected = np.empty(count)
    for number in range(10):
        best, _ = orthogonal_procrustes(tuned[part != number], baseline[part != number])
        own = part == number
        expected[own] = np.linalg.norm(tuned[own] @ best - baseline[own], axis=1)
    np.testing.assert_allclose(displacement(baseline, tuned), expected, atol=1e-8)


@pytest.mark.parametrize("count", [100, 300, 400, 2000])
def test_unrelated_spaces_read_a_right_angle_and_turned_ones_nothing(count: int) -> None:
    baseline, other = random_units(count, 128, 3), random_units(count, 128, 4)
    assert np.median(displacement(baseline, other)) == pytest.approx(np.sqrt(2), abs=0.04)
    assert displacement(baseline, baseline @ turn_of(128, 5)).max() < 1e-6
    # Turned as a whole by the rotation of all notes, as the map is, few unrelated notes look related.
    together = np.linalg.norm(procrustes_align(baseline, other) - baseline, axis=1)
    assert np.median(together) < (1.1 if count <= 400 else 1.3)


@pytest.mark.parametrize("count", [200, 1000])
def test_planted_noise_on_a_turned_space_reads_its_size(count: int) -> None:
    """A space whose directions matter less and less, as those of text encoders do."""
    generator = np.random.default_rng(6)
    strength = (1 + np.arange(128)) ** -0.6
    baseline = unit(generator.normal(size=(count, 128)) * strength)
    tuned = unit(baseline + 0.3 * unit(generator.normal(size=(count, 128)) * strength))
    true = np.median(np.linalg.norm(tuned - baseline, axis=1))
    assert np.median(displacement(baseline, tuned @ turn_of(128, 7))) == pytest.approx(true, rel=0.12)


def test_planted_displacement_among_mixed_notes_is_found() -> None:
    baseline = random_units(400, 32, 0)
    tuned = baseline.copy()
    tuned[200:] = unit(tuned[200:] + 0.6 * random_units(200, 32, 1))
    moved = displacement(baseline, tuned @ turn_of(32, 2))
    assert roc_auc_score(np.arange(400) >= 200, moved) == 1.0
    # Those that moved pull the rotation a little: what stays reads a fraction of what moves.
    assert moved[:200].max() < 0.35 * moved[200:].min()


def test_the_joint_map_is_scikit_learns_and_shows_no_more_than_there_is() -> None:
    baseline, tuned = random_units(80, 12, 3), random_units(80, 12, 4)
    found = joint_components(baseline, tuned, 3)
    turned = procrustes_align(baseline, tuned)
    expected = PCA(3, svd_solver="full").fit_transform(np.vstack([baseline, turned]))
    np.testing.assert_allclose(np.abs(np.vstack(found)), np.abs(expected), atol=1e-9)
    apart = np.linalg.norm(turned - baseline, axis=1)
    assert (motion(found) <= apart + 1e-12).all()
    np.testing.assert_allclose(joint_components(baseline, tuned, 2).tuned, found.tuned[:, :2], atol=1e-12)
    everything = joint_components(baseline, tuned, 12)
    np.testing.assert_allclose(motion(everything), apart, atol=1e-12)
    assert map_scale(found) == pytest.approx(np.sqrt(np.square(expected).sum(axis=1).mean()))


def test_an_unchanged_copy_does_not_move() -> None:
    baseline = random_units(50, 24, 5)
    assert displacement(baseline, baseline).max() < 1e-6
    assert 0 < displacement_floor(baseline, seed=1) < 5 * HARMLESS_CHANGE
    assert 0 < joint_floor(baseline, 2, seed=1) < 1.1 * HARMLESS_CHANGE
    assert displacement_floor(baseline, seed=1) == displacement_floor(baseline, seed=1)


def test_fewer_notes_than_dimensions() -> None:
    baseline = random_units(4, 30, 6)
    np.testing.assert_allclose(displacement(baseline, baseline @ turn_of(30, 7)), 0, atol=1e-7)
    assert joint_components(baseline, random_units(4, 30, 8), 3).tuned.shape == (4, 3)


def test_spaces_that_cannot_be_laid_over_each_other_are_refused() -> None:
    with pytest.raises(MapError, match=r"\(9, 8\), tuned of shape \(9, 4\).*same number of dimensions"):
        displacement(random_units(9, 8, 0), random_units(9, 4, 0))
    with pytest.raises(MapError, match="at least two notes"):
        displacement(random_units(1, 8, 0), random_units(1, 8, 1))
    with pytest.raises(MapError, match="finite"):
        displacement(random_units(9, 8, 0), np.full((9, 8), np.nan))
