"""The task of clinical language: another name of a diagnosis has to find its title in ICD-10-CM.

The classification lists under many codes further names of the same diagnosis (inclusion terms): "Classical cholera"
under "Cholera due to Vibrio cholerae 01, biovar cholerae". A person links them by knowledge, not by shared words.

Source: ICD-10-CM, National Center for Health Statistics, in the public domain, as the package `simple-icd-10-cm` (MIT
licence) holds it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import metadata

import numpy as np

from medembed_pipeline.tasks.kinds import RankingTask, TaskError

PACKAGE = "simple-icd-10-cm"


def clinical_terms_version() -> str:
    """The version of the list of terms."""
    return metadata.version(PACKAGE)


def read_terms() -> dict[str, tuple[str, list[str]]]:
    """Title and inclusion terms of every code that has any, sorted by code. Takes some seconds."""
    import simple_icd_10_cm as icd

    found: dict[str, tuple[str, list[str]]] = {}
    for code in icd.get_all_codes(with_dots=True):
        # An extended code is another with a seventh character, and has its parent's terms.
        if not icd.is_category_or_subcategory(code) or icd.is_extended_subcategory(code):
            continue
        terms = icd.get_inclusion_term(code)
        if terms:
            found[code] = (icd.get_description(code), terms)
    return dict(sorted(found.items()))


def clinical_term_task(
    titles_and_terms: Mapping[str, tuple[str, Sequence[str]]], *, terms: int, seed: int
) -> RankingTask:
    """A term of each of some codes searches the titles of these codes.

    Left out are terms that say the title again (one holds the other, whatever the case), terms and titles that stand
    under several codes. One term a code, so that every query is independent of the others.

    Args:
        titles_and_terms: by code.
        terms: queries wanted, at most.
        seed: of the choice of codes and terms.

    Raises:
        TaskError: nothing is left.
    """
    codes = sorted(titles_and_terms)
    titles = Counter(titles_and_terms[code][0].casefold() for code in codes)
    names = Counter(term.casefold() for code in codes for term in set(titles_and_terms[code][1]))
    usable: list[tuple[str, str, list[str]]] = []
    for code in codes:
        title, all_terms = titles_and_terms[code]
        folded = title.casefold()
        kept = [
            term
            for term in sorted(set(all_terms))
            if names[term.casefold()] == 1 and term.casefold() not in folded and folded not in term.casefold()
        ]
        if kept and titles[folded] == 1:
            usable.append((code, title, kept))
    if not usable:
        raise TaskError(
            f"clinical_terms: {PACKAGE} {clinical_terms_version()} holds no term; install it anew"
        )
    random = np.random.default_rng(seed)
    chosen = sorted(random.permutation(len(usable))[:terms].tolist())
    picked = [usable[place] for place in chosen]
    return RankingTask(
        name="clinical_terms",
        family="clinical_terms",
        queries=[kept[int(random.integers(len(kept)))] for _, _, kept in picked],
        corpus=[title for _, title, _ in picked],
        relevant=[{place: 1.0} for place in range(len(picked))],
        query_groups=[code for code, _, _ in picked],
        corpus_groups=[code for code, _, _ in picked],
    )
