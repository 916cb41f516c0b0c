"""The confusion table against one counted slot by slot, and against the metrics."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.evaluation.metrics_table import metrics_table
from medembed_pipeline.evidence.queries.confusions import (
    LABEL_CONFUSIONS_SCHEMA,
    label_confusions_table,
)
from medembed_pipeline_tests.evaluation.corpus import Corpus, make_corpus
from medembed_pipeline_tests.evidence.queries.test_results import by_hand, labelled, neighbors_of


def confusions_of(corpus: Corpus) -> tuple[pa.Table, dict[str, Any]]:
    return label_confusions_table(corpus.note_ids, corpus.specialties, neighbors=neighbors_of(corpus))


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 40), classes=st.integers(1, 6), seed=st.integers(0, 10_000))
def test_agrees_with_slots_counted_one_by_one(count: int, classes: int, seed: int) -> None:
    corpus = make_corpus(count, classes=classes, seed=seed)
    sets = dict(zip(corpus.note_ids, corpus.specialties, strict=True))
    weights: dict[tuple[str, str, str], float] = defaultdict(float)
    slots: dict[tuple[str, str], int] = defaultdict(int)
    queries: dict[tuple[str, str], int] = defaultdict(int)
    for note_id, entry in by_hand(corpus).items():
        if entry["precision_tuned"] is None:
            continue
        for model in ("baseline", "tuned"):
            for name in sets[note_id]:
                queries[model, name] += 1
                for neighbor in entry[f"neighbors_{model}"]:
                    slots[model, name] += 1
                    if not sets[neighbor] & sets[note_id]:
                        for wrong in sets[neighbor]:
                            weights[model, name, wrong] += 1 / len(sets[neighbor])
    table, _ = confusions_of(corpus)
    assert table.schema.equals(LABEL_CONFUSIONS_SCHEMA)
    rows = table.to_pylist()
    assert {(row["model"], row["specialty"], row["wrong_specialty"]) for row in rows} == set(weights)
    for row in rows:
        model, name = row["model"], row["specialty"]
        assert row["weight"] == pytest.approx(weights[model, name, row["wrong_specialty"]])
        assert row["share"] == pytest.approx(row["weight"] / slots[model, name])
        assert row["queries"] == queries[model, name]
        assert name != row["wrong_specialty"]
    assert rows == sorted(
        rows, key=lambda row: (row["model"], row["specialty"], -row["weight"], row["wrong_specialty"])
    )


def test_shares_of_a_specialty_sum_to_what_its_precision_lacks() -> None:
    corpus = make_corpus(100, unlabelled=6, seed=3)
    rows = labelled(corpus)
    table, facts = confusions_of(corpus)
    metrics = metrics_table(
        [corpus.note_ids[row] for row in rows],
        corpus.baseline[rows],
        corpus.tuned[rows],
        [corpus.specialties[row] for row in rows],
        [corpus.groups[row] for row in rows],
    ).to_pylist()
    precision = {
        (row["model"], row["scope"]): row["value"]
        for row in metrics
        if row["metric"] == "precision" and row["k"] == 10 and row["model"] != "difference"
    }
    shares: dict[tuple[str, str], float] = defaultdict(float)
    for row in table.to_pylist():
        shares[row["model"], row["specialty"]] += row["share"]
    for (model, scope), value in precision.items():
        if scope not in ("all", "macro"):
            assert shares[model, scope] == pytest.approx(1 - value)
    for model in ("baseline", "tuned"):
        assert facts[f"wrong_share_{model}"] == pytest.approx(1 - precision[model, "all"])


def test_the_largest_confusions_are_those_of_the_table() -> None:
    corpus = make_corpus(100, classes=8, seed=3)
    table, facts = confusions_of(corpus)
    weight = {
        (row["model"], row["specialty"], row["wrong_specialty"]): row["weight"] for row in table.to_pylist()
    }
    records = facts["largest_confusions"]
    assert len(records) == 15
    heaviest = [max(record["weight_baseline"], record["weight_tuned"]) for record in records]
    assert heaviest == sorted(heaviest, reverse=True) and heaviest[0] == max(weight.values())
    for record in records:
        for model in ("baseline", "tuned"):
            key = (model, record["specialty"], record["wrong_specialty"])
            assert record[f"weight_{model}"] == weight.get(key, 0.0)


def test_nothing_wrong_and_nothing_at_all() -> None:
    corpus = make_corpus(12, classes=1)
    table, facts = confusions_of(corpus)
    assert table.num_rows == 0 and facts["wrong_share_tuned"] == 0 and facts["largest_confusions"] == []
    table, facts = confusions_of(make_corpus(3, unlabelled=3))
    assert table.num_rows == 0 and facts["wrong_share_tuned"] is None


def test_the_order_of_rows_does_not_matter() -> None:
    corpus = make_corpus(40, seed=8)
    backwards = label_confusions_table(
        corpus.note_ids[::-1], corpus.specialties[::-1], neighbors=neighbors_of(corpus)
    )
    assert backwards[0].equals(confusions_of(corpus)[0]) and backwards[1] == confusions_of(corpus)[1]
