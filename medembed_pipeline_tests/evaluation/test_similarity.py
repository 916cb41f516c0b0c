"""Similarities of pairs against a loop over pairs, plain and weighted."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.evaluation.relevance import label_matrix
from medembed_pipeline.evaluation.similarity import similarity_statistics
from medembed_pipeline.evaluation.vectors import unit_rows
from medembed_pipeline_tests.evaluation.corpus import make_corpus


def by_pairs(
    rows: np.ndarray, sets: list[set[str]], repeated: np.ndarray, scope: str | None
) -> dict[str, float]:
    """Over all pairs of copies, but for two copies of the same note."""
    positive: list[float] = []
    negative: list[float] = []
    for i, j in itertools.combinations(repeated, 2):
        if i == j or (scope is not None and scope not in sets[i] | sets[j]):
            continue
        (positive if sets[i] & sets[j] else negative).append(float(rows[i] @ rows[j]))
    nan = float("nan")
    figures = {
        "positive_similarity": np.mean(positive) if positive else nan,
        "positive_similarity_std": np.std(positive) if positive else nan,
        "negative_similarity": np.mean(negative) if negative else nan,
        "negative_similarity_std": np.std(negative) if negative else nan,
    }
    figures["margin"] = figures["positive_similarity"] - figures["negative_similarity"]
    spread = np.sqrt((figures["positive_similarity_std"] ** 2 + figures["negative_similarity_std"] ** 2) / 2)
    figures["separation"] = figures["margin"] / spread if spread > 1e-6 else nan
    return {name: float(value) for name, value in figures.items()}


@given(st.integers(1, 18), st.integers(1, 4), st.integers(0, 2**32 - 1), st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_agrees_with_a_loop_over_pairs_of_repeated_notes(
    count: int, classes: int, seed: int, block: int
) -> None:
    corpus = make_corpus(count, classes=classes, dimensions=4, seed=seed)
    labels = label_matrix(corpus.specialties)
    rows = unit_rows(corpus.baseline)
    weights = np.vstack(
        [np.ones(count), np.random.default_rng(seed).integers(0, 3, size=(2, count)).astype(float)]
    )
    found = similarity_statistics(rows, labels.membership, labels.membership, weights, block_columns=block)
    for draw in range(3):
        repeated = np.repeat(np.arange(count), weights[draw].astype(int))
        for column, scope in enumerate([None, *labels.names]):
            for name, value in by_pairs(rows, corpus.specialties, repeated, scope).items():
                assert found[name, None][draw, column] == pytest.approx(value, abs=1e-7, nan_ok=True), (
                    name,
                    scope,
                )


def test_a_perfect_embedding_has_margin_one_and_no_separation_without_spread() -> None:
    labels = label_matrix([{name} for name in "ab" for _ in range(3)])
    rows = unit_rows(np.repeat(np.eye(2), 3, axis=0))
    found = similarity_statistics(rows, labels.membership, labels.membership, np.ones((1, 6)))
    assert found["margin", None].tolist() == [[1.0, 1.0, 1.0]]
    assert found["positive_similarity_std", None].tolist() == [[0.0, 0.0, 0.0]]
    assert np.isnan(found["separation", None]).all()


def test_one_specialty_has_no_negative_pairs() -> None:
    labels = label_matrix([{"a"}] * 3)
    found = similarity_statistics(np.eye(3), labels.membership, labels.membership, np.ones((1, 3)))
    assert found["positive_similarity", None].tolist() == [[0.0, 0.0]]
    for name in ("negative_similarity", "negative_similarity_std", "margin", "separation"):
        assert np.isnan(found[name, None]).all()
