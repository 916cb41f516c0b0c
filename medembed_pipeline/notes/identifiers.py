"""Identifiers that have a pattern: found, counted and masked. Names are not found.

Of the eighteen kinds of the HIPAA Safe Harbor method (45 CFR 164.514(b)(2)) these patterns look for fifteen
forms that a regular expression can tell. They do not find names of people, street addresses, towns, hospitals
or employers, nor a number that nothing in the text marks as an identifier. A masked note is therefore NOT
de-identified in the sense of that rule.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from medembed_pipeline.notes.identifier_patterns import IdentifierFamily, identifier_families
from medembed_pipeline.notes.identifier_signs import likely_families

_MASKS = {
    "ssn": "[SSN]",
    "phone": "[PHONE]",
    "fax": "[FAX]",
    "email": "[EMAIL]",
    "date": "[DATE]",
    "medical_record_number": "[RECORD NUMBER]",
    "health_plan_number": "[HEALTH PLAN NUMBER]",
    "account_number": "[ACCOUNT NUMBER]",
    "license_number": "[LICENSE NUMBER]",
    "vehicle_identifier": "[VEHICLE]",
    "device_identifier": "[DEVICE]",
    "url": "[URL]",
    "ip_address": "[IP ADDRESS]",
    "zip_code": "[ZIP CODE]",
    "age_over_89": "[AGE]",
}

#: The kinds that are counted, in the order of the columns of ``cleaned_notes``.
IDENTIFIER_KINDS: tuple[str, ...] = tuple(_MASKS)


class Identifier(NamedTuple):
    """Where an identifier stands in a text, and its kind (one of ``IDENTIFIER_KINDS``)."""

    start: int
    end: int
    kind: str


def find_identifiers(text: str) -> list[Identifier]:
    """The identifiers of a text, in order, none overlapping another.

    Where two patterns claim the same characters, the one listed first in ``data/identifiers.toml`` has them.
    """
    return _find(text, identifier_families())


def find_in_texts(texts: Sequence[str]) -> list[list[Identifier]]:
    """What `find_identifiers` finds in each of many texts, several times as fast."""
    return [_find(text, families) for text, families in zip(texts, likely_families(texts), strict=True)]


def _find(text: str, families: Sequence[IdentifierFamily]) -> list[Identifier]:
    found: list[Identifier] = []
    if not families:
        return found
    taken = bytearray(len(text))
    lowered = text.lower()
    for family in families:
        windows = list(_windows(text, lowered, family))
        for kind, pattern in family.patterns if windows else ():
            group = "value" if "value" in pattern.groupindex else 0
            for window in windows:
                for match in pattern.finditer(text, *window):
                    start, end = match.span(group)
                    if any(taken[start:end]) or (kind == "ip_address" and not _is_address(text[start:end])):
                        continue
                    taken[start:end] = b"\x01" * (end - start)
                    found.append(Identifier(start, end, kind))
    return sorted(found)


def count_identifiers(found: Iterable[Identifier]) -> dict[str, int]:
    """How many of each kind there are: every kind of ``IDENTIFIER_KINDS`` is a key."""
    counts = dict.fromkeys(IDENTIFIER_KINDS, 0)
    for identifier in found:
        counts[identifier.kind] += 1
    return counts


def mask_identifiers(text: str) -> str:
    """The text with each identifier replaced by its kind in brackets: ``[DATE]``, ``[PHONE]``.

    What marks an identifier stays (``MRN: [RECORD NUMBER]``). Nothing countable is left, so masking a masked
    text changes nothing. Names are not found, hence not masked.
    """
    return mask_texts([text], [find_identifiers(text)])[0]


def mask_texts(texts: Sequence[str], found: Sequence[Sequence[Identifier]]) -> list[str]:
    """What `mask_identifiers` makes of each of many texts, of which the identifiers are known."""
    masked = list(texts)
    unmasked = {row: own for row, own in enumerate(found) if own}
    # Taking one identifier away can show another that its characters hid; each round leaves fewer characters
    # that no mask covers, so this ends.
    while unmasked:
        for row, own in unmasked.items():
            masked[row] = _masked(masked[row], own)
        again = find_in_texts([masked[row] for row in unmasked])
        unmasked = {row: own for row, own in zip(unmasked, again, strict=True) if own}
    return masked


def _masked(text: str, found: Iterable[Identifier]) -> str:
    pieces: list[str] = []
    position = 0
    for identifier in found:
        pieces += [text[position : identifier.start], _MASKS[identifier.kind]]
        position = identifier.end
    return "".join([*pieces, text[position:]])


def _windows(text: str, lowered: str, family: IdentifierFamily) -> Iterator[tuple[int, int]]:
    """The stretches of a text in which a family's patterns can match: in order, not overlapping."""
    hints: list[tuple[int, int]] = []
    for word in family.words:
        position = lowered.find(word)
        # A letter whose lower case is two characters shifts every position behind it.
        if position >= 0 and (family.before is None or len(lowered) != len(text)):
            yield 0, len(text)
            return
        while position >= 0:
            hints.append((position, position + len(word)))
            position = lowered.find(word, position + len(word))
    if family.hint is not None:
        hints.extend(match.span() for match in family.hint.finditer(text))
    if not hints or family.before is None:
        return
    hints.sort()
    start, end = max(0, hints[0][0] - family.before), hints[0][1] + family.after
    for hint_start, hint_end in hints[1:]:
        if hint_start - family.before <= end:
            end = max(end, hint_end + family.after)
        else:
            yield start, min(end, len(text))
            start, end = hint_start - family.before, hint_end + family.after
    yield start, min(end, len(text))


def _is_address(candidate: str) -> bool:
    """IPv4, or IPv6 with two groups or more and a digit: ``10:30:45`` and ``::`` are none."""
    if ":" in candidate and (
        sum(map(bool, candidate.split(":"))) < 2 or not any(map(str.isdigit, candidate))
    ):
        return False
    try:
        ipaddress.ip_address(candidate)
    except ValueError:
        return False
    return True
