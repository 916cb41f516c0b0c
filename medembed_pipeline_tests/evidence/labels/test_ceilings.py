"""The label ceiling by trying every order, and by simulating models that know the truth."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.evaluation.metric_names import MetricKey
from medembed_pipeline.evaluation.relevance import jaccard, label_matrix
from medembed_pipeline.evaluation.retrieval import retrieval_scores
from medembed_pipeline.evidence.labels.ceilings import CEILING_METRICS, expected_scores, label_ceilings
from medembed_pipeline.evidence.labels.errors import LabelReviewError

SETS = st.lists(st.sets(st.sampled_from("abcd"), min_size=1, max_size=3).map(sorted), min_size=1, max_size=6)


def likeness(one: Sequence[str], other: Sequence[str]) -> float:
    return len(set(one) & set(other)) / len(set(one) | set(other))


def scores_of(gains: Sequence[float], best: Sequence[float]) -> dict[MetricKey, float]:
    """The figures of one ranking, written down from their definitions."""

    def discounted(values: Sequence[float]) -> float:
        return sum(value / math.log2(rank + 1) for rank, value in enumerate(values[:10], start=1))

    ranks = [rank for rank, gain in enumerate(gains, start=1) if gain > 0]
    return {
        **{("precision", k): sum(gain > 0 for gain in gains[:k]) / k for k in (1, 5, 10)},
        ("mrr", None): 1 / ranks[0],
        ("ndcg", 10): discounted(gains) / discounted(best),
        ("map", None): sum(found / rank for found, rank in enumerate(ranks, start=1)) / len(ranks),
    }


def every_order(
    given: Sequence[Sequence[str]], believed: Sequence[Sequence[str]], query: int
) -> tuple[list[dict[MetricKey, float]], list[dict[MetricKey, float]]] | None:
    """Figures of every order of the candidates, and of those that rank by the believed sets."""
    others = [row for row in range(len(given)) if row != query]
    gain = {row: likeness(given[query], given[row]) for row in others}
    if not any(gain.values()):
        return None
    believed_gain = {row: likeness(believed[query], believed[row]) for row in others}
    best = sorted(gain.values(), reverse=True)
    everything, by_belief = [], []
    for order in itertools.permutations(others):
        scores = scores_of([gain[row] for row in order], best)
        everything.append(scores)
        if all(believed_gain[a] >= believed_gain[b] for a, b in itertools.pairwise(order)):
            by_belief.append(scores)
    return everything, by_belief


@settings(max_examples=60, deadline=None)
@given(pairs=SETS, seed=st.integers(0, 1000))
def test_ceilings_by_trying_every_order(pairs: list[list[str]], seed: int) -> None:
    random = np.random.default_rng(seed)
    believed = [list(pairs[random.integers(len(pairs))]) if random.random() < 0.4 else one for one in pairs]
    tried = [every_order(pairs, believed, query) for query in range(len(pairs))]
    defined = [one for one in tried if one is not None]
    records = label_ceilings(pairs, believed)
    if not defined:
        assert records == []
        return
    assert [(record["metric"], record["k"]) for record in records] == list(CEILING_METRICS)
    for record in records:
        key = (record["metric"], record["k"])
        best = np.mean([max(scores[key] for scores in everything) for everything, _ in defined])
        expected = np.mean([np.mean([scores[key] for scores in by_belief]) for _, by_belief in defined])
        assert record["ceiling"] == pytest.approx(best)
        assert record["ceiling_with_label_noise"] == pytest.approx(expected)
        assert record["n"] == len(defined)


@settings(max_examples=60, deadline=None)
@given(count=st.integers(2, 60), seed=st.integers(0, 10_000))
def test_a_perfect_model_reaches_exactly_the_ceiling(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    names = np.array(["a", "b", "c", "d", "e"])
    sets = [sorted(random.choice(names, random.integers(1, 3), replace=False)) for _ in range(count)]
    membership = label_matrix(sets).membership
    # The cosine of two incidence vectors is above zero where the sets meet, and nowhere else.
    rows = membership / np.linalg.norm(membership, axis=1, keepdims=True)
    scores = retrieval_scores(rows, membership)
    for record in label_ceilings(sets, sets):
        reached = np.nanmean(scores[record["metric"], record["k"]])
        # Cosine and Jaccard rank sets of different sizes differently: only nDCG can tell.
        if record["metric"] == "ndcg":
            assert reached <= record["ceiling"] + 1e-12
        else:
            assert reached == pytest.approx(record["ceiling"], abs=1e-12)
        assert record["ceiling_with_label_noise"] == pytest.approx(record["ceiling"], abs=1e-12)


def test_precision_ceiling_is_the_mean_of_what_the_candidates_allow() -> None:
    sets = [["a"]] * 3 + [["b"]] * 8 + [["c"]]
    found = {(record["metric"], record["k"]): record["ceiling"] for record in label_ceilings(sets, sets)}
    assert found["precision", 1] == 1
    assert found["precision", 5] == pytest.approx((3 * 2 / 5 + 8 * 5 / 5) / 11)
    assert found["precision", 10] == pytest.approx((3 * 2 / 10 + 8 * 7 / 10) / 11)
    assert found["mrr", None] == found["ndcg", 10] == found["map", None] == 1


@pytest.mark.parametrize("error_rate", [0.0, 0.03, 0.15])
def test_simulated_models_that_know_the_truth_reach_the_ceiling_with_label_noise(error_rate: float) -> None:
    random = np.random.default_rng(5)
    names = [f"specialty {number}" for number in range(6)]
    true = [[names[random.integers(6)]] for _ in range(240)]
    given = [
        [str(random.choice([name for name in names if name not in one]))]
        if random.random() < error_rate
        else one
        for one in true
    ]
    labels = label_matrix([*given, *true]).membership
    filed, truth = labels[:240], labels[240:]
    reached: dict[MetricKey, list[float]] = {key: [] for key in CEILING_METRICS}
    for _ in range(60):
        # Specialties are far apart; within one, the vectors know nothing of how a note was filed.
        rows = np.hstack([truth * 3, random.normal(size=(240, 5)) * 0.5])
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        scores = retrieval_scores(rows, filed)
        for key in CEILING_METRICS:
            reached[key].append(float(np.nanmean(scores[key])))
    for record in label_ceilings(given, true):
        values = reached[record["metric"], record["k"]]
        tolerance = 4 * np.std(values) / np.sqrt(len(values)) + 1e-9
        if record["metric"] in ("precision", "mrr"):
            assert record["ceiling_with_label_noise"] == pytest.approx(np.mean(values), abs=tolerance + 0.002)
        else:
            assert record["ceiling_with_label_noise"] == pytest.approx(np.mean(values), abs=tolerance + 0.005)
        assert record["ceiling_with_label_noise"] <= record["ceiling"] + 1e-12
        if error_rate and record["metric"] == "precision":
            # Both the query and its neighbour must be filed rightly.
            rate = np.mean([one != other for one, other in zip(given, true, strict=True)])
            assert record["ceiling_with_label_noise"] == pytest.approx(
                record["ceiling"] * (1 - rate) ** 2, abs=0.02
            )


@settings(max_examples=30, deadline=None)
@given(count=st.integers(2, 40), seed=st.integers(0, 10_000))
def test_defined_where_the_scores_are(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    given = (random.random((count, 5)) < 0.3).astype(np.float64)
    believed = (random.random((count, 5)) < 0.3).astype(np.float64)
    relevant = jaccard(given, given) > 0
    np.fill_diagonal(relevant, val=False)
    for values in expected_scores(given, believed).values():
        assert (np.isfinite(values) == relevant.any(axis=1)).all()
        finite = values[np.isfinite(values)]
        assert ((finite >= 0) & (finite <= 1 + 1e-12)).all()


def test_sets_must_come_in_pairs() -> None:
    with pytest.raises(LabelReviewError, match="2 given and 1 believed"):
        label_ceilings([["a"], ["b"]], [["a"]])
    assert label_ceilings([], []) == []
