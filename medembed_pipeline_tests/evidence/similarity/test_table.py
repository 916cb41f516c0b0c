"""The table as a whole: its contract, its order, small and strange inputs."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from medembed_pipeline.evidence.similarity.examples import SimilarityError
from medembed_pipeline.evidence.similarity.table import SIMILARITY_SCHEMA
from medembed_pipeline_tests.evaluation.corpus import unit
from medembed_pipeline_tests.evidence.similarity.planted import Notes, made_up, rows, value


def test_every_figure_is_there_with_what_the_contract_says() -> None:
    notes = made_up(60)
    tuned = notes.embeddings["tuned"]
    table, facts = notes.evidence({0: notes.embeddings["baseline"], 1: tuned, 2: tuned}, heatmap_notes=12)
    assert table.schema.equals(SIMILARITY_SCHEMA)
    assert all(field.metadata[b"description"] for field in SIMILARITY_SCHEMA)
    for model in ("baseline", "tuned"):
        pairs = 0
        for group in ("positive", "negative"):
            bins = rows(table, figure="histogram", model=model, group=group)
            assert [row["position"] for row in bins] == list(range(100))
            assert {row["n"] for row in bins} == {sum(row["value"] for row in bins)}
            pairs += bins[0]["n"]
        assert pairs == 60 * 59 / 2
        for group in ("margin", "separation"):
            (row,) = rows(table, figure="spread", model=model, group=group)
            assert row["statistic"] == "value" and row["n"] == pairs
            assert facts[f"{group}_{model}"] == row["value"]
        documents = rows(table, figure="documents", model=model)
        assert len(documents) == 144
        order = list(dict.fromkeys(row["group"] for row in documents))
        assert order == [row["other"] for row in documents[:12]]
        for row in documents:
            assert row["other"] == order[row["position"]]
            own, other = (notes.note_ids.index(row[name]) for name in ("group", "other"))
            vectors = notes.embeddings[model]
            assert row["value"] == pytest.approx(float(vectors[own] @ vectors[other]), abs=1e-6)
            shared = bool(set(notes.specialties[own]) & set(notes.specialties[other]))
            assert row["relevant"] is (None if own == other else shared)
        assert Counter(row["group"] for row in rows(table, figure="neighbors", model=model)) == Counter(
            {query: 10 for query in {row["group"] for row in rows(table, figure="neighbors")}}
        )
    assert len({row["group"] for row in rows(table, figure="neighbors")}) == 8
    assert facts["epochs_kept"] == 2 and facts["notes"] == 60
    assert facts["margin_tuned"] > facts["margin_baseline"]
    at = {"figure": "progress", "model": "tuned"}
    assert value(table, **at, group="precision@5", position=1) == value(
        table, **at, group="precision@5", position=2
    )
    assert value(table, **at, group="map", position=2) > value(table, **at, group="map", position=0)
    assert value(table, **at, group="train_loss", position=1) == 2.0
    assert len(rows(table, figure="progress_map")) == 3 * 60 * 2


def test_the_order_of_the_notes_has_no_influence() -> None:
    notes = made_up(40, seed=5)
    order = np.random.default_rng(1).permutation(40)
    epochs = {0: notes.embeddings["baseline"], 1: notes.embeddings["tuned"]}
    table, facts = notes.evidence(epochs)
    again, same_facts = notes.reordered(order).evidence(
        {epoch: each[order] for epoch, each in epochs.items()}
    )
    assert facts == same_facts
    for one, other in zip(table.to_pylist(), again.to_pylist(), strict=True):
        assert one == other


def test_three_specialties_of_four_notes_and_models_of_other_sizes() -> None:
    generator = np.random.default_rng(0)
    notes = Notes(
        [f"{number:032x}" for number in range(12)],
        [[name] for name in "abc" for _ in range(4)],
        {"baseline": unit(generator.normal(size=(12, 384))), "tuned": unit(generator.normal(size=(12, 64)))},
    )
    table, facts = notes.evidence()
    assert facts["positive_pairs"] == 18 and facts["negative_pairs"] == 48 and facts["epochs_kept"] == 0
    assert {row["figure"] for row in table.to_pylist()} == {
        *("histogram", "spread", "specialties", "documents", "neighbors", "progress")
    }
    assert len(rows(table, figure="documents", model="tuned")) == 144


def test_one_specialty_has_no_negative_pairs_and_facts_are_empty_not_nan() -> None:
    notes = made_up(8, classes=1)
    table, facts = notes.evidence()
    assert facts["margin_tuned"] is None and facts["separation_baseline"] is None
    assert math.isnan(value(table, figure="spread", model="tuned", group="negative", statistic="q1"))
    assert len(rows(table, figure="specialties", model="tuned")) == 1


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_notes(count: int) -> None:
    notes = Notes(
        ["a" * 32, "b" * 32][:count],
        [["x"], ["y"]][:count],
        {model: np.eye(2, 3, dtype=np.float32)[:count] for model in ("baseline", "tuned")},
    )
    table, facts = notes.evidence()
    assert facts["notes"] == count
    assert rows(table, figure="neighbors") == []
    assert sum(row["value"] for row in rows(table, figure="histogram", model="tuned")) == count // 2
    assert len(rows(table, figure="documents", model="tuned")) == count**2


def test_a_note_without_specialty_is_refused() -> None:
    notes = made_up(5)
    with pytest.raises(SimilarityError, match="1 of 5 notes have none"):
        replace(notes, specialties=[[], *notes.specialties[1:]]).evidence()
