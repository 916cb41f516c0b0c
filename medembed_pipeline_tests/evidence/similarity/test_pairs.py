"""The similarities of all pairs against numpy on a plain list of pairs, and planted spaces."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.evaluation.relevance import label_matrix
from medembed_pipeline.evaluation.similarity import PairSums, similarity_figures
from medembed_pipeline.evaluation.vectors import FloatArray, unit_rows
from medembed_pipeline.evidence.similarity.pairs import FINE_BINS, STATISTICS, PairSpread, pair_similarities
from medembed_pipeline_tests.evaluation.corpus import make_corpus


def by_pairs(rows: FloatArray, membership: FloatArray) -> tuple[list[float], list[float]]:
    """Similarities of positive and of negative pairs, one by one."""
    groups: tuple[list[float], list[float]] = ([], [])
    for i, j in itertools.combinations(range(len(rows)), 2):
        meets = bool((membership[i] * membership[j]).any())
        groups[0 if meets else 1].append(float(np.clip(math.fsum(rows[i] * rows[j]), -1, 1)))
    return groups


def assert_is_spread_of(found: PairSpread, values: list[float], *, quartile: float) -> None:
    assert found.pairs == len(values) == found.counts.sum()
    if not values:
        assert all(math.isnan(value) for value in found.statistics.values())
        return
    expected = {
        "mean": np.mean(values),
        "std": np.std(values),
        "minimum": min(values),
        "maximum": max(values),
        **dict(zip(("q1", "median", "q3"), np.quantile(values, (0.25, 0.5, 0.75)), strict=True)),
    }
    for name in STATISTICS:
        tolerance = quartile if name in ("q1", "median", "q3") else 1e-7 if name == "std" else 2e-9
        assert found.statistics[name] == pytest.approx(expected[name], abs=tolerance), name


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(0, 24),
    classes=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
    block=st.integers(1, 30),
    exact=st.booleans(),
)
def test_against_a_list_of_pairs(count: int, classes: int, seed: int, block: int, exact: bool) -> None:
    corpus = make_corpus(max(count, 1), classes=classes, dimensions=5, seed=seed)
    rows = unit_rows(corpus.tuned)[:count]
    membership = label_matrix(corpus.specialties).membership[:count]
    found = pair_similarities(rows, membership, bins=40, block_rows=block, exact_pairs=10**6 if exact else -1)
    positive, negative = by_pairs(rows, membership)
    for group, values in ((found.positive, positive), (found.negative, negative)):
        assert_is_spread_of(group, values, quartile=2e-9 if exact else 1 / FINE_BINS + 1e-9)
        np.testing.assert_array_equal(group.counts, np.histogram(values, bins=40, range=(-1, 1))[0])


@settings(max_examples=25, deadline=None)
@given(count=st.integers(2, 40), classes=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
def test_margin_and_separation_are_those_of_the_metrics(count: int, classes: int, seed: int) -> None:
    corpus = make_corpus(count, classes=classes, seed=seed)
    membership = label_matrix(corpus.specialties).membership
    rows = unit_rows(corpus.tuned)
    expected = similarity_figures(
        PairSums(rows, membership), membership[:, :0], np.arange(count), group_count=count
    )
    found = pair_similarities(rows, membership, bins=10)
    for name, value in (
        ("margin", found.margin),
        ("separation", found.separation),
        ("positive_similarity", found.positive.mean),
        ("positive_similarity_std", found.positive.std),
        ("negative_similarity", found.negative.mean),
        ("negative_similarity_std", found.negative.std),
    ):
        assert value == pytest.approx(expected[name, None].value[0], abs=1e-7, rel=1e-6, nan_ok=True), name


def test_blocks_change_nothing() -> None:
    corpus = make_corpus(97, seed=3)
    rows, membership = unit_rows(corpus.baseline), label_matrix(corpus.specialties).membership
    whole = pair_similarities(rows, membership, bins=100)
    for block in (1, 7, 96, 97):
        part = pair_similarities(rows, membership, bins=100, block_rows=block)
        for one, other in ((whole.positive, part.positive), (whole.negative, part.negative)):
            np.testing.assert_array_equal(one.counts, other.counts)
            # Sums of squares are added in another order; everything else is the same to the last bit.
            assert one.std == pytest.approx(other.std, abs=1e-12)
            for name in set(STATISTICS) - {"std"}:
                assert one.statistics[name] == other.statistics[name], name


def test_a_perfect_model() -> None:
    labels = label_matrix([{name} for name in "abc" for _ in range(4)])
    found = pair_similarities(np.repeat(np.eye(3), 4, axis=0), labels.membership, bins=20)
    assert found.positive.pairs == 18 and found.negative.pairs == 48
    assert found.margin == 1.0 and math.isnan(found.separation)
    assert found.positive.counts[19] == 18 and found.negative.counts[10] == 48
    assert found.positive.statistics == {name: 0.0 if name == "std" else 1.0 for name in STATISTICS}


def test_a_collapsed_model() -> None:
    labels = label_matrix([{name} for name in "ab" for _ in range(3)])
    # One direction for all, with what rounding float32 leaves of it.
    rows = unit_rows(np.tile(np.array([0.6, 0.8], np.float32), (6, 1)))
    found = pair_similarities(rows, labels.membership, bins=10)
    assert found.margin == 0.0 and math.isnan(found.separation)
    assert found.negative.median == 1.0 and found.negative.counts[9] == found.negative.pairs == 9


def test_one_specialty_and_one_note() -> None:
    only = label_matrix([{"a"}] * 3)
    found = pair_similarities(np.eye(3), only.membership, bins=10)
    assert found.positive.pairs == 3 and found.negative.pairs == 0
    assert math.isnan(found.margin) and math.isnan(found.separation) and math.isnan(found.negative.q1)
    alone = pair_similarities(np.eye(1), np.ones((1, 1)), bins=10)
    assert alone.positive.pairs == alone.negative.pairs == 0 and alone.positive.counts.tolist() == [0] * 10


def test_opposite_notes_fall_into_the_first_bin_and_edges_into_the_upper_one() -> None:
    rows = np.array([[1.0, 0.0], [-1.0, 0.0], [0.6, 0.8]])
    found = pair_similarities(rows, np.ones((3, 1)), bins=10)
    # -1, 0.6 and -0.6: bins 0, 8 (0.6 is its lower edge) and 2 (-0.6 likewise).
    assert np.flatnonzero(found.positive.counts).tolist() == [0, 2, 8]
