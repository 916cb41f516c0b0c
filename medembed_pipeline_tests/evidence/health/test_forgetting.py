"""The sentence triplets, their score, and the sign test."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from medembed_pipeline.evidence.health.forgetting import (
    chance_of_loss,
    forgetting_records,
    lost_sets,
    triplets_right,
)
from medembed_pipeline.evidence.health.general_pairs import Triplet, general_pairs_version, general_triplets
from medembed_pipeline_tests.evidence.health.spaces import random_rows, rotation

MEDICAL = ("patient", "hospital", "diagnos", "surgery", "surgeon", "clinic", "symptom", "disease", "medic")


def test_the_triplets_are_whole_different_and_of_everyday_life() -> None:
    triplets = general_triplets()
    assert sorted(triplets) == ["negation", "paraphrase", "topic"]
    sentences = [text for found in triplets.values() for triplet in found for text in triplet]
    assert all(len(found) == 40 for found in triplets.values())
    assert len(sentences) == len(set(sentences)) == 360
    for sentence in sentences:
        assert sentence == sentence.strip() and sentence.endswith(".") and 3 <= len(sentence.split()) <= 20
        assert not any(word in sentence.lower() for word in MEDICAL), sentence


def test_words_alone_do_not_give_the_answer() -> None:
    """A model that only counts shared words must fail on most triplets."""

    def shared(one: str, other: str) -> int:
        return len(set(one.lower().strip(".").split()) & set(other.lower().strip(".").split()))

    for name, found in general_triplets().items():
        right = sum(shared(one.anchor, one.same) > shared(one.anchor, one.other) for one in found)
        assert right <= len(found) / 2, name


def test_the_version_is_that_of_the_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    before = general_pairs_version()
    assert before == general_pairs_version()
    monkeypatch.setattr(
        "medembed_pipeline.evidence.health.general_pairs.general_triplets",
        lambda: {"paraphrase": [Triplet("A.", "B.", "C.")]},
    )
    assert general_pairs_version() != before


def test_a_triplet_is_right_where_the_second_sentence_is_the_nearer() -> None:
    near, far = [0.8, 0.6], [0.0, 1.0]
    anchor = [1.0, 0.0]
    rows = np.array([anchor, near, far, anchor, far, near, anchor, near, near])
    assert triplets_right(rows).tolist() == [True, False, False]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000))
def test_turning_the_space_changes_no_answer(seed: int) -> None:
    rows = random_rows(30, 6, seed)
    assert triplets_right(rows @ rotation(6, seed)).tolist() == triplets_right(rows).tolist()


@given(lost=st.integers(0, 40), won=st.integers(0, 40))
def test_the_sign_test_is_that_of_scipy(lost: int, won: int) -> None:
    expected = binomtest(lost, lost + won, alternative="greater").pvalue if lost + won else 1.0
    assert chance_of_loss(lost, won) == pytest.approx(expected)


def test_records_count_each_set_by_itself() -> None:
    triplet = Triplet("A.", "B.", "C.")
    triplets = {"one": [triplet] * 2, "two": [triplet] * 4}
    baseline = np.array([True, False, True, True, True, False])
    tuned = np.array([True, True, False, False, True, False])
    assert forgetting_records(triplets, baseline, tuned) == [
        {
            "set": "one",
            "triplets": 2,
            "baseline": 0.5,
            "tuned": 1.0,
            "lost": 0,
            "won": 1,
            "chance_of_loss": 1.0,
        },
        {
            "set": "two",
            "triplets": 4,
            "baseline": 0.75,
            "tuned": 0.25,
            "lost": 2,
            "won": 0,
            "chance_of_loss": 0.25,
        },
    ]


def test_lost_sets_are_corrected_for_their_number_and_not_made_up_for() -> None:
    def found(**chances: float) -> list[str]:
        records = [{"set": name, "chance_of_loss": chance} for name, chance in chances.items()]
        return lost_sets(records, significance=0.05)

    assert found(a=0.9999, b=0.004, c=0.7) == ["b"]
    assert found(a=0.02, b=0.5, c=0.9) == []
    assert found(a=0.02, b=0.016) == ["b", "a"]
    assert found(a=0.04, b=0.03) == []
    assert found() == []
