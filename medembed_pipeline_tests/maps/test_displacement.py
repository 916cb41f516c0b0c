from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.maps.aligned_umap import Space
from medembed_pipeline.maps.alignment import displacement
from medembed_pipeline.maps.displacement import (
    NOTE_DISPLACEMENT_SCHEMA,
    note_displacement_table,
    shared_nearest,
)
from medembed_pipeline.maps.errors import MapError
from medembed_pipeline_tests.maps.conftest import space_of


def spaces(count: int = 40, *, widths: tuple[int, int] = (12, 12), seed: int = 0) -> tuple[Space, Space]:
    generator = np.random.default_rng(seed)
    first = generator.normal(size=(count, widths[0]))
    second = generator.normal(size=(count, widths[1]))
    shared = min(widths)
    second[:, :shared] += first[:, :shared]
    return space_of(first), space_of(second)


def table_of(baseline: Space, tuned: Space, ids: list[str], k: int = 10) -> tuple[dict[str, list], dict]:
    table, facts = note_displacement_table(
        ids,
        baseline=baseline.embeddings,
        tuned=tuned.embeddings,
        baseline_neighbors=baseline.neighbor_indices,
        tuned_neighbors=tuned.neighbor_indices,
        overlap_neighbors=k,
    )
    assert table.schema.equals(NOTE_DISPLACEMENT_SCHEMA, check_metadata=True)
    return table.to_pydict(), facts


def some_ids(count: int) -> list[str]:
    return [f"note-{number:03d}" for number in np.random.default_rng(1).permutation(count)]


@settings(max_examples=30, deadline=None)
@given(count=st.integers(2, 40), k=st.integers(1, 60), seed=st.integers(0, 99))
def test_overlap_is_the_one_of_a_plain_loop(count: int, k: int, seed: int) -> None:
    baseline, tuned = spaces(count, seed=seed)
    width = min(k, count - 1)
    expected = [
        len({int(n) for n in one[:width]} & {int(n) for n in other[:width]}) / width
        for one, other in zip(baseline.neighbor_indices, tuned.neighbor_indices, strict=True)
    ]
    found = shared_nearest(baseline.neighbor_indices, tuned.neighbor_indices, k)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_array_equal(shared_nearest(baseline.neighbor_indices, baseline.neighbor_indices, k), 1)


def test_the_table_holds_every_note_and_ranks_the_farthest_first() -> None:
    baseline, tuned = spaces()
    ids = some_ids(40)
    columns, facts = table_of(baseline, tuned, ids)
    assert columns["note_id"] == sorted(ids)
    order = np.argsort(ids)
    by_id = displacement(np.asarray(baseline.embeddings)[order], np.asarray(tuned.embeddings)[order])
    moved = dict(zip(sorted(ids), by_id, strict=True))
    np.testing.assert_allclose(columns["displacement"], [moved[i] for i in sorted(ids)], rtol=1e-6)
    ranked = [columns["note_id"][row] for row in np.argsort(columns["rank"])]
    assert ranked == sorted(ids, key=moved.__getitem__, reverse=True)
    assert sorted(columns["rank"]) == list(range(1, 41))
    assert 0 < facts["displacement_floor"] < 0.1 < facts["median_displacement"]
    assert facts["mean_neighbor_overlap"] == pytest.approx(np.mean(columns["neighbor_overlap"]))
    assert facts["overlap_neighbors"] == 10 and facts["note"] == ""


def test_the_order_of_notes_does_not_matter() -> None:
    baseline, tuned = spaces()
    ids = some_ids(40)
    order = np.random.default_rng(5).permutation(40)
    place = np.argsort(order)

    def turned(space: Space) -> Space:
        return Space(
            np.asarray(space.embeddings)[order],
            place[np.asarray(space.neighbor_indices)[order]],
            np.asarray(space.neighbor_similarities)[order],
        )

    first, _ = table_of(baseline, tuned, ids)
    second, _ = table_of(turned(baseline), turned(tuned), [ids[row] for row in order])
    np.testing.assert_allclose(first.pop("displacement"), second.pop("displacement"), rtol=1e-6)
    assert first == second


def test_models_of_different_dimensions_are_compared_by_neighbours() -> None:
    baseline, tuned = spaces(widths=(24, 6))
    columns, facts = table_of(baseline, tuned, some_ids(40))
    assert columns["displacement"] == [None] * 40
    assert facts["displacement_floor"] is None and facts["median_displacement"] is None
    assert "different dimensions" in facts["note"]
    by_rank = sorted(zip(columns["rank"], columns["neighbor_overlap"], columns["note_id"], strict=True))
    assert [one[1:] for one in by_rank] == sorted(one[1:] for one in by_rank)


def test_few_notes_and_unmoved_ones() -> None:
    same, _ = spaces(4)
    columns, facts = table_of(same, same, list("dbca"))
    assert columns["note_id"] == list("abcd")
    assert columns["neighbor_overlap"] == [1.0] * 4
    assert max(columns["displacement"]) < 1e-6
    assert facts["overlap_neighbors"] == 3


def test_wrong_input_is_refused() -> None:
    baseline, tuned = spaces()
    with pytest.raises(MapError, match="39 different ids for tables of"):
        table_of(baseline, tuned, ["a", "a", *some_ids(38)])
    with pytest.raises(MapError, match="overlap of 30 neighbours needs 30 per note, but neighbors holds 5"):
        shared_nearest(np.zeros((40, 5), int), np.zeros((40, 5), int), 30)
    with pytest.raises(MapError, match="Materialize neighbors again"):
        shared_nearest(np.zeros((40, 5), int), np.zeros((39, 5), int), 3)
