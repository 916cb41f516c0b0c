"""The whole table: its shape, its promises, and a row of each kind recomputed by other means."""

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.metrics import silhouette_score

from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline.evaluation.metrics_table import METRICS, METRICS_SCHEMA, metrics_table
from medembed_pipeline.evaluation.retrieval import RETRIEVAL_METRICS
from medembed_pipeline_tests.evaluation.corpus import Corpus, make_corpus


def table_of(corpus: Corpus, **changes: Any) -> pa.Table:
    arguments: dict[str, Any] = {
        "note_ids": corpus.note_ids,
        "baseline": corpus.baseline,
        "tuned": corpus.tuned,
        "specialties": corpus.specialties,
        "groups": corpus.groups,
    }
    return metrics_table(**(arguments | changes))


def figure(table: pa.Table, scope: str, metric: str, column: str = "value", *, k: int | None = None) -> Any:
    """One number of the tuned model."""
    frame = table.to_pandas()
    chosen = frame[(frame.model == "tuned") & (frame.scope == scope) & (frame.metric == metric)]
    return (chosen if k is None else chosen[chosen.k == k])[column].item()


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return make_corpus(90, unlabelled=4)


@pytest.fixture(scope="module")
def table(corpus: Corpus) -> pa.Table:
    return table_of(corpus)


def test_rows_come_in_the_promised_order(table: pa.Table) -> None:
    assert table.schema.equals(METRICS_SCHEMA, check_metadata=True)
    assert all(field.metadata[b"description"] for field in table.schema)
    scopes = ["all", "macro", *(f"specialty {number}" for number in range(5))]
    expected = [
        (model, scope, *metric)
        for model, scope, metric in itertools.product(["baseline", "tuned", "difference"], scopes, METRICS)
    ]
    assert (
        list(zip(*(table[name].to_pylist() for name in ("model", "scope", "metric", "k")), strict=True))
        == expected
    )
    assert set(table["split"].to_pylist()) == {"test"}
    assert set(table_of(make_corpus(6), split="train")["split"].to_pylist()) == {"train"}


def test_values_agree_with_other_means(corpus: Corpus, table: pa.Table) -> None:
    scored = [row for row, names in enumerate(corpus.specialties) if names]
    rows, sets = corpus.tuned[scored].astype(np.float64), [corpus.specialties[row] for row in scored]
    single = [row for row, names in enumerate(sets) if len(names) == 1]
    names = [min(sets[row]) for row in single]
    assert figure(table, "all", "silhouette") == pytest.approx(
        silhouette_score(rows[single], names, metric="cosine"), abs=1e-6
    )
    assert figure(table, "all", "silhouette", "n") == len(single)

    similarity = rows @ rows.T
    np.fill_diagonal(similarity, -2)
    right = np.array([bool(sets[row] & sets[similarity[row].argmax()]) for row in range(len(sets))])
    assert figure(table, "all", "precision", k=1) == pytest.approx(right.mean())
    per_specialty = {}
    for number in range(5):
        carries = np.array([f"specialty {number}" in names for names in sets])
        per_specialty[number] = right[carries].mean()
        assert figure(table, f"specialty {number}", "precision", k=1) == pytest.approx(per_specialty[number])
        assert figure(table, f"specialty {number}", "precision", "n", k=1) == carries.sum()
    assert figure(table, "macro", "precision", k=1) == pytest.approx(np.mean(list(per_specialty.values())))
    assert figure(table, "macro", "precision", "n", k=1) == len(scored) == 86

    pairs = [(i, j) for i, j in itertools.combinations(range(len(sets)), 2) if not sets[i] & sets[j]]
    assert figure(table, "all", "negative_similarity") == pytest.approx(
        np.mean([rows[i] @ rows[j] for i, j in pairs]), abs=1e-7
    )


def test_difference_is_tuned_minus_baseline_with_its_own_paired_interval(table: pa.Table) -> None:
    frame = table.to_pandas()
    baseline, tuned, difference = (
        frame[frame.model == name].reset_index(drop=True) for name in ("baseline", "tuned", "difference")
    )
    np.testing.assert_allclose(difference.value, tuned.value - baseline.value)
    # The two models err on the same notes, so pairing is worth something over the whole table.
    width = difference.ci_high - difference.ci_low
    unpaired = np.hypot(tuned.ci_high - tuned.ci_low, baseline.ci_high - baseline.ci_low)
    assert width.median() < unpaired.median()


