"""Similarities of pairs against a loop over pairs, of all notes and without each group."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.evaluation.relevance import label_matrix
from medembed_pipeline.evaluation.similarity import PairSums, similarity_figures
from medembed_pipeline.evaluation.vectors import unit_rows
from medembed_pipeline_tests.evaluation.corpus import make_corpus


def by_pairs(rows: np.ndarray, sets: list[set[str]], kept: list[int], scope: str | None) -> dict[str, float]:
    """Over all pairs of the notes that are kept."""
    positive: list[float] = []
    negative: list[float] = []
    for i, j in itertools.combinations(kept, 2):
        if scope is not None and scope not in sets[i] | sets[j]:
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


@given(
    st.integers(1, 16), st.integers(1, 4), st.integers(1, 16), st.integers(0, 2**32 - 1), st.integers(1, 20)
)
@settings(max_examples=40, deadline=None)
def test_agrees_with_a_loop_over_pairs_with_and_without_each_group(
    count: int, classes: int, group_count: int, seed: int, asked: int
) -> None:
    corpus = make_corpus(count, classes=classes, dimensions=4, seed=seed)
    labels = label_matrix(corpus.specialties)
    groups = np.random.default_rng(seed).integers(group_count, size=count)
    pairs = PairSums(unit_rows(corpus.baseline), labels.membership)
    # As when the ranking has asked for some of the similarities already.
    pairs.similarity(np.arange(min(asked, count)))
    found = similarity_figures(pairs, labels.membership, groups, group_count=group_count)
    for column, scope in enumerate([None, *labels.names]):
        carriers = [row for row, names in enumerate(corpus.specialties) if scope is None or scope in names]
        for name, value in by_pairs(pairs.rows, corpus.specialties, list(range(count)), scope).items():
            figure = found[name, None]
            assert figure.value[column] == pytest.approx(value, abs=1e-7, nan_ok=True), (name, scope)
            assert figure.groups[column] == len(set(groups[carriers].tolist()))
    for group in range(group_count):
        kept = np.flatnonzero(groups != group).tolist()
        for column, scope in enumerate([None, *labels.names]):
            for name, value in by_pairs(pairs.rows, corpus.specialties, kept, scope).items():
                left_out = found[name, None].left_out[group, column]
                assert left_out == pytest.approx(value, abs=1e-7, nan_ok=True), (name, scope, group)


def test_a_perfect_embedding_has_margin_one_and_no_separation_without_spread() -> None:
    labels = label_matrix([{name} for name in "ab" for _ in range(3)])
    rows = unit_rows(np.repeat(np.eye(2), 3, axis=0))
    found = similarity_figures(
        PairSums(rows, labels.membership), labels.membership, np.arange(6), group_count=6
    )
    assert found["margin", None].value.tolist() == [1.0, 1.0, 1.0]
    assert (found["margin", None].left_out == 1.0).all()
    assert found["positive_similarity_std", None].value.tolist() == [0.0, 0.0, 0.0]
    assert np.isnan(found["separation", None].value).all()


def test_one_specialty_has_no_negative_pairs() -> None:
    labels = label_matrix([{"a"}] * 3)
    found = similarity_figures(
        PairSums(np.eye(3), labels.membership), labels.membership, np.arange(3), group_count=3
    )
    assert found["positive_similarity", None].value.tolist() == [0.0, 0.0]
    for name in ("negative_similarity", "negative_similarity_std", "margin", "separation"):
        assert np.isnan(found[name, None].value).all()
