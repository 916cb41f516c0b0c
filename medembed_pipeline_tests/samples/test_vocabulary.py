"""The words: complete, without a gap that nothing fills, and truly shared between specialties."""

import re
from collections import Counter, defaultdict
from dataclasses import astuple, fields
from itertools import combinations
from random import Random

import pytest

from medembed_pipeline.samples.noise import dictate, misspell
from medembed_pipeline.samples.phrasebook import fill
from medembed_pipeline.samples.sentences import make_patient
from medembed_pipeline.samples.vocabulary import (
    Condition,
    Study,
    between,
    common_words,
    complaints,
    conditions,
    general_documents,
    homophones,
    specialty_weights,
    studies,
)

COMPLAINTS, CONDITIONS, BETWEEN = complaints(), conditions(), between()
EVERY_CONDITION = [condition for group in CONDITIONS.values() for condition in group]
EVERY_CONDITION += [condition for _, condition in BETWEEN]


def _texts(holder: Condition | Study) -> list[str]:
    found: list[str] = []
    for field in fields(holder):
        value = getattr(holder, field.name)
        if isinstance(value, str) and field.name != "sex":
            found.append(value)
        elif isinstance(value, tuple):
            found += [item for item in value if isinstance(item, str)]
    return found


def test_every_phrase_fills_completely() -> None:
    holders: list[Condition | Study] = [*EVERY_CONDITION, *studies()]
    phrases = [text for holder in holders for text in _texts(holder)]
    phrases += [text for one in general_documents() for texts in one.sections.values() for text in texts]
    for pool in astuple(common_words()):
        phrases += [text for text in pool if isinstance(text, str)] if isinstance(pool, tuple) else []
    random = Random(1)
    patient = make_patient(ages=(30, 40), sex="", complaint="headache", random=random)
    for phrase in phrases:
        filled = fill(phrase, random=random, fixed=patient.fixed)
        assert filled and not re.search(r"[{}|]", filled), phrase


def test_fill_picks_ranges_choices_and_fixed_words() -> None:
    seen = {fill("{1-3} {a|b} {side}", random=Random(k), fixed={"side": "left"}) for k in range(200)}
    assert seen == {f"{number} {letter} left" for number in (1, 2, 3) for letter in "ab"}
    assert (
        fill("{1-1} weeks, 2.{1-1} weeks, {1|1} loss", random=Random(0), fixed={})
        == "1 week, 2.1 weeks, 1 loss"
    )
    with pytest.raises(KeyError):
        fill("{nobody}", random=Random(0), fixed={})


def test_conditions_are_well_formed() -> None:
    names = [condition.name for condition in EVERY_CONDITION]
    assert len(set(names)) == len(names)
    for condition in EVERY_CONDITION:
        assert set(condition.complaints) <= set(COMPLAINTS), condition.name
        assert 18 <= condition.ages[0] < condition.ages[1] <= 95, condition.name
        assert condition.sex in {"", "female", "male"}
        assert min(len(condition.history), len(condition.findings)) >= 3, condition.name
        # A condition of one sex may say "he" or "she" outright, every other has to ask.
        if not condition.sex:
            words = re.findall(r"\b(?:he|she|his|her)\b(?!\})", " ".join(_texts(condition)))
            assert not words, condition.name
    for study in studies():
        assert study.complaint in COMPLAINTS
        assert study.specialty in CONDITIONS
    assert set(specialty_weights()) == set(CONDITIONS)
    assert {name for pair, _ in BETWEEN for name in pair} <= set(CONDITIONS)


def test_complaints_are_shared_between_specialties() -> None:
    owners = defaultdict(set)
    for name, group in CONDITIONS.items():
        for condition in group:
            for complaint in condition.complaints:
                owners[complaint].add(name)
    assert {"Cardiovascular / Pulmonary", "Gastroenterology", "Psychiatry / Psychology"} <= owners[
        "chest pain"
    ]
    assert {"Neurology", "Ophthalmology", "ENT - Otolaryngology"} <= owners["headache"]
    assert sum(len(found) >= 3 for found in owners.values()) >= 0.8 * len(owners)
    # No specialty has a complaint of its own for most of its conditions.
    for name, group in CONDITIONS.items():
        shared = [
            any(len(owners[complaint]) >= 3 for complaint in condition.complaints) for condition in group
        ]
        assert sum(shared) >= 0.8 * len(group), name


def test_a_study_serves_several_specialties() -> None:
    chest = {study.specialty for study in studies() if study.title == "MRI of the chest"}
    assert {"Cardiovascular / Pulmonary", "Neurology"} <= chest
    counts = Counter(study.title for study in studies() if study.imaging)
    assert sum(count >= 2 for count in counts.values()) >= 0.8 * len(counts)


def test_words_of_specialties_overlap_but_differ() -> None:
    words = {
        name: set(re.findall(r"[a-z]{5,}", " ".join(text for c in group for text in _texts(c)).lower()))
        for name, group in CONDITIONS.items()
    }
    overlaps = [
        len(words[a] & words[b]) / min(len(words[a]), len(words[b])) for a, b in combinations(words, 2)
    ]
    assert min(overlaps) > 0.05
    assert 0.1 < sum(overlaps) / len(overlaps) < 0.6


def test_noise_changes_a_word_but_not_the_text_around_it() -> None:
    for seed in range(300):
        slipped = misspell("palpitation", random=Random(seed))
        assert slipped != "palpitation" and slipped[0] == "p" and abs(len(slipped) - 11) <= 1
    text = "The patient walks two miles a week without breathlessness, chest pain or swelling."
    assert dictate(text, slips=0, random=Random(3)) == text
    changed = dictate(text, slips=1, random=Random(5)).split(" ")
    assert len(set(text.split(" ")) - set(changed)) <= 1
    assert all(word != heard for word, heard in homophones().items())
