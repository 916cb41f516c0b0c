"""Resampling whole groups, and the coverage of the intervals on a known distribution."""

import numpy as np
import pytest

from medembed_pipeline.evaluation.bootstrap import group_weights, percentile_interval
from medembed_pipeline.evaluation.clusters import cluster_statistics
from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline_tests.evaluation.corpus import unit


def test_a_group_is_drawn_as_a_whole_and_as_many_groups_as_there_are() -> None:
    groups = ["x", "y", "x", "z", "z", "z", "w"]
    weights = group_weights(groups, resamples=400, seed=5)
    assert weights.shape == (400, 7)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    np.testing.assert_array_equal(weights[:, 3], weights[:, 5])
    first_of_group = weights[:, [0, 1, 3, 6]]
    assert (first_of_group.sum(axis=1) == 4).all()
    np.testing.assert_allclose(first_of_group.mean(axis=0), 1.0, atol=0.15)
    # Multinomial with four equal cells: variance of a count is 4 * 1/4 * 3/4.
    np.testing.assert_allclose(first_of_group.var(axis=0), 0.75, atol=0.15)


def test_same_seed_same_draws_whatever_the_groups_are_called() -> None:
    weights = group_weights(["a", "a", "b", "c"], resamples=20, seed=1)
    np.testing.assert_array_equal(weights, group_weights([9, 9, 4, 1], resamples=20, seed=1))
    assert (weights != group_weights([9, 9, 4, 1], resamples=20, seed=2)).any()


def test_no_resamples_and_no_notes() -> None:
    assert group_weights(["a", "b"], resamples=0, seed=0).shape == (0, 2)
    assert group_weights([], resamples=3, seed=0).shape == (3, 0)
    assert np.isnan(percentile_interval(np.zeros((0, 2)))).all()
    with pytest.raises(EvaluationError, match="resamples = -1"):
        group_weights(["a"], resamples=-1, seed=0)


def test_interval_is_the_quantiles_of_the_defined_resamples() -> None:
    samples = np.full((101, 3), np.nan)
    samples[:, 0] = np.random.default_rng(0).permutation(101)
    samples[:60, 1] = np.arange(60)
    samples[:50, 2] = np.arange(50)
    low, high = percentile_interval(samples, confidence=0.9)
    np.testing.assert_allclose(low, [5, 59 * 0.05, np.nan])
    np.testing.assert_allclose(high, [95, 59 * 0.95, np.nan])
    low, high = percentile_interval(samples, confidence=0.9, centers=np.array([40.0, np.nan, np.nan]))
    np.testing.assert_allclose(low[:2], [-5, 59 * 0.05])
    np.testing.assert_allclose(high[:2], [85, 59 * 0.95])
    with pytest.raises(EvaluationError, match="confidence = 1"):
        percentile_interval(samples, confidence=1.0)


def test_intervals_of_a_mean_of_grouped_notes_cover_the_truth() -> None:
    """Groups of three notes share most of their value; drawn one by one, they cover the truth too seldom."""
    covered = {"by group": 0, "by note": 0}
    trials = 200
    for trial in range(trials):
        random = np.random.default_rng(trial)
        groups = np.repeat(np.arange(40), 3)
        values = random.normal(size=40)[groups] + 0.3 * random.normal(size=120)
        for name, units in (("by group", groups), ("by note", np.arange(120))):
            weights = group_weights(units.tolist(), resamples=300, seed=trial)
            low, high = percentile_interval((weights @ values / weights.sum(axis=1))[:, None])
            covered[name] += int(low[0] <= 0 <= high[0])
    assert 0.90 <= covered["by group"] / trials <= 0.99
    assert covered["by note"] / trials < 0.85


def test_centred_intervals_of_the_cluster_figures_cover_their_expectation() -> None:
    """Where plain percentiles fail: 60 notes, six classes that hardly differ."""
    random = np.random.default_rng(11)
    centers = random.normal(size=(6, 16))
    figures, plain, centred = [], [], []
    for trial in range(60):
        classes = random.integers(6, size=60)
        rows = unit(0.4 * centers[classes] + random.normal(size=(60, 16))).astype(np.float64)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        weights = np.vstack([np.ones((1, 60)), group_weights(range(60), resamples=150, seed=trial)])
        found = cluster_statistics(rows, classes, weights, class_count=6).davies_bouldin[:, :1]
        figures.append(found[0, 0])
        plain.append(percentile_interval(found[1:]))
        centred.append(percentile_interval(found[1:], centers=found[0]))
    truth = np.mean(figures)
    assert np.mean([low[0] <= truth <= high[0] for low, high in centred]) >= 0.8
    assert np.mean([low[0] <= truth <= high[0] for low, high in plain]) <= 0.4
