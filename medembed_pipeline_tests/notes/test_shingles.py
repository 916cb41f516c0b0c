"""Many texts at once give what plain Python gives for each."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.notes import shingles
from medembed_pipeline.notes.duplicates import signatures
from medembed_pipeline.notes.shingles import hashed_words, shingle_sets, words_of
from medembed_pipeline.notes.sketches import sketches
from medembed_pipeline_tests.notes.plain_shingles import plain_set, plain_sketch, plain_word

# Words, what parts them, and characters whose case or kind is not that of ASCII.
PIECES = st.sampled_from(
    [
        "Pain",
        "pain",
        "chest",
        "x_1",
        "12.5",
        "\u00b5g",
        "\u00c4rztin",
        "\u0130stanbul",
        "stra\u00dfe",
        "\ufb01ne",
    ]
)
GAPS = st.sampled_from([" ", ", ", "\n", "-", " \u2013 ", "\u00a0", "\x1c", "\x00", "\ud800", "."])
TEXTS = st.one_of(
    st.text(max_size=30),
    st.lists(st.tuples(PIECES, GAPS), max_size=40).map(lambda parts: "".join(map("".join, parts))),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, max_size=6))
def test_words_shingles_and_sketches_are_those_of_each_text_alone(texts: list[str]) -> None:
    hashes, sets, drawn = [], [], []
    for words in hashed_words(texts):
        own = shingle_sets(words)
        hashes += words.hashes.tolist()
        sets += [hashes.tolist() for hashes in own.divided()]
        drawn += [(sketch.halvings, sketch.hashes.tolist()) for sketch in sketches(words, own)]
    assert hashes == [plain_word(word) for text in texts for word in words_of(text)]
    assert sets == [plain_set(text) for text in texts]
    assert drawn == [plain_sketch(text) for text in texts]


def test_it_does_not_matter_how_many_texts_are_worked_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = random.Random(1)
    texts = [" ".join(generator.choices("abcdefgh", k=generator.randrange(300))) for _ in range(50)]
    whole = [own.tolist() for words in hashed_words(texts) for own in shingle_sets(words).divided()]
    signed = signatures(texts)
    monkeypatch.setattr(shingles, "_CHUNK_BYTES", 500)
    assert len(list(hashed_words(texts))) > 10
    assert whole == [own.tolist() for words in hashed_words(texts) for own in shingle_sets(words).divided()]
    assert signed.tolist() == signatures(texts).tolist()
    assert whole == [plain_set(text) for text in texts]


def test_a_long_text_is_halved_as_the_plain_rule_says() -> None:
    generator = random.Random(2)
    texts = [" ".join(str(generator.random()) for _ in range(words)) for words in (100, 300, 5_000)]
    (words,) = hashed_words(texts)
    found = [(own.halvings, own.hashes.tolist()) for own in sketches(words, shingle_sets(words))]
    assert found == [plain_sketch(text) for text in texts]
    assert found[0][0] == 0 < found[1][0] < found[2][0]
