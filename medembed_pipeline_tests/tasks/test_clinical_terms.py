"""Clinical terms: what is ambiguous is left out, and the package is what is expected of it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from medembed_pipeline.tasks.clinical_terms import (
    CodedTerm,
    clinical_terms_task,
    clinical_terms_version,
    coded_terms,
    unambiguous,
)

TERMS = [
    CodedTerm("A1", "Gut fever", "Typhoid fever"),
    CodedTerm("A1", "gut  FEVER", "Typhoid fever"),
    CodedTerm("A1", "Enteric fever", "Typhoid fever"),
    CodedTerm("B1", "Pink eye", "Conjunctivitis"),
    CodedTerm("B2", "Typhoid Fever", "Fever, other"),
    CodedTerm("C1", "Sugar", "Diabetes"),
    CodedTerm("C2", "Sugar", "Melituria"),
    CodedTerm("D1", "One", "Same title"),
    CodedTerm("D2", "Two", "same title"),
]


def test_terms_of_two_codes_titles_of_two_codes_and_titles_as_terms_are_left_out() -> None:
    assert sorted({one.code for one in unambiguous(TERMS)}) == ["A1", "B1"]
    assert len(unambiguous(TERMS)) == 3


def test_each_term_has_its_own_title_and_the_group_is_the_code() -> None:
    task = clinical_terms_task(TERMS, codes=10, seed=7)
    title_of = {one.term.casefold(): one.title for one in TERMS}
    for query, candidate, group in zip(task.queries, task.candidate, task.query_groups, strict=True):
        assert task.candidates[candidate] == title_of[query.casefold()]
        assert task.candidate_groups[candidate] == group
    assert len(set(task.candidates)) == len(task.candidates) == 2
    assert task.main == ("precision", 1)


def test_the_sample_is_of_codes_and_the_order_of_terms_does_not_matter() -> None:
    terms = [
        CodedTerm(f"X{code}", f"term {code} {term}", f"title {code}")
        for code in range(40)
        for term in range(3)
    ]
    task = clinical_terms_task(terms, codes=15, seed=7)
    assert len(task.candidates) == 15 and len(task.queries) == 45
    again = clinical_terms_task(terms[::-1], codes=15, seed=7)
    assert again.queries == task.queries and np.array_equal(again.candidate, task.candidate)
    assert clinical_terms_task(terms, codes=15, seed=8).queries != task.queries


@pytest.mark.timeout(120)
def test_the_package_holds_thousands_of_terms() -> None:
    terms = coded_terms()
    assert len(terms) > 10_000 and clinical_terms_version()
    usable = unambiguous(terms)
    assert 0.9 * len(terms) < len(usable) <= len(terms)
    assert ("Typhoid fever" in {one.title.split(",")[0] for one in terms}) and all(one.term for one in terms)


def test_the_room_does_not_load_the_package() -> None:
    code = "import sys, medembed_pipeline.tasks.assets; print('simple_icd_10_cm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
