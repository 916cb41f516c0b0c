"""Passages: from beyond the window, whole, at places that nothing but seed and note decides."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.tasks.passages import passage_task
from medembed_pipeline.tasks.scoring import score_task
from medembed_pipeline.tasks.task import NotAsked, RankingTask
from medembed_pipeline_tests.tasks.words import WordModel


def note(number: int, words: int) -> str:
    return " ".join(f"n{number}w{word}" for word in range(words))


def asked(lengths: dict[int, int], groups: list[str] | None = None, **options: Any) -> RankingTask | NotAsked:
    chosen = {"window": 20, "words": 10, "per_note": 2, "notes_at_most": 100, "seed": 7} | options
    ids = [f"id{number}" for number in lengths]
    texts = [note(number, words) for number, words in lengths.items()]
    return passage_task(ids, texts, groups or ids, **chosen)


@settings(max_examples=50, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 90), min_size=1, max_size=8),
    per_note=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_a_passage_is_part_of_its_note_beyond_the_window(
    lengths: list[int], per_note: int, seed: int
) -> None:
    task = asked(dict(enumerate(lengths)), per_note=per_note, seed=seed)
    long_enough = [number for number, words in enumerate(lengths) if words >= 30]
    if not long_enough:
        assert isinstance(task, NotAsked) and not task.failed
        return
    assert isinstance(task, RankingTask)
    assert task.left_out == len(lengths) - len(long_enough)
    places: dict[int, list[int]] = {}
    for passage, answer in zip(task.queries, task.candidate.tolist(), strict=True):
        words = passage.split()
        start = int(words[0].split("w")[1])
        assert start >= 20 and words == [f"n{answer}w{word}" for word in range(start, start + 10)]
        places.setdefault(answer, []).append(start)
    assert sorted(places) == long_enough
    for number, starts in places.items():
        assert len(starts) == min(per_note, (lengths[number] - 20) // 10)
        assert all(later - earlier >= 10 for earlier, later in itertools.pairwise(starts))


def test_a_passage_stays_whatever_other_notes_there_are() -> None:
    few, many = asked({3: 80, 5: 70}), asked({1: 90, 3: 80, 4: 12, 5: 70})
    assert isinstance(few, RankingTask) and isinstance(many, RankingTask)
    assert set(few.queries) < set(many.queries)
    other = asked({3: 80, 5: 70}, seed=8)
    assert isinstance(other, RankingTask) and other.queries != few.queries


def test_a_sample_is_kept_when_it_is_drawn_larger() -> None:
    lengths = {number: 60 for number in range(12)}
    some, more = asked(lengths, notes_at_most=4), asked(lengths, notes_at_most=6)
    assert isinstance(some, RankingTask) and isinstance(more, RankingTask)
    assert set(some.queries) < set(more.queries) and len(more.queries) == 12
    assert len(more.candidates) == 12


def test_groups_are_those_of_the_notes_and_their_others_do_not_count() -> None:
    task = asked({1: 60, 2: 60, 3: 10}, ["a", "b", "a"])
    assert isinstance(task, RankingTask)
    assert task.candidate_groups.tolist() == [0, 1, 0]
    assert np.array_equal(task.query_groups, task.candidate_groups[task.candidate])
    assert not task.others_of_group_count


def test_word_matching_reads_no_more_of_a_note_than_the_window() -> None:
    task = asked({1: 60, 2: 60})
    assert isinstance(task, RankingTask)
    assert [task.read[text] for text in task.candidates] == [note(1, 20), note(2, 20)]
    same = score_task(task, {"baseline": WordModel().encode, "tuned": WordModel().encode})
    # No word of the passages stands in what is read: the first candidate wins by its number alone.
    assert same.figures["lexical"]["precision", 1].value[0] == 0.5
    whole = asked({1: 60, 2: 60}, reads_all=True)
    assert isinstance(whole, RankingTask) and not whole.read


def test_too_short_notes_are_said_without_failing() -> None:
    task = asked({1: 29, 2: 5})
    assert isinstance(task, NotAsked) and "none of 2 held-out notes has the 30 words" in task.message