def test_values_lie_inside_their_intervals_and_ranges(table: pa.Table) -> None:
    frame = table.to_pandas()
    assert np.isfinite(frame[["value", "ci_low", "ci_high"]]).all(axis=None)
    assert ((frame.ci_low <= frame.value) & (frame.value <= frame.ci_high)).all()
    models = frame[frame.model != "difference"]
    for metrics, low, high in (
        (("precision", "mrr", "ndcg", "map"), 0.0, 1.0),
        (("silhouette", "positive_similarity", "negative_similarity"), -1.0, 1.0),
        (("davies_bouldin", "positive_similarity_std", "negative_similarity_std"), 0.0, np.inf),
    ):
        chosen = models[models.metric.isin(metrics)]
        assert ((chosen.ci_low >= low) & (chosen.ci_high <= high)).all()


def test_the_interval_of_a_perfect_figure_is_as_long_as_so_few_notes_leave_it() -> None:
    sets = [{name} for name in "abc" for _ in range(12)]
    corpus = make_corpus(36)
    table = table_of(
        corpus, tuned=np.repeat(np.eye(3), 12, axis=0), specialties=sets, groups=range(36)
    ).to_pandas()
    perfect = table[(table.model == "tuned") & table.metric.isin(["precision", "mrr", "ndcg", "map"])]
    assert (perfect.value == 1).all() and (perfect.ci_high == 1).all()
    # Clopper and Pearson: so large a share of groups with a worse figure shows none of them in 36 with 2.5%.
    overall = perfect[perfect.scope.isin(["all", "macro"])]
    np.testing.assert_allclose(overall.ci_low**36, 0.025)
    np.testing.assert_allclose(perfect[perfect.scope == "a"].ci_low ** 12, 0.025)


@given(st.integers(0, 2**32 - 1), st.integers(2, 30))
@settings(max_examples=15, deadline=None)
def test_the_order_of_the_notes_does_not_matter(seed: int, count: int) -> None:
    corpus = make_corpus(count, seed=seed, unlabelled=1)
    shuffled = np.random.default_rng(seed).permutation(count)
    mixed = Corpus(
        note_ids=[corpus.note_ids[row] for row in shuffled],
        baseline=corpus.baseline[shuffled],
        tuned=corpus.tuned[shuffled],
        specialties=[corpus.specialties[row] for row in shuffled],
        groups=[corpus.groups[row] for row in shuffled],
    )
    first, second = (table_of(each).to_pandas() for each in (corpus, mixed))
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_identical_models_differ_by_zero_with_an_interval_of_zero(corpus: Corpus) -> None:
    difference = table_of(corpus, tuned=corpus.baseline).to_pandas().query("model == 'difference'")
    assert (difference[["value", "ci_low", "ci_high"]] == 0).all(axis=None)


def test_word_matching_is_scored_on_the_same_queries(corpus: Corpus, table: pa.Table) -> None:
    words = np.random.default_rng(5).random((90, 30)) * (np.random.default_rng(6).random((90, 30)) < 0.2)
    words[:, 0] += 0.1
    words /= np.linalg.norm(words, axis=1, keepdims=True)
    found = table_of(corpus, lexical=csr_matrix(words)).to_pandas()
    assert list(dict.fromkeys(found.model)) == [
        "baseline",
        "tuned",
        "difference",
        "lexical",
        "tuned_over_lexical",
    ]
    assert len(found) == len(table) + 2 * 7 * len(RETRIEVAL_METRICS)
    pd.testing.assert_frame_equal(found.iloc[: len(table)], table.to_pandas())
    # As if the words were the embeddings of a model.
    columns = ["scope", "metric", "k", "value", "ci_low", "ci_high", "n", "groups", "degrees"]
    ranked = ["precision", "mrr", "ndcg", "map"]
    for model, other, changes in (
        ("lexical", "baseline", {"baseline": words}),
        ("tuned_over_lexical", "difference", {"baseline": words}),
    ):
        expected = table_of(corpus, **changes).to_pandas()
        expected = expected[(expected.model == other) & expected.metric.isin(ranked)]
        pd.testing.assert_frame_equal(
            found[found.model == model][columns].reset_index(drop=True),
            expected[columns].reset_index(drop=True),
            rtol=1e-9,
        )


