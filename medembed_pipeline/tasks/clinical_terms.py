"""A clinical term has to find the title of its code: ICD-10-CM, from the package `simple-icd-10-cm`.

Inclusion terms are other names for what a code means ("Endemic goiter NOS" for "Iodine-deficiency related (endemic)
goiter, unspecified"). The classification is in the public domain (US National Center for Health Statistics), the
package under the MIT licence; it holds the data, nothing is fetched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from importlib.metadata import version
from typing import NamedTuple

import numpy as np

from medembed_pipeline.evaluation.jackknife import group_numbers
from medembed_pipeline.tasks.task import RankingTask

NAME = "clinical_terms"
PACKAGE = "simple-icd-10-cm"


class CodedTerm(NamedTuple):
    """A term, the title it belongs to, and their code."""

    code: str
    term: str
    title: str


def coded_terms() -> list[CodedTerm]:
    """All inclusion terms of ICD-10-CM. Takes a few seconds: the package reads its data when it is imported."""
    import simple_icd_10_cm as icd

    codes = [code for code in icd.get_all_codes() if not icd.is_chapter_or_block(code)]
    return [
        CodedTerm(code, term, icd.get_description(code))
        for code in codes
        for term in icd.get_inclusion_term(code)
    ]


def clinical_terms_version() -> str:
    """Version of the package: it decides codes, titles and terms."""
    return version(PACKAGE)


def unambiguous(terms: Iterable[CodedTerm]) -> list[CodedTerm]:
    """Terms that belong to one code alone, whose title is its alone, and that do not say a title again.

    Compared without case and repeated spaces; a term that is listed twice stands once. A term that holds its title, or
    is held by it, is found by its words alone.
    """
    different = {(one.code, _plain(one.term)): one for one in terms}.values()
    codes_of_title = Counter(title for _, title in {(one.code, _plain(one.title)) for one in different})
    codes_of_term = Counter(_plain(one.term) for one in different)
    return [
        one
        for one in different
        if codes_of_title[_plain(one.title)] == 1
        and codes_of_term[_plain(one.term)] == 1
        and _plain(one.term) not in codes_of_title
        and _plain(one.term) not in _plain(one.title)
        and _plain(one.title) not in _plain(one.term)
    ]


def clinical_terms_task(terms: Iterable[CodedTerm], *, codes: int, seed: int) -> RankingTask:
    """Inclusion terms as queries, the titles of the same codes as candidates, in a sample of `codes` codes.

    The group is the code: its terms are no independent evidence.
    """
    usable = sorted(unambiguous(terms))
    names = sorted({one.code for one in usable})
    drawn = np.random.default_rng(seed).permutation(len(names))[:codes]
    chosen = {names[place] for place in drawn}
    asked = [one for one in usable if one.code in chosen]
    title_of = {one.code: one.title for one in asked}
    place_of = {code: place for place, code in enumerate(title_of)}
    answers = np.array([place_of[one.code] for one in asked], dtype=np.int64)
    return RankingTask(
        NAME,
        "clinical_terms",
        ("precision", 1),
        [one.term for one in asked],
        list(title_of.values()),
        query=np.arange(len(asked)),
        candidate=answers,
        gain=np.ones(len(asked)),
        query_groups=answers,
        candidate_groups=group_numbers(list(title_of)),
    )


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
