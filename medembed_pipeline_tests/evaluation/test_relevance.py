"""Specialty sets: Jaccard against Python sets, what is counted, which test notes are truly held out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline.evaluation.relevance import (
    evaluation_counts,
    held_out_notes,
    jaccard,
    label_matrix,
    notes_with_irrelevant,
    notes_with_relevant,
)

label_sets = st.lists(st.sets(st.sampled_from("abcde"), max_size=3), max_size=12)


@given(label_sets)
def test_jaccard_agrees_with_python_sets(sets: list[set[str]]) -> None:
    membership = label_matrix(sets).membership
    expected = [[len(a & b) / len(a | b) if a | b else 0.0 for b in sets] for a in sets]
    np.testing.assert_allclose(
        jaccard(membership, membership), np.array(expected).reshape(len(sets), len(sets))
    )


@given(label_sets)
def test_notes_with_partners_agree_with_a_loop_over_pairs(sets: list[set[str]]) -> None:
    sets = [names or {"a"} for names in sets]
    membership = label_matrix(sets).membership
    others = [[b for j, b in enumerate(sets) if j != i] for i in range(len(sets))]
    assert notes_with_relevant(membership).tolist() == [
        any(a & b for b in rest) for a, rest in zip(sets, others, strict=True)
    ]
    assert notes_with_irrelevant(membership).tolist() == [
        any(not a & b for b in rest) for a, rest in zip(sets, others, strict=True)
    ]


def test_counts_say_what_is_left_out() -> None:
    counts = evaluation_counts([{"a"}, ["a", "b"], None, {"a"}, set(), {"c"}], minimum_notes=3)
    assert counts.notes_scored == 4
    assert counts.notes_without_specialty == 2
    assert counts.queries_without_relevant == 1
    assert counts.small_specialties == {"b": 1, "c": 1}


def test_a_plain_string_is_no_set_of_specialties() -> None:
    with pytest.raises(EvaluationError, match="row 1"):
        label_matrix([{"Neurology"}, "Neurology"])


def test_held_out_notes_leave_out_every_duplicate_of_a_trained_note() -> None:
    splits = {"n1": "test", "n2": "test", "n3": "train", "n4": "test", "n5": "validation", "n6": "test"}
    groups = {"n1": "g1", "n2": "g2", "n3": "g2", "n4": "g4", "n5": "g5", "n6": "g6"}
    assert held_out_notes(splits, groups, ["n3", "n6", "gone"]) == (["n1", "n4"], 2)
    assert held_out_notes(splits, groups, []) == (["n1", "n2", "n4", "n6"], 0)
    with pytest.raises(EvaluationError, match="first: n1"):
        held_out_notes(splits, {}, [])
