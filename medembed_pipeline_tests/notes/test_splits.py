import random
import time
from collections import Counter, defaultdict

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.notes.splits import (
    NOTE_SPLITS_SCHEMA,
    SPLITS,
    SplitAssignment,
    SplitError,
    assign_splits,
)

SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}

Note = tuple[str, str, list[str]]


def _assigned(notes: list[Note], previous: dict[str, str] | None = None, *, seed: int = 7) -> SplitAssignment:
    table = pa.table(
        {
            "note_id": pa.array([note[0] for note in notes], pa.string()),
            "group": pa.array([note[1] for note in notes], pa.string()),
            "specialties": pa.array([note[2] for note in notes], pa.list_(pa.string())),
        }
    )
    return assign_splits(
        table,
        previous or {},
        seed=seed,
        train=SHARES["train"],
        validation=SHARES["validation"],
        test=SHARES["test"],
    )


@st.composite
def _notes(draw: st.DrawFn, most: int = 60) -> list[Note]:
    count = draw(st.integers(0, most))
    groups = draw(st.lists(st.integers(0, most), min_size=count, max_size=count))
    labels = st.lists(st.sampled_from("ABCDE"), max_size=3)
    return [(f"n{index:03}", f"g{group:03}", draw(labels)) for index, group in enumerate(groups)]


def _corpus(count: int, seed: int) -> list[Note]:
    generator = random.Random(seed)
    names = [f"S{number:02}" for number in range(25)]
    weights = [1 / (number + 1) for number in range(25)]
    notes: list[Note] = []
    while len(notes) < count:
        group = f"{generator.getrandbits(64):016x}"
        labels = sorted(set(generator.choices(names, weights, k=generator.choice([0, 1, 1, 1, 2, 3]))))
        for _ in range(generator.choice([1] * 18 + [2, 4])):
            notes.append((f"{generator.getrandbits(64):016x}", group, labels))
    return notes


@settings(max_examples=80, deadline=None)
@given(_notes(), st.randoms(use_true_random=False))
def test_no_group_crosses_and_no_order_shows(notes: list[Note], shuffler: random.Random) -> None:
    first = _assigned(notes)
    assert set(first.splits) == {note for note, _, _ in notes} and set(first.splits.values()) <= set(SPLITS)
    by_group = defaultdict(set)
    for note, group, _ in notes:
        by_group[group].add(first.splits[note])
    assert all(len(splits) == 1 for splits in by_group.values())
    shuffled = list(notes)
    shuffler.shuffle(shuffled)
    assert _assigned(shuffled) == first
    assert first.assigned == len(notes) and first.remembered == first.joined == first.moved_to_held_out == 0


@settings(max_examples=80, deadline=None)
@given(_notes(most=20), st.data())
def test_remembered_notes_stay_unless_their_group_is_joined(notes: list[Note], data: st.DataObject) -> None:
    memory = st.dictionaries(
        st.sampled_from([f"n{number:03}" for number in range(30)]), st.sampled_from(SPLITS)
    )
    previous = data.draw(memory)
    result = _assigned(notes, previous)
    members = defaultdict(list)
    for note, group, _ in notes:
        members[group].append(note)
    moved = kept = joined = 0
    for group_notes in members.values():
        known = {previous[note] for note in group_notes if note in previous}
        now = {result.splits[note] for note in group_notes}
        assert len(now) == 1
        if len(known) == 1:
            assert now == known
        elif known:
            assert now == ({"test"} if "test" in known else {"validation"})
        moved += sum(previous[note] not in now for note in group_notes if note in previous)
        kept += sum(previous[note] in now for note in group_notes if note in previous)
        joined += sum(note not in previous for note in group_notes) if known else 0
    assert (result.moved_to_held_out, result.remembered, result.joined) == (moved, kept, joined)
    assert result.assigned == len(notes) - moved - kept - joined
    assert _assigned(notes, {**previous, **result.splits}).splits == result.splits


@pytest.mark.parametrize(
    ("known", "expected", "moved"),
    [
        (("train", "validation"), "validation", 1),
        (("train", "test"), "test", 1),
        (("validation", "test", "test"), "test", 1),
        (("train", "validation", "test"), "test", 2),
        (("train", "train"), "train", 0),
    ],
)
def test_a_joined_group_is_held_out_as_a_whole(known: tuple[str, ...], expected: str, moved: int) -> None:
    notes: list[Note] = [(f"n{index}", "g", ["A"]) for index in range(len(known) + 1)]
    result = _assigned(notes, {f"n{index}": split for index, split in enumerate(known)})
    assert set(result.splits.values()) == {expected}
    assert (result.moved_to_held_out, result.remembered, result.joined) == (moved, len(known) - moved, 1)


