"""A note is known again when much was added to it or cut from it, and unrelated notes are not taken for one."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from medembed_pipeline.notes.cleaning import clean_text
from medembed_pipeline.notes.shingles import hashed_words, shingle_sets
from medembed_pipeline.notes.sketches import (
    COMMON_GROUPS,
    LEAST_CONTAINED,
    SKETCH_HASHES,
    Sketch,
    containing_pairs,
    sketches,
)
from medembed_pipeline_tests.notes.small_graph import texts

DATA = [folder / "shared" / "data" for folder in Path(__file__).resolve().parents[2:]]
MTSAMPLES = next((folder / "mtsamples.csv" for folder in DATA if folder.is_dir()), Path("absent"))


def pairs(
    written: list[str], new: list[bool] | None = None, groups: list[str] | None = None
) -> set[tuple[int, int]]:
    left, right = containing_pairs(
        sketched(written),
        groups or [str(number) for number in range(len(written))],
        np.array(new or [True] * len(written), dtype=np.bool_),
    )
    return {(min(a, b), max(a, b)) for a, b in zip(left.tolist(), right.tolist(), strict=True)}


def sketched(written: list[str]) -> list[Sketch]:
    return [own for words in hashed_words(written) for own in sketches(words, shingle_sets(words))]


def shingles(text: str) -> set[tuple[str, ...]]:
    words = text.replace(".", "").split()
    return {tuple(words[start : start + 5]) for start in range(len(words) - 4)}


@pytest.mark.parametrize("words", [12, 60, 300, 3_000])
def test_additions_and_cuts_of_any_size_are_known(words: int) -> None:
    one, other, third = texts(3, words=words, seed=words)
    half = " ".join(one.split()[: max(words // 2, 11)])
    longer = f"{third} {one} {other}"
    assert pairs([one, half]) == {(0, 1)}
    assert pairs([one, longer, texts(1, words=words, seed=99)[0]]) == {(0, 1)}
    assert pairs([one, other]) == set()


@settings(max_examples=40, deadline=None)
@given(st.integers(40, 250), st.integers(0, 250), st.integers(0, 250))
def test_short_texts_are_measured_exactly(length: int, kept: int, added: int) -> None:
    one, more = texts(2, words=250, seed=7)
    text = " ".join(one.split()[:length])
    edited = " ".join([*text.split()[: min(kept, length)], *more.split()[:added]])
    a, b = shingles(text), shingles(edited)
    # A longer text is known by a sample of its shingles. At the border floating point decides.
    assume(max(len(a), len(b)) <= SKETCH_HASHES)
    share = len(a & b) / max(1, min(len(a), len(b)))
    if len(edited.split()) >= 8 and abs(share - LEAST_CONTAINED) > 1e-9:
        assert pairs([text, edited]) == ({(0, 1)} if share > LEAST_CONTAINED and len(a & b) >= 6 else set())


def test_a_sketch_is_bounded_and_survives_the_table() -> None:
    for words in (3, 8, 200, 50_000):
        own = sketched(texts(1, words=words))[0]
        assert len(own.hashes) <= SKETCH_HASHES and np.all(np.diff(own.hashes.astype(np.int64)) > 0)
        assert len(own.hashes) > SKETCH_HASHES // 4 or words < 200
        again = Sketch.unpacked(own.packed())
        assert again.halvings == own.halvings and again.hashes.tolist() == own.hashes.tolist()
    assert len(sketched(["too few words to tell"])[0].hashes) == 0
    assert len(Sketch.unpacked(None).hashes) == 0


def test_a_phrase_of_many_notes_tells_none_and_copies_of_one_note_are_one() -> None:
    phrase = " ".join(f"phrase{number}" for number in range(40))
    written = [f"{phrase} {text}" for text in texts(COMMON_GROUPS + 5, words=20)]
    assert pairs(written) == set()
    assert len(pairs(written[:3])) == 3
    versions = [f"{texts(1)[0]} version {number}" for number in range(COMMON_GROUPS + 5)]
    groups = ["one"] * (len(versions) - 1) + ["new"]
    new = [False] * (len(versions) - 1) + [True]
    assert len(pairs(versions, new, groups)) == len(versions) - 1


def test_only_pairs_with_a_new_note_are_looked_for() -> None:
    (text,) = texts(1)
    written = [text, text + " and more", text + " and still more of it"]
    assert pairs(written, [False, False, True]) == {(0, 2), (1, 2)}
    assert pairs(written, [False, False, False]) == set() == pairs([])


@pytest.mark.skipif(not MTSAMPLES.is_file(), reason="the real notes are not on this machine")
def test_few_real_notes_are_taken_for_another() -> None:
    import pandas as pd

    written = sorted({clean_text(text) for text in pd.read_csv(MTSAMPLES)["transcription"].dropna()})
    found = pairs(written)
    joined = set(itertools.chain.from_iterable(found))
    assert len(written) > 1_900 and len(joined) < 0.04 * len(written)
