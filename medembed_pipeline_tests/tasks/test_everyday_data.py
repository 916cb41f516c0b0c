"""The everyday sentences as data: many, all different, of no template, and not to be told apart by their words."""

import csv
import re
from collections import Counter
from collections.abc import Hashable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

import medembed_pipeline

DATA = Path(medembed_pipeline.__file__).parent / "tasks" / "data"
SETS = ("paraphrase", "topic", "negation")
FIELDS = ["anchor", "same", "other"]
AT_LEAST = 480
WORDS = range(4, 26)
WRONG_WAY_SHARE = 0.8
SAME_OPENING_AT_MOST = 4
SLOT = "_"

# The words that carry a sentence's form; every other word fills a slot of it.
FUNCTION_WORDS = """
a an the this that these those some any no none every each all both either neither few fewer fewest many more
most much less least enough several other another such own half
i you he she it we they me him her us them my your his its our their mine yours hers ours theirs
myself yourself himself herself itself ourselves themselves one ones
someone somebody something anyone anybody anything everyone everybody everything nobody nothing
who whom whose which what when where why how whoever whatever whether
somewhere anywhere everywhere nowhere here there
is are was were be been being am has have had having do does did will would can could may might must
should shall ought need had
i'm i'd i'll i've you're you'd you'll you've he's she's it's it'd it'll we're we'd we'll we've they're they'd
they'll they've that's there's isn't aren't wasn't weren't hasn't haven't hadn't don't doesn't didn't won't
wouldn't can't cannot couldn't mustn't shouldn't needn't let's
not never hardly barely rarely only even just still yet already too so very rather quite again once
and or but nor because since although though if unless while until before after as than like
of in on at to from by with without within for about against between among through during over under above
below behind beside beyond across along around into onto out off up down near next despite except apart
"""


def sentences_of(name: str) -> list[dict[str, str]]:
    with (DATA / f"everyday_{name}.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def words_of(sentence: str) -> list[str]:
    return re.findall(r"[a-z0-9]+(?:'[a-z]+)?", sentence.lower())


def overlap(left: str, right: str) -> float:
    """Jaccard overlap of the two sentences' words, between 0 and 1."""
    shared, united = set(words_of(left)) & set(words_of(right)), set(words_of(left)) | set(words_of(right))
    return len(shared) / len(united)


def skeleton(sentence: str) -> tuple[str, ...]:
    """The sentence's form: its function words in order, each other word replaced by a slot."""
    function_words = frozenset(FUNCTION_WORDS.split())
    return tuple(word if word in function_words else SLOT for word in words_of(sentence))


def repeated(values: Sequence[Hashable]) -> list[Hashable]:
    return [value for value, count in Counter(values).items() if count > 1]


@pytest.mark.parametrize("name", SETS)
def test_every_line_is_one_triplet_of_three_different_sentences(name: str) -> None:
    lines = (DATA / f"everyday_{name}.tsv").read_text(encoding="utf-8").splitlines()

    assert lines[0].split("\t") == FIELDS
    assert len(lines) - 1 >= AT_LEAST
    for number, line in enumerate(lines[1:], start=2):
        fields = line.split("\t")
        assert len(fields) == len(FIELDS), f"line {number}"
        assert all(field and field == field.strip() for field in fields), f"line {number}"
        assert len({tuple(words_of(field)) for field in fields}) == len(FIELDS), f"line {number}"


@pytest.mark.parametrize("name", SETS)
def test_sentences_are_plain_ascii_without_quotes_of_four_to_twenty_five_words(name: str) -> None:
    for triplet in sentences_of(name):
        for sentence in triplet.values():
            assert sentence.isascii(), sentence
            assert '"' not in sentence, sentence
            assert len(words_of(sentence)) in WORDS, sentence


def test_no_sentence_appears_twice_in_any_of_the_sets() -> None:
    everything = [
        " ".join(words_of(sentence))
        for name in SETS
        for triplet in sentences_of(name)
        for sentence in triplet.values()
    ]
    assert repeated(everything) == []


@pytest.mark.parametrize("name", SETS)
def test_shared_words_point_to_the_wrong_sentence(name: str) -> None:
    triplets = sentences_of(name)
    wrong_way = [overlap(t["anchor"], t["other"]) > overlap(t["anchor"], t["same"]) for t in triplets]

    assert sum(wrong_way) / len(triplets) >= WRONG_WAY_SHARE


@pytest.mark.parametrize("name", SETS)
def test_no_two_anchors_have_the_same_form(name: str) -> None:
    forms = [skeleton(triplet["anchor"]) for triplet in sentences_of(name)]

    assert repeated([form for form in forms if len(form) >= 5]) == []


@pytest.mark.parametrize("name", SETS)
def test_no_opening_is_used_often(name: str) -> None:
    openings = Counter(next(pairwise(words_of(triplet["anchor"]))) for triplet in sentences_of(name))

    assert max(openings.values()) <= SAME_OPENING_AT_MOST


def test_a_form_is_its_function_words_and_its_slots() -> None:
    assert skeleton("The cat didn't sleep on my bed.") == ("the", SLOT, "didn't", SLOT, "on", "my", SLOT)
