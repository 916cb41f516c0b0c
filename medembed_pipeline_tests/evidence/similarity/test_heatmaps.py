"""Specialty means against a loop over pairs, and the choice of the heatmap's notes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.evaluation.relevance import label_matrix
from medembed_pipeline.evaluation.vectors import unit_rows
from medembed_pipeline.evidence.similarity.heatmaps import heatmap_notes, main_specialties, specialty_means
from medembed_pipeline_tests.evaluation.corpus import make_corpus


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 25), classes=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
def test_specialty_means_against_a_loop_over_pairs(count: int, classes: int, seed: int) -> None:
    corpus = make_corpus(count, classes=classes, dimensions=6, seed=seed)
    labels = label_matrix(corpus.specialties)
    rows = unit_rows(corpus.baseline)
    found = specialty_means(rows, labels.membership)
    for a, first in enumerate(labels.names):
        for b, second in enumerate(labels.names):
            pairs = [
                float(rows[i] @ rows[j])
                for i in range(count)
                for j in range(count)
                if i != j and first in corpus.specialties[i] and second in corpus.specialties[j]
            ]
            assert found.pairs[a, b] == (len(pairs) // 2 if a == b else len(pairs))
            expected = np.mean(pairs) if pairs else np.nan
            assert found.means[a, b] == pytest.approx(expected, abs=1e-12, nan_ok=True)
    np.testing.assert_array_equal(found.means, found.means.T)


def test_a_perfect_and_a_collapsed_model() -> None:
    labels = label_matrix([{name} for name in "abc" for _ in range(3)])
    perfect = specialty_means(np.repeat(np.eye(3), 3, axis=0), labels.membership)
    np.testing.assert_array_equal(perfect.means, np.eye(3))
    collapsed = specialty_means(np.tile([0.6, 0.8], (9, 1)), labels.membership)
    np.testing.assert_allclose(collapsed.means, 1.0, atol=1e-12)
    assert (collapsed.means <= 1).all()


def test_the_main_specialty_is_the_most_frequent_then_the_first_by_name() -> None:
    labels = label_matrix([{"b"}, {"a", "b"}, {"c", "a"}, {"c"}, {"b", "c"}])
    assert main_specialties(labels) == ["b", "b", "c", "c", "b"]


@settings(max_examples=60, deadline=None)
@given(
    main=st.lists(st.sampled_from("abcdefgh"), max_size=60),
    notes=st.integers(2, 50),
    seed=st.integers(0, 2**31 - 1),
)
def test_the_heatmap_is_full_sorted_and_shows_blocks(main: list[str], notes: int, seed: int) -> None:
    chosen = heatmap_notes(main, notes=notes, seed=seed)
    assert len(chosen) == len(set(chosen)) == min(notes, len(main))
    names = [main[row] for row in chosen]
    # Each specialty is one run, and within it the rows ascend.
    runs = [name for place, name in enumerate(names) if place == 0 or names[place - 1] != name]
    assert len(runs) == len(set(runs))
    assert all(a < b for a, b, x, y in zip(chosen, chosen[1:], names, names[1:], strict=False) if x == y)
    # The specialties shown are the most frequent ones.
    frequent = sorted(set(main), key=lambda name: (-main.count(name), name))
    assert runs == frequent[: len(runs)]
    assert heatmap_notes(main, notes=notes, seed=seed) == chosen


def test_five_notes_of_each_of_eight_specialties() -> None:
    main = [name for name in "abcdefghij" for _ in range(12)]
    chosen = heatmap_notes(main, notes=40, seed=7)
    assert [main[row] for row in chosen] == [name for name in "abcdefgh" for _ in range(5)]
    assert heatmap_notes(main, notes=40, seed=8) != chosen