@settings(max_examples=60, deadline=None)
@given(_notes(), _notes(), st.integers(0, 60))
def test_notes_that_come_and_go_move_nobody(notes: list[Note], others: list[Note], kept: int) -> None:
    first = _assigned(notes)
    newcomers = [(f"m{note}", f"h{group}", labels) for note, group, labels in others]
    memory = dict(first.splits)
    second = _assigned(notes[:kept] + newcomers, memory)
    assert all(second.splits[note] == first.splits[note] for note, _, _ in notes[:kept])
    third = _assigned(notes + newcomers, {**memory, **second.splits})
    assert all(third.splits[note] == split for note, split in {**first.splits, **second.splits}.items())


def _worst(notes: list[Note], splits: dict[str, str]) -> tuple[float, float]:
    """The worst deviation overall (as a share) and of a specialty with ten notes or more (see the test)."""
    overall = Counter(splits.values())
    worst = max(abs(overall[split] / len(notes) - SHARES[split]) for split in SPLITS)
    filled: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for note, _, labels in notes:
        for label in labels or [""]:
            filled[label][splits[note]] += 1
    deviations = [
        abs(counts[split] - SHARES[split] * counts.total()) / max(1.5, 0.04 * counts.total())
        for counts in filled.values()
        if counts.total() >= 10
        for split in SPLITS
    ]
    return worst, max(deviations)


@pytest.mark.parametrize("seed", range(4))
def test_shares_are_met_overall_and_in_each_specialty(seed: int) -> None:
    notes = _corpus(2_000, seed)
    overall, specialty = _worst(notes, _assigned(notes, seed=seed).splits)
    # In units of 1.5 notes or 4% of the specialty, whichever is more.
    assert overall < 0.005 and specialty <= 1.0
    generator = random.Random(seed)
    by_chance = {group: generator.choices(SPLITS, list(SHARES.values()))[0] for _, group, _ in notes}
    assert _worst(notes, {note: by_chance[group] for note, group, _ in notes})[1] > 1.5


def test_new_notes_make_up_for_what_is_filled_already() -> None:
    notes = _corpus(1_000, 5)
    groups = sorted({group for _, group, _ in notes})
    remembered_groups = set(groups[: len(groups) // 4])
    previous = {note: "train" for note, group, _ in notes if group in remembered_groups}
    overall, _ = _worst(notes, _assigned(notes, previous).splits)
    assert overall < 0.005


def test_many_specialties_of_one_note_do_not_all_go_to_training() -> None:
    notes = [(f"n{index:03}", f"n{index:03}", [f"S{index}"]) for index in range(100)]
    assert Counter(_assigned(notes).splits.values()) == {"train": 70, "validation": 10, "test": 20}


def test_the_seed_matters_and_a_repeat_does_not() -> None:
    notes = _corpus(200, 9)
    assert _assigned(notes, seed=1).splits == _assigned(notes, seed=1).splits
    assert _assigned(notes, seed=1).splits != _assigned(notes, seed=2).splits


def test_a_split_with_no_share_gets_nothing() -> None:
    notes = _corpus(100, 3)
    table = pa.table(
        dict(
            zip(
                ("note_id", "group", "specialties"),
                map(list, zip(*notes, strict=True)),
                strict=True,
            )
        )
    )
    splits = assign_splits(table, {}, train=0.75, validation=0.0, test=0.25, seed=1).splits
    assert set(splits.values()) == {"train", "test"}


def test_thirty_thousand_notes_take_seconds() -> None:
    notes = _corpus(30_000, 1)
    start = time.process_time()
    result = _assigned(notes)
    assert time.process_time() - start < 10
    table = result.table()
    assert table.schema.equals(NOTE_SPLITS_SCHEMA, check_metadata=True)
    assert table["note_id"].to_pylist() == sorted(result.splits)


def test_what_makes_no_split_is_refused() -> None:
    empty = pa.table({"note_id": ["a"], "group": ["a"], "specialties": [["A"]]})
    for shares, match in (
        ((0.7, 0.2, 0.2), "add up to 1.1"),
        ((1.2, -0.1, -0.1), "share train is 1.2"),
        ((float("nan"), 0.5, 0.5), "share train is nan"),
        ((0.0, 0.5, 0.5), "share train is 0"),
    ):
        with pytest.raises(SplitError, match=match):
            assign_splits(empty, {}, train=shares[0], validation=shares[1], test=shares[2], seed=1)
    with pytest.raises(SplitError, match="'dev'; expected one of"):
        _assigned([("a", "a", [])], {"a": "dev"})
    with pytest.raises(SplitError, match="1 note ids are repeated"):
        _assigned([("a", "a", []), ("a", "b", [])])
    with pytest.raises(SplitError, match="lacks the columns specialties"):
        assign_splits(empty.drop_columns("specialties"), {}, seed=1, train=0.7, validation=0.1, test=0.2)
