"""The whole table: its shape, its promises, and a row of each kind recomputed by other means."""

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import silhouette_score

from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline.evaluation.metrics_table import METRICS, METRICS_SCHEMA, metrics_table
from medembed_pipeline.evaluation.neighbors import neighbors_table
from medembed_pipeline_tests.evaluation.corpus import Corpus, make_corpus


def table_of(corpus: Corpus, **changes: Any) -> pa.Table:
    arguments: dict[str, Any] = {
        "note_ids": corpus.note_ids,
        "baseline": corpus.baseline,
        "tuned": corpus.tuned,
        "specialties": corpus.specialties,
        "duplicate_groups": corpus.groups,
        "resamples": 100,
        "seed": 3,
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
    assert set(table_of(make_corpus(6), split="train", resamples=0)["split"].to_pylist()) == {"train"}


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
    # Spread and separation of a small specialty are slightly smaller in a resample, so this is not asked of
    # those.
    overall = frame[frame.scope.isin(["all", "macro"])]
    assert ((overall.ci_low <= overall.value) & (overall.value <= overall.ci_high)).all()
    models = frame[frame.model != "difference"]
    for metrics, low, high in (
        (("precision", "mrr", "ndcg", "map"), 0.0, 1.0),
        (("silhouette", "positive_similarity", "negative_similarity"), -1.0, 1.0),
        (("davies_bouldin", "positive_similarity_std", "negative_similarity_std"), 0.0, np.inf),
    ):
        chosen = models[models.metric.isin(metrics)]
        assert ((chosen.ci_low >= low) & (chosen.ci_high <= high)).all()


def test_a_centred_interval_does_not_leave_the_range_of_its_figure() -> None:
    # Few notes, so that the resamples of the silhouette, moved onto its value, reach beyond 1.
    table = table_of(make_corpus(20, classes=3, dimensions=3, seed=29), seed=0).to_pandas()
    silhouettes = table[(table.metric == "silhouette") & (table.model != "difference")]
    assert silhouettes.ci_high.max() == 1.0
    assert silhouettes.ci_low.min() >= -1.0


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
    first, second = (table_of(each, resamples=20).to_pandas() for each in (corpus, mixed))
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_identical_models_differ_by_zero_with_an_interval_of_zero(corpus: Corpus) -> None:
    difference = table_of(corpus, tuned=corpus.baseline).to_pandas().query("model == 'difference'")
    assert (difference[["value", "ci_low", "ci_high"]] == 0).all(axis=None)


def test_known_neighbours_give_the_identical_table(corpus: Corpus, table: pa.Table) -> None:
    scored = [note_id for note_id, names in zip(corpus.note_ids, corpus.specialties, strict=True) if names]
    known = pa.concat_tables(
        neighbors_table(model, corpus.note_ids, vectors, scored_note_ids=scored)
        for model, vectors in (("baseline", corpus.baseline), ("tuned", corpus.tuned))
    )
    assert table_of(corpus, neighbors=known).equals(table)
    # Read, and not just looked at: other neighbours give other figures.
    swapped = known.set_column(0, known.schema.field(0), pa.array(known["model"].to_pylist()[::-1]))
    assert not table_of(corpus, neighbors=swapped).equals(table)
    without_a_first_rank = known.filter(pc.or_(pc.greater(known["rank"], 1), pc.equal(known["pool"], "all")))
    only_tuned = known.filter(pc.equal(known["model"], "tuned"))
    other_notes = known.filter(pc.not_equal(known["neighbor_id"], scored[0]))
    twice = pa.concat_tables([known, known])
    for wrong in (without_a_first_rank, only_tuned, other_notes, twice):
        with pytest.raises(EvaluationError, match="'baseline' does not fit the 86 scored notes"):
            table_of(corpus, neighbors=wrong)
    with pytest.raises(EvaluationError, match="columns rank are missing"):
        table_of(corpus, neighbors=known.drop_columns("rank"))


def test_small_specialties_have_no_figures_and_undefined_figures_are_nan() -> None:
    corpus = make_corpus(20, classes=2)
    sets = [{f"specialty {row % 2}"} for row in range(20)]
    sets[0], sets[1], sets[2] = {"rare"}, {"rare"}, {"alone"}
    sets[3] = sets[4] = sets[5] = {"together"}
    groups = [f"group {row}" for row in range(20)]
    groups[3] = groups[4] = groups[5] = "one group"
    table = table_of(corpus, specialties=sets, duplicate_groups=groups)
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
    table = table_of(make_corpus(6), specialties=sets, resamples=0)
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


def test_without_resamples_there_are_no_intervals(corpus: Corpus, table: pa.Table) -> None:
    plain = table_of(corpus, resamples=0)
    np.testing.assert_allclose(plain["value"], table["value"], rtol=1e-12)
    assert plain.to_pandas()[["ci_low", "ci_high"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"specialties": [{"a"}]}, "specialties: 1 entries for 90 notes"),
        ({"duplicate_groups": []}, "duplicate_groups: 0 entries"),
        ({"tuned": np.eye(3)}, "tuned embeddings: 3 rows for 90 notes"),
        ({"baseline": np.ones((90, 4))}, "baseline embeddings: 90 of 90 rows"),
        ({"minimum_notes": 0}, "minimum_notes = 0"),
        ({"resamples": -1}, "resamples = -1"),
        ({"confidence": 95}, "confidence = 95"),
        ({"specialties": [{"macro"}] * 90}, "'macro' is taken"),
        ({"note_ids": ["same"] * 90}, "same occurs more than once"),
    ],
)
def test_input_that_does_not_fit_is_refused(corpus: Corpus, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        table_of(corpus, **changes)
