"""Figures by slice: the same rankings as all other figures, restricted to the queries of one value."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from medembed_pipeline.evaluation.metrics_table import metrics_table
from medembed_pipeline.evaluation.slices import SLICE_METRICS_SCHEMA, slice_metrics_table
from medembed_pipeline_tests.evaluation.corpus import Corpus, make_corpus


def table_of(corpus: Corpus, slices: dict[str, list[Any]]) -> pa.Table:
    return slice_metrics_table(
        corpus.note_ids, corpus.baseline, corpus.tuned, corpus.specialties, corpus.groups, slices
    )


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return make_corpus(90, unlabelled=4)


def test_a_slice_by_specialty_has_the_figures_of_the_specialties(corpus: Corpus) -> None:
    found = table_of(corpus, {"clinic": [sorted(names) for names in corpus.specialties]}).to_pylist()
    metrics = metrics_table(
        corpus.note_ids, corpus.baseline, corpus.tuned, corpus.specialties, corpus.groups
    ).to_pylist()
    known = {(row["scope"], row["model"], row["metric"], row["k"]): row for row in metrics}
    assert len(found) == 5 * 3 * 6
    for row in found:
        twin = known[row["value_name"], row["model"], row["metric"], row["k"]]
        for name in ("value", "ci_low", "ci_high", "n", "groups", "degrees"):
            assert row[name] == pytest.approx(twin[name], nan_ok=True), (row, name)


def test_precision_of_a_slice_searches_among_all_scored_notes(corpus: Corpus) -> None:
    sites = [["north"] if number % 3 else ["south", "west"] for number in range(90)]
    table = table_of(corpus, {"site": sites})
    assert table.schema.equals(SLICE_METRICS_SCHEMA)
    scored = [row for row, names in enumerate(corpus.specialties) if names]
    for value in ("north", "south", "west"):
        precisions = []
        asking = [row for row in scored if value in sites[row]]
        for query in asking:
            others = [row for row in scored if row != query]
            near = sorted(others, key=lambda row: -float(corpus.tuned[query] @ corpus.tuned[row]))[:5]
            precisions.append(
                np.mean([bool(corpus.specialties[query] & corpus.specialties[row]) for row in near])
            )
        (row,) = (
            one
            for one in table.to_pylist()
            if (one["value_name"], one["model"], one["metric"], one["k"]) == (value, "tuned", "precision", 5)
        )
        assert row["value"] == pytest.approx(np.mean(precisions)) and row["n"] == len(asking)
        assert row["share"] == pytest.approx(len(asking) / len(scored))
        assert 0 <= row["ci_low"] < row["value"] < row["ci_high"] <= 1


def test_values_stand_from_low_to_high_and_one_of_a_single_group_has_no_interval(corpus: Corpus) -> None:
    ages = [["9-17"] if number == 7 else ["18-39"] if number % 2 else ["(none)"] for number in range(90)]
    rows = table_of(corpus, {"age": ages}).to_pylist()
    assert list(dict.fromkeys(row["value_name"] for row in rows)) == ["9-17", "18-39", "(none)"]
    assert all(np.isnan(row["ci_low"]) for row in rows if row["value_name"] == "9-17")


def test_without_slices_or_without_notes_there_is_nothing(corpus: Corpus) -> None:
    assert len(table_of(corpus, {})) == 0
    assert len(table_of(make_corpus(3, unlabelled=3), {"site": [["north"]] * 3})) == 0
