"""Alignment, uniformity, effective rank and spread against brute force, and what turning the space leaves alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import pairwise_distances

from medembed_pipeline.evaluation.relevance import label_matrix
from medembed_pipeline.evaluation.vectors import effective_rank
from medembed_pipeline.evidence.diagnostics.geometry import (
    alignment_and_uniformity,
    specialty_spread,
)
from medembed_pipeline_tests.evidence.diagnostics.spaces import make_notes, make_rows, random_rows, rotation


@pytest.mark.parametrize("block_rows", [None, 1, 7])
def test_alignment_and_uniformity_equal_brute_force(block_rows: int | None) -> None:
    notes = make_notes(60)
    rows = make_rows(notes)
    sets = [set(names) for names in notes.specialties]
    distances, potentials = [], []
    for one, other in itertools.combinations(range(60), 2):
        squared = float(((rows[one] - rows[other]) ** 2).sum())
        potentials.append(np.exp(-2 * squared))
        if sets[one] & sets[other]:
            distances.append(squared)
    alignment, uniformity = alignment_and_uniformity(
        rows, label_matrix(notes.specialties).membership, block_rows=block_rows
    )
    assert alignment.value == pytest.approx(np.mean(distances), abs=1e-12)
    assert alignment.pairs == len(distances)
    assert uniformity.value == pytest.approx(np.log(np.mean(potentials)), abs=1e-12)
    assert uniformity.pairs == 60 * 59 // 2


def test_ends_of_the_scales() -> None:
    same = np.tile([[1.0, 0.0]], (5, 1))
    one_label = np.ones((5, 1))
    alignment, uniformity = alignment_and_uniformity(same, one_label)
    assert alignment.value == uniformity.value == 0.0
    opposite = np.array([[1.0, 0.0], [-1.0, 0.0]])
    alignment, uniformity = alignment_and_uniformity(opposite, np.ones((2, 1)))
    assert (alignment.value, uniformity.value) == (4.0, -8.0)
    assert effective_rank(same) == pytest.approx(1.0)


def test_without_pairs_there_is_no_figure() -> None:
    for count in (0, 1):
        alignment, uniformity = alignment_and_uniformity(np.eye(3)[:count], np.ones((count, 1)))
        assert np.isnan(alignment.value) and np.isnan(uniformity.value)
        assert alignment.pairs == uniformity.pairs == 0
    alignment, uniformity = alignment_and_uniformity(np.eye(3), np.eye(3))
    assert np.isnan(alignment.value) and np.isfinite(uniformity.value)
    assert np.isnan(effective_rank(np.empty((0, 4))))


def test_effective_rank_is_the_entropy_of_the_singular_values() -> None:
    rows = random_rows(40, 9) * np.linspace(1, 0.1, 9)
    values = np.sqrt(np.linalg.eigvalsh(rows.T @ rows))
    shares = values / values.sum()
    assert effective_rank(rows) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 12), seed=st.integers(0, 1000))
def test_effective_rank_of_orthonormal_rows_is_their_number(count: int, seed: int) -> None:
    assert effective_rank(rotation(12, seed)[:count]) == pytest.approx(count)


@settings(max_examples=25, deadline=None)
@given(count=st.integers(2, 40), dimensions=st.integers(2, 20), seed=st.integers(0, 1000))
def test_turning_the_space_changes_nothing(count: int, dimensions: int, seed: int) -> None:
    rows = random_rows(count, dimensions, seed)
    turned = rows @ rotation(dimensions, seed + 1)
    labels = label_matrix([[f"specialty {row % 3}"] for row in range(count)])
    for before, after in zip(
        alignment_and_uniformity(rows, labels.membership),
        alignment_and_uniformity(turned, labels.membership),
        strict=True,
    ):
        assert after == pytest.approx(before, abs=1e-9, nan_ok=True)
    assert effective_rank(turned) == pytest.approx(effective_rank(rows), rel=1e-6)
    assert 1 - 1e-9 <= effective_rank(rows) <= min(count, dimensions) + 1e-9
    spread = specialty_spread(turned, labels)
    for name, figure in specialty_spread(rows, labels).items():
        assert spread[name].value == pytest.approx(figure.value, abs=1e-9)


def test_spread_equals_brute_force_and_shows_the_collapsed_specialty() -> None:
    notes = make_notes(90)
    rows = make_rows(notes)
    collapsed = [row for row, names in enumerate(notes.specialties) if names == ["specialty 1"]]
    rows[collapsed] = rows[collapsed[0]]
    only = [names if "specialty 1" not in names else ["specialty 1"] for names in notes.specialties]
    several = [
        row for row, names in enumerate(notes.specialties) if len(names) > 1 and "specialty 1" in names
    ]
    rows[several] = rows[collapsed[0]]
    found = specialty_spread(rows, label_matrix(only))
    for name, figure in found.items():
        members = [row for row, names in enumerate(only) if name in names]
        distances = pairwise_distances(rows[members], metric="cosine")[np.triu_indices(len(members), k=1)]
        assert figure.value == pytest.approx(np.median(distances), abs=1e-12)
        assert figure.pairs == len(distances)
    assert found["specialty 1"].value == pytest.approx(0, abs=1e-12)
    assert min(figure.value for name, figure in found.items() if name != "specialty 1") > 0.1


@pytest.mark.parametrize("outside", [0.1, 0.25])
def test_a_collapsed_specialty_shows_though_some_of_its_notes_lie_elsewhere(outside: float) -> None:
    count = 60
    rows = random_rows(2 * count, 24)
    rows[round(outside * count) : count] = rows[0]
    found = specialty_spread(rows, label_matrix([["one"]] * count + [["two"]] * count))
    assert found["one"].value == pytest.approx(0, abs=1e-12) and found["two"].value > 0.5


def test_of_a_large_specialty_some_notes_tell_the_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, labels = random_rows(400, 24), label_matrix([["one"]] * 400)
    whole = specialty_spread(rows, labels)["one"]
    monkeypatch.setattr("medembed_pipeline.evidence.diagnostics.geometry.MOST_SPREAD_NOTES", 100)
    part = specialty_spread(rows, labels)["one"]
    assert (whole.pairs, part.pairs) == (400 * 399 // 2, 100 * 99 // 2)
    assert part.value == pytest.approx(whole.value, abs=0.02)


def test_a_specialty_of_one_note_has_no_spread() -> None:
    labels = label_matrix([["one"], ["two"], ["two"]])
    assert list(specialty_spread(np.eye(3), labels)) == ["two"]
