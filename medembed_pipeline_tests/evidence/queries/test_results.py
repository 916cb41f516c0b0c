"""Every column of the ledger against a ledger kept by hand, note by note."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.evaluation.metrics_table import metrics_table
from medembed_pipeline.evaluation.neighbors import neighbors_table
from medembed_pipeline.evaluation.vectors import unit_rows
from medembed_pipeline.evidence.queries.errors import LedgerError
from medembed_pipeline.evidence.queries.near_duplicates import precision_in_other_groups
from medembed_pipeline.evidence.queries.results import QUERY_RESULTS_SCHEMA, query_results_table
from medembed_pipeline_tests.evaluation.corpus import Corpus, make_corpus, unit


def labelled(corpus: Corpus) -> list[int]:
    return [row for row, names in enumerate(corpus.specialties) if names]


def neighbors_of(corpus: Corpus, models: dict[str, Any] | None = None) -> pa.Table:
    models = models or {"baseline": corpus.baseline, "tuned": corpus.tuned}
    scored = [corpus.note_ids[row] for row in labelled(corpus)]
    return pa.concat_tables(
        [
            neighbors_table(model, corpus.note_ids, rows, scored_note_ids=scored)
            for model, rows in models.items()
        ]
    )


def ledger_of(
    corpus: Corpus, order: Sequence[int] | None = None, **changes: Any
) -> tuple[pa.Table, dict[str, Any]]:
    order = range(len(corpus.note_ids)) if order is None else order
    models = changes.pop("models", {"baseline": corpus.baseline, "tuned": corpus.tuned})
    arguments: dict[str, Any] = {
        "note_ids": [corpus.note_ids[row] for row in order],
        "specialties": [corpus.specialties[row] for row in order],
        "duplicate_groups": [corpus.groups[row] for row in order],
        "embeddings": {model: rows[list(order)] for model, rows in models.items()},
        "neighbors": neighbors_of(corpus, models),
    }
    return query_results_table(**(arguments | changes))


def by_hand(corpus: Corpus) -> dict[str, dict[str, Any]]:
    """The ledger in plain Python: sort all other notes by similarity, then by id."""
    pool = {corpus.note_ids[row]: row for row in labelled(corpus)}
    ledger: dict[str, dict[str, Any]] = {}
    for note_id, row in pool.items():
        entry: dict[str, Any] = {}
        for model, rows in (("baseline", corpus.baseline), ("tuned", corpus.tuned)):
            exact = unit_rows(rows)
            ranked = sorted(
                (round(-float(exact[row] @ exact[other]), 9), name)
                for name, other in pool.items()
                if name != note_id
            )
            order = [name for _, name in ranked]
            right = [bool(corpus.specialties[row] & corpus.specialties[pool[name]]) for name in order]
            ranks = [rank for rank, hit in enumerate(right, start=1) if hit]
            entry[f"neighbors_{model}"] = order[:10]
            entry[f"relevant_{model}"] = right[:10]
            entry[f"precision_{model}"] = sum(right[:10]) / 10 if ranks else None
            entry[f"average_precision_{model}"] = (
                sum((found + 1) / rank for found, rank in enumerate(ranks)) / len(ranks) if ranks else None
            )
        for name, one, other in (("won", "tuned", "baseline"), ("lost", "baseline", "tuned")):
            entry[name] = [
                neighbor
                for neighbor, hit in zip(entry[f"neighbors_{one}"], entry[f"relevant_{one}"], strict=True)
                if hit and neighbor not in entry[f"neighbors_{other}"]
            ]
        entry["near_duplicates"] = (
            sum(corpus.groups[other] == corpus.groups[row] for other in pool.values()) - 1
        )
        ledger[note_id] = entry
    return ledger


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 40),
    classes=st.integers(1, 6),
    unlabelled=st.integers(0, 5),
    seed=st.integers(0, 10_000),
)
def test_agrees_with_a_ledger_kept_by_hand(count: int, classes: int, unlabelled: int, seed: int) -> None:
    corpus = make_corpus(count, classes=classes, unlabelled=min(count, unlabelled), seed=seed)
    expected = by_hand(corpus)
    table, facts = ledger_of(corpus)
    assert table.schema.equals(QUERY_RESULTS_SCHEMA)
    rows = table.to_pylist()
    assert {row["note_id"] for row in rows} == set(expected)
    for row in rows:
        wanted = expected[row["note_id"]]
        exact = [name for name in wanted if not name.startswith("average")]
        assert {name: row[name] for name in exact} == {name: wanted[name] for name in exact}
        for model in ("baseline", "tuned"):
            assert row[f"average_precision_{model}"] == pytest.approx(wanted[f"average_precision_{model}"])
        if row["precision_tuned"] is not None:
            assert row["change"] == pytest.approx(wanted["precision_tuned"] - wanted["precision_baseline"])
            # What is won and lost explains the change.
            assert row["change"] == pytest.approx((len(row["won"]) - len(row["lost"])) / 10)
    changes = [row["change"] for row in rows if row["change"] is not None]
    assert facts["notes_better"] == sum(change > 0 for change in changes)
    assert facts["notes_worse"] == sum(change < 0 for change in changes)
    assert facts["notes_unchanged"] == sum(change == 0 for change in changes)
    assert facts["notes_without_relevant"] == len(rows) - len(changes)


def test_means_are_those_of_the_metrics_exactly() -> None:
    corpus = make_corpus(120, unlabelled=7, seed=2)
    rows = labelled(corpus)
    table, facts = ledger_of(corpus)
    metrics = metrics_table(
        [corpus.note_ids[row] for row in rows],
        corpus.baseline[rows],
        corpus.tuned[rows],
        [corpus.specialties[row] for row in rows],
        [corpus.groups[row] for row in rows],
    ).to_pylist()
    for model in ("baseline", "tuned"):
        for metric, k, column in (("precision", 10, "precision"), ("map", None, "average_precision")):
            value = next(
                row["value"]
                for row in metrics
                if (row["model"], row["scope"], row["metric"], row["k"]) == (model, "all", metric, k)
            )
            assert np.nanmean(table[f"{column}_{model}"].to_numpy()) == pytest.approx(value, abs=1e-12)
        assert facts[f"mean_precision_{model}"] == pytest.approx(
            np.mean(table[f"precision_{model}"].to_numpy())
        )


def test_worst_regression_first_and_ties_by_note_id() -> None:
    corpus = make_corpus(80, seed=4)
    rows = ledger_of(corpus)[0].to_pylist()
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
    assert [(row["change"], row["note_id"]) for row in rows] == sorted(
        (row["change"], row["note_id"]) for row in rows
    )
    assert rows[0]["change"] < 0 < rows[-1]["change"]
    assert len({row["change"] for row in rows}) < len(rows)


def test_a_note_that_nothing_is_relevant_to_comes_last_and_counts_nowhere() -> None:
    corpus = make_corpus(30, seed=1)
    corpus.specialties[3] = {"one of a kind"}
    table, facts = ledger_of(corpus)
    last = table.to_pylist()[-1]
    assert last["note_id"] == corpus.note_ids[3] and last["rank"] == 30
    assert last["change"] is None and last["precision_tuned"] is None and last["won"] == []
    assert len(last["neighbors_tuned"]) == 10
    assert facts["notes_without_relevant"] == 1
    assert facts["notes_better"] + facts["notes_worse"] + facts["notes_unchanged"] == 29


def test_the_order_of_rows_does_not_matter() -> None:
    corpus = make_corpus(50, unlabelled=5, seed=3)
    backwards = ledger_of(corpus, order=range(49, -1, -1))
    assert backwards[0].equals(ledger_of(corpus)[0])
    assert backwards[1] == ledger_of(corpus)[1]


def test_models_of_different_dimensions_and_few_notes() -> None:
    corpus = make_corpus(4, classes=3, seed=5)
    models = {"baseline": corpus.baseline, "tuned": unit(corpus.tuned[:, :5].astype(np.float64))}
    table, _ = ledger_of(corpus, models=models)
    assert {len(row) for row in table["neighbors_tuned"].to_pylist()} == {3}
    empty, facts = ledger_of(make_corpus(3, unlabelled=3))
    assert empty.num_rows == 0 and empty.schema.equals(QUERY_RESULTS_SCHEMA)
    assert facts["mean_precision_tuned"] is None and facts["notes_better"] == 0


def test_near_duplicates_flatter_and_the_facts_say_by_how_much() -> None:
    # Ten pairs of twins, each pair in a specialty of its own; the first two pairs also share one, and lie close.
    centers = np.eye(10, 12)
    centers[1] = centers[0] + 0.1 * centers[1]
    rows = np.repeat(centers, 2, axis=0) + np.random.default_rng(0).normal(scale=0.01, size=(20, 12))
    corpus = Corpus(
        note_ids=[f"note-{row:02d}" for row in range(20)],
        baseline=unit(rows),
        tuned=unit(rows),
        specialties=[
            {f"specialty {row // 2}", "common"} if row < 4 else {f"specialty {row // 2}"} for row in range(20)
        ],
        groups=[f"group {row // 2}" for row in range(20)],
    )
    table, facts = ledger_of(corpus)
    assert table["near_duplicates"].to_pylist() == [1] * 20
    assert facts["duplicate_neighbor_share_tuned"] == pytest.approx(1 / 10)
    # Sixteen notes find their twin alone, four find their twin and the other pair.
    assert facts["mean_precision_tuned"] == pytest.approx((16 * 0.1 + 4 * 0.3) / 20)
    # Without the twins, only those four have anything to find.
    assert facts["mean_precision_in_other_groups_tuned"] == pytest.approx(0.2)


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 30), block=st.integers(1, 9), seed=st.integers(0, 10_000))
def test_precision_in_other_groups_by_hand(count: int, block: int, seed: int) -> None:
    corpus = make_corpus(count, classes=4, dimensions=5, seed=seed)
    random = np.random.default_rng(seed)
    groups = random.integers(max(1, count // 3), size=count)
    names = sorted(set().union(*corpus.specialties))
    membership = np.array([[float(name in one) for name in names] for one in corpus.specialties])
    rows = unit_rows(corpus.tuned)
    found = precision_in_other_groups(rows, membership, groups, k=5, block_rows=block)
    for row in range(count):
        others = [other for other in range(count) if groups[other] != groups[row]]
        hits = [other for other in others if corpus.specialties[row] & corpus.specialties[other]]
        nearest = sorted(others, key=lambda other: (round(-float(rows[row] @ rows[other]), 9), other))[:5]
        if not hits:
            assert np.isnan(found[row])
        else:
            assert found[row] == pytest.approx(len(set(nearest) & set(hits)) / 5)


def test_errors_name_what_does_not_fit() -> None:
    corpus = make_corpus(20)
    neighbors = neighbors_of(corpus)
    with pytest.raises(LedgerError, match="columns similarity are missing"):
        ledger_of(corpus, neighbors=neighbors.drop_columns(["similarity"]))
    with pytest.raises(LedgerError, match="pool 'test' of the model 'baseline' does not fit the 20"):
        ledger_of(corpus, neighbors=neighbors.slice(0, neighbors.num_rows // 4 + 3))
    with pytest.raises(LedgerError, match="19 groups for 20 notes"):
        ledger_of(corpus, duplicate_groups=corpus.groups[1:])
    with pytest.raises(LedgerError, match=r"19 different\) for 20"):
        ledger_of(corpus, note_ids=[corpus.note_ids[0], *corpus.note_ids[:-1]])
