"""Labels of notes: canonical names, and document types told apart from specialties."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from medembed_pipeline.notes.settings import DOCUMENT_TYPES
from medembed_pipeline.words import read_words

#: What stands between the labels of one cell when a reader found several of them (ASCII unit separator).
UNIT_SEPARATOR = "\x1f"

_SLASH = re.compile(r" ?/ ?")


def label_key(label: str) -> str:
    """What two spellings of one label have in common: trimmed, inner spaces collapsed, case folded.

    Spaces beside ``/`` do not count: ``Cardiovascular/Pulmonary`` is ``Cardiovascular / Pulmonary``.
    """
    return _SLASH.sub("/", " ".join(label.split()).casefold())


def known_specialties() -> tuple[str, ...]:
    """The labels of MTSamples that name a medical specialty, as that corpus writes them."""
    names: tuple[str, ...] = read_words(Path(__file__).parent / "data" / "labels.toml")["specialties"]
    return names


@cache
def _canonical() -> dict[str, str]:
    return {label_key(name): name for name in (*known_specialties(), *DOCUMENT_TYPES)}


def canonical_label(label: str, aliases: Mapping[str, str] | None = None) -> str:
    """The name under which a label is known, or the label itself, trimmed, when it is unknown.

    ``aliases`` maps other spellings to the name wanted (``{"Cardiology": "Cardiovascular / Pulmonary"}``) and
    is asked first; both it and the names of MTSamples are matched without regard to case and spaces. Returns
    an empty string for a label of white space.
    """
    return _resolved(label, _aliases_by_key(aliases))


def canonical_labels(labels: Iterable[str], aliases: Mapping[str, str] | None = None) -> dict[str, str]:
    """Map every label of a data set to its canonical form, one form for the case variants of unknown labels.

    Of ``Sports Medicine``, ``SPORTS MEDICINE`` and ``sports medicine`` the form with mixed case is taken,
    then the first in code point order, whatever the order or number of their occurrences.
    """
    wanted = _aliases_by_key(aliases)
    resolved = {label: _resolved(label, wanted) for label in sorted(set(labels))}
    preferred: dict[str, str] = {}
    for name in sorted(set(resolved.values()), key=lambda name: (name.isupper() or name.islower(), name)):
        preferred.setdefault(label_key(name), name)
    return {label: preferred[label_key(name)] for label, name in resolved.items()}


def labels_of_cell(cell: str | None, *, label_separator: str = "", whole: Iterable[str] = ()) -> list[str]:
    """The labels in one cell, in order, trimmed, without empty ones.

    Parameters
    ----------
    cell:
        What the file held; None gives no label.
    label_separator:
        What separates several labels in one cell, besides the unit separator. Empty: nothing does.
    whole:
        Names that are never cut, even where they contain the separator, besides those of MTSamples:
        ``SOAP / Chart / Progress Notes`` stays one label when ``/`` separates.
    """
    if cell is None:
        return []
    parts: list[str] = []
    kept = {label_key(name) for name in whole}
    for part in cell.split(UNIT_SEPARATOR):
        known = label_key(part) in _canonical() or label_key(part) in kept
        parts.extend([part] if known or not label_separator else part.split(label_separator))
    trimmed = (" ".join(part.split()) for part in parts)
    return [part for part in trimmed if part]


def split_labels(
    labels: Iterable[str], document_types: Sequence[str] = DOCUMENT_TYPES
) -> tuple[list[str], list[str]]:
    """Tell specialties from document types.

    Returns ``(specialties, document_types)``, each sorted and without repeats. ``document_types`` is matched
    without regard to case and spaces; a label that is not among them is a specialty.
    """
    keys = {label_key(name) for name in document_types}
    distinct = {label for label in labels if label.strip()}
    specialties = sorted(label for label in distinct if label_key(label) not in keys)
    return specialties, sorted(label for label in distinct if label_key(label) in keys)


def _aliases_by_key(aliases: Mapping[str, str] | None) -> dict[str, str]:
    return {label_key(alias): target for alias, target in sorted((aliases or {}).items())}


def _resolved(label: str, wanted: Mapping[str, str]) -> str:
    target = wanted.get(label_key(label), label)
    return _canonical().get(label_key(target), " ".join(target.split()))
