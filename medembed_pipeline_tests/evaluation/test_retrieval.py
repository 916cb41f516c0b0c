"""Retrieval figures against trec_eval and against loops."""

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import AP, RR, P, nDCG

from medembed_pipeline.evaluation.relevance import label_matrix
from medembed_pipeline.evaluation.retrieval import MetricKey, retrieval_scores
from medembed_pipeline.evaluation.vectors import unit_rows
from medembed_pipeline_tests.evaluation.corpus import make_corpus, unit


def by_loops(rows: np.ndarray, sets: list[set[str]]) -> dict[MetricKey, list[float]]:
    found: dict[MetricKey, list[float]] = {
        ("precision", 1): [],
        ("precision", 5): [],
        ("precision", 10): [],
        ("mrr", None): [],
        ("ndcg", 10): [],
        ("map", None): [],
    }
    for query, own in enumerate(sets):
        others = [row for row in range(len(sets)) if row != query]
        similarity = [round(float(rows[query] @ other), 9) for other in rows]
        others = [others[place] for place in np.lexsort((others, [-similarity[row] for row in others]))]
        gains = [len(own & sets[row]) / len(own | sets[row]) for row in others]
        if not any(gains):
            for values in found.values():
                values.append(float("nan"))
            continue
        for k in (1, 5, 10):
            found["precision", k].append(sum(gain > 0 for gain in gains[:k]) / k)
        relevant_ranks = [rank for rank, gain in enumerate(gains, 1) if gain > 0]
        found["mrr", None].append(1 / relevant_ranks[0])
        found["map", None].append(
            sum(hits / rank for hits, rank in enumerate(relevant_ranks, 1)) / len(relevant_ranks)
        )
        gain_of = [
            sum(g / np.log2(r + 1) for r, g in enumerate(order[:10], 1))
            for order in (gains, sorted(gains)[::-1])
        ]
        found["ndcg", 10].append(gain_of[0] / gain_of[1])
    return found


def test_agrees_with_trec_eval() -> None:
    corpus = make_corpus(80, classes=6)
    rows = unit_rows(corpus.baseline)
    scores = retrieval_scores(rows, label_matrix(corpus.specialties).membership)
    # trec_eval wants whole gains: sets of at most two give Jaccard 0, 1/3, 1/2 or 1, six times that is whole,
    # and nDCG does not change with the scale.
    sets = corpus.specialties
    pairs = [(i, j) for i in range(80) for j in range(80) if i != j]
    qrels = [
        ir_measures.Qrel(str(i), str(j), round(6 * len(sets[i] & sets[j]) / len(sets[i] | sets[j])))
        for i, j in pairs
    ]
    run = [ir_measures.ScoredDoc(str(i), str(j), float(rows[i] @ rows[j])) for i, j in pairs]
    measured = list(ir_measures.iter_calc([P @ 1, P @ 5, P @ 10, RR, AP, nDCG @ 10], qrels, run))
    key_of = {
        str(P @ 1): ("precision", 1),
        str(P @ 5): ("precision", 5),
        str(P @ 10): ("precision", 10),
        str(RR): ("mrr", None),
        str(AP): ("map", None),
        str(nDCG @ 10): ("ndcg", 10),
    }
    assert len(measured) == 6 * 80
    for one in measured:
        assert scores[key_of[str(one.measure)]][int(one.query_id)] == pytest.approx(one.value, abs=1e-9)


@given(st.integers(1, 30), st.integers(1, 6), st.integers(0, 2**32 - 1), st.integers(1, 31))
@settings(max_examples=60, deadline=None)
def test_agrees_with_loops_in_any_blocks(count: int, classes: int, seed: int, block_rows: int) -> None:
    corpus = make_corpus(count, classes=classes, dimensions=3, seed=seed)
    # Every vector twice, so that there are ties.
    rows = unit_rows(np.repeat(corpus.baseline, 2, axis=0)[:count])
    membership = label_matrix(corpus.specialties).membership
    scores = retrieval_scores(rows, membership, block_rows=block_rows)
    expected = by_loops(rows, corpus.specialties)
    assert set(scores) == set(expected)
    for key, values in expected.items():
        np.testing.assert_allclose(scores[key], values, atol=1e-12, err_msg=str(key))
        defined = scores[key][np.isfinite(scores[key])]
        assert ((defined >= 0) & (defined <= 1 + 1e-12)).all()


def test_a_perfect_embedding_scores_one() -> None:
    sets = [{name} for name in "abc" for _ in range(12)]
    rows = unit_rows(np.repeat(np.eye(3), 12, axis=0))
    for key, values in retrieval_scores(rows, label_matrix(sets).membership).items():
        assert (values == 1.0).all(), key


def test_precision_is_divided_by_k_also_where_there_are_fewer_candidates() -> None:
    scores = retrieval_scores(np.eye(3), label_matrix([{"a"}] * 3).membership)
    assert scores["precision", 1].tolist() == [1.0] * 3
    assert scores["precision", 5].tolist() == [0.4] * 3
    assert scores["precision", 10].tolist() == [0.2] * 3


def test_a_query_without_a_relevant_candidate_is_undefined() -> None:
    sets = [{"a"}, {"a"}, {"b"}]
    scores = retrieval_scores(
        unit_rows(unit(np.array([[1.0, 0], [1, 0.1], [1, 0.2]]))), label_matrix(sets).membership
    )
    assert np.isnan([values[2] for values in scores.values()]).all()
