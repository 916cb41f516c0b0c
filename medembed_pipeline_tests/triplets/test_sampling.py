"""Triplets say what they promise: shared specialty, other group, no shared specialty, the asked hardness."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.triplets.sampling import (
    LabelledNotes,
    Strategy,
    sample_triplets,
    triplet_quotas,
)
from medembed_pipeline.triplets.table import TRIPLETS_SCHEMA, triplets_table

NAMES = ["Cardiology", "Dermatology", "Neurology", "Urology"]


def make_notes(count: int = 200, seed: int = 0, prefix: str = "n") -> LabelledNotes:
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(len(NAMES), 16))
    specialties, vectors = [], []
    for _ in range(count):
        carried = generator.choice(len(NAMES), size=1 + int(generator.random() < 0.2), replace=False)
        vector = centres[carried].mean(axis=0) + generator.normal(size=16) * 1.5
        vectors.append(vector / np.linalg.norm(vector))
        specialties.append(frozenset(NAMES[column] for column in carried))
    return LabelledNotes(
        [f"{prefix}{row:05d}" for row in range(count)],
        np.array(vectors, np.float32),
        specialties,
        [f"g{row // 2}" for row in range(count)],
    )


@pytest.mark.parametrize("strategy", ["random", "semi_hard", "hard"])
def test_every_triplet_keeps_the_rules(strategy: Strategy) -> None:
    notes = make_notes()
    drawn = sample_triplets(notes, usable=NAMES, total=500, strategy=strategy, seed=3)
    assert len(drawn.anchor) == 500
    triplets = set(zip(drawn.anchor.tolist(), drawn.positive.tolist(), drawn.negative.tolist(), strict=True))
    assert len(triplets) == 500
    for position, (anchor, positive, negative) in enumerate(
        zip(drawn.anchor, drawn.positive, drawn.negative, strict=True)
    ):
        assert drawn.specialty[position] in notes.specialties[anchor] & notes.specialties[positive]
        assert notes.duplicate_groups[anchor] != notes.duplicate_groups[positive]
        assert not notes.specialties[anchor] & notes.specialties[negative]
        assert drawn.positive_similarity[position] == pytest.approx(
            float(notes.vectors[anchor] @ notes.vectors[positive]), abs=1e-5
        )
        assert drawn.negative_similarity[position] == pytest.approx(
            float(notes.vectors[anchor] @ notes.vectors[negative]), abs=1e-5
        )


def test_strategies_are_as_hard_as_their_names() -> None:
    notes = make_notes()
    mean = {}
    for strategy in ("random", "semi_hard", "hard"):
        drawn = sample_triplets(notes, usable=NAMES, total=400, strategy=strategy, seed=1)
        mean[strategy] = drawn.negative_similarity.mean()
        if strategy == "semi_hard":
            assert (drawn.negative_similarity < drawn.positive_similarity).mean() > 0.95
    assert mean["random"] < mean["semi_hard"] < mean["hard"]


def test_hard_negatives_are_among_the_ten_most_similar() -> None:
    notes = make_notes(80)
    drawn = sample_triplets(notes, usable=NAMES, total=60, strategy="hard", seed=2)
    for anchor, negative in zip(drawn.anchor, drawn.negative, strict=True):
        others = [row for row in range(80) if not notes.specialties[row] & notes.specialties[anchor]]
        ranked = sorted(others, key=lambda row: -float(notes.vectors[row] @ notes.vectors[anchor]))
        assert negative in ranked[:10]


def test_same_seed_same_triplets_and_another_seed_others() -> None:
    notes = make_notes()
    first, again, other = (
        sample_triplets(notes, usable=NAMES, total=100, strategy="semi_hard", seed=seed) for seed in (5, 5, 6)
    )
    assert np.array_equal(first.anchor, again.anchor) and np.array_equal(first.negative, again.negative)
    assert not np.array_equal(first.negative, other.negative)


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=40), st.integers(1, 5000))
@settings(max_examples=60, deadline=None)
def test_quotas_add_up_and_grow_with_the_specialty(counts: list[int], total: int) -> None:
    quotas = triplet_quotas(np.array(counts), total)
    assert quotas.sum() == total and (quotas >= 0).all()
    order = np.argsort(counts)
    assert (np.diff(quotas[order]) >= -1).all()


def test_small_data_gives_fewer_triplets_instead_of_repeats() -> None:
    notes = LabelledNotes(
        ["a", "b", "c"],
        np.eye(3, 4, dtype=np.float32),
        [frozenset({"x"}), frozenset({"x"}), frozenset({"y"})],
        ["a", "b", "c"],
    )
    drawn = sample_triplets(notes, usable=["x", "y"], total=50, strategy="random", seed=0)
    assert len(drawn.anchor) == 2


@pytest.mark.parametrize("specialty", [frozenset({"x"}), frozenset()], ids=["one", "none"])
def test_with_one_specialty_or_none_there_is_nothing_to_tell_apart(specialty: frozenset[str]) -> None:
    notes = LabelledNotes(
        [f"n{row}" for row in range(9)],
        np.eye(9, dtype=np.float32),
        [specialty] * 9,
        list("abcdefghi"),
    )
    table, facts = triplets_table(
        {"train": notes, "validation": notes},
        {"train": 9, "validation": 9},
        strategy="random",
        minimum_specialty_notes=3,
        seed=0,
    )
    assert table.num_rows == 0 and table.schema == TRIPLETS_SCHEMA
    assert facts["specialties_used"] == 0


def test_unlabelled_notes_and_small_specialties_take_no_part() -> None:
    notes = make_notes(60)
    specialties = list(notes.specialties)
    specialties[0] = frozenset()
    specialties[1] = frozenset({"Rare"})
    notes = LabelledNotes(notes.note_ids, notes.vectors, specialties, notes.duplicate_groups)
    table, facts = triplets_table(
        {"train": notes, "validation": make_notes(40, 1, "v")},
        {"train": 200, "validation": 50},
        strategy="random",
        minimum_specialty_notes=3,
        seed=0,
    )
    assert table.schema.equals(TRIPLETS_SCHEMA)
    used = {
        value
        for name in ("anchor_id", "positive_id", "negative_id")
        for value in table.column(name).to_pylist()
    }
    assert not used & {"n00000", "n00001"}
    assert facts["specialties_too_small"] == 1 and facts["specialties_used"] == 4
    assert set(table.column("split").to_pylist()) == {"train", "validation"}


def test_validation_negatives_are_not_chosen_by_the_baseline() -> None:
    table, facts = triplets_table(
        {"train": make_notes(200), "validation": make_notes(100, 1, "v")},
        {"train": 300, "validation": 100},
        strategy="semi_hard",
        minimum_specialty_notes=3,
        seed=0,
    )
    strategies = {(row["split"], row["strategy"]) for row in table.select(["split", "strategy"]).to_pylist()}
    assert strategies == {("train", "semi_hard"), ("validation", "random")}
    accuracy = {row["split"]: row["baseline_accuracy"] for row in facts["per_split"]}
    assert accuracy["validation"] < accuracy["train"] == 1.0