def test_groups_and_degrees_of_freedom_are_those_behind_the_figure(corpus: Corpus, table: pa.Table) -> None:
    frame = table.to_pandas()
    scored = [row for row, names in enumerate(corpus.specialties) if names]
    assert figure(table, "all", "map", "groups") == len({corpus.groups[row] for row in scored})
    for number in range(5):
        own = {corpus.groups[row] for row in scored if f"specialty {number}" in corpus.specialties[row]}
        assert figure(table, f"specialty {number}", "map", "groups") == len(own)
    assert ((frame.degrees >= 1) & (frame.degrees <= frame.groups - 1)).all()


def test_small_specialties_have_no_figures_and_undefined_figures_are_nan() -> None:
    corpus = make_corpus(20, classes=2)
    sets = [{f"specialty {row % 2}"} for row in range(20)]
    sets[0], sets[1], sets[2] = {"rare"}, {"rare"}, {"alone"}
    sets[3] = sets[4] = sets[5] = {"together"}
    groups = [f"group {row}" for row in range(20)]
    groups[3] = groups[4] = groups[5] = "one group"
    table = table_of(corpus, specialties=sets, groups=groups)
    assert set(table["scope"].to_pylist()) == {"all", "macro", "specialty 0", "specialty 1", "together"}
    frame = table.to_pandas()
    together = frame.query("model == 'tuned' and scope == 'together'")
    assert np.isfinite(together.value).all()
    # One duplicate group is no evidence of spread: no interval, rather than one of width zero.
    assert together[["ci_low", "ci_high"]].isna().all(axis=None)
    assert (together.n == 3).all()
    assert frame.query("scope == 'all' and metric == 'mrr'").n.tolist() == [19] * 3
    assert frame.query("scope == 'macro' and metric == 'mrr'").n.tolist() == [17] * 3

    only = table_of(corpus, specialties=[{"one"}] * 20).to_pandas()
    undefined = {
        "silhouette",
        "davies_bouldin",
        "negative_similarity",
        "negative_similarity_std",
        "margin",
        "separation",
    }
    missing = only[only.value.isna()].reset_index()
    assert set(missing.metric) == undefined
    assert missing[["ci_low", "ci_high"]].isna().all(axis=None)


def test_n_counts_the_notes_behind_each_figure() -> None:
    sets = [{"a"}, {"a"}, {"a", "b"}, {"b"}, {"b"}, {"a", "b", "c"}]
    table = table_of(make_corpus(6), specialties=sets)
    expected = {
        "precision": 6,
        "silhouette": 4,
        "positive_similarity": 6,
        "negative_similarity": 4,
        "margin": 6,
    }
    for metric, count in expected.items():
        k = 1 if metric == "precision" else None
        assert figure(table, "all", metric, "n", k=k) == count, metric
    assert figure(table, "a", "negative_similarity", "n") == 2
    assert figure(table, "a", "positive_similarity", "n") == 4


def test_no_scored_note_and_one_scored_note_give_nan_and_not_zero() -> None:
    corpus = make_corpus(5)
    for sets, scored in (([None] * 5, 0), ([{"a"}, *[set()] * 4], 1)):
        frame = table_of(corpus, specialties=sets).to_pandas()
        assert set(frame.scope) == {"all", "macro"}
        assert frame[["value", "ci_low", "ci_high"]].isna().all(axis=None)
        assert frame.n.max() <= scored


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"specialties": [{"a"}]}, "specialties: 1 entries for 90 notes"),
        ({"groups": []}, "groups: 0 entries"),
        ({"tuned": np.eye(3)}, "tuned embeddings: 3 rows for 90 notes"),
        ({"baseline": np.ones((90, 4))}, "baseline embeddings: 90 of 90 rows"),
        ({"minimum_notes": 0}, "minimum_notes = 0"),
        ({"confidence": 95}, "confidence = 95"),
        ({"specialties": [{"macro"}] * 90}, "'macro' is taken"),
        ({"note_ids": ["same"] * 90}, "same occurs more than once"),
    ],
)
def test_input_that_does_not_fit_is_refused(corpus: Corpus, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        table_of(corpus, **changes)
