"""The sample corpus: any number of synthetic notes, the same for the same seed, columns as in MTSamples."""

import csv
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.samples.documents import Document, general_document, narrative, report
from medembed_pipeline.samples.noise import dictate, misspell
from medembed_pipeline.samples.phrasebook import fill
from medembed_pipeline.samples.vocabulary import (
    Study,
    between,
    common_words,
    conditions,
    filed_by_type,
    specialty_weights,
    studies,
)

COLUMNS = ("about", "description", "medical_specialty", "sample_name", "transcription", "keywords")
ABOUT = "synthetic sample note, not a real patient"

_SHARE_WITHOUT_SPECIALTY = 0.08
_SHARE_WITH_TWO = 0.13
_SHARE_OF_REPORTS = 0.18

# The last note of every block of ten is, every other time, one of the block's other notes with a few words
# changed. A block has one such note at most, so no two of them can ever be alike.
_BLOCK = 10
_SHARE_OF_BLOCKS = 0.5
_WORDS_A_CHANGE = 75

# Never a part of a fake identifier: a changed one might be somebody's.
_CHANGEABLE = re.compile(r"(?<![\w/-])\d{1,3}(?![\w/-])|(?<![\w@.])[a-z]{6,}(?![\w@.])")


@dataclass(frozen=True)
class _Note:
    labels: tuple[str, ...]
    document: Document
    text: str


@cache
def _studies_of(specialty: str) -> tuple[Study, ...]:
    return tuple(study for study in studies() if study.specialty == specialty)


def _document(random: Random) -> tuple[tuple[str, ...], Document]:
    """The specialties of a note, and the note."""
    chance = random.random()
    if chance < _SHARE_WITHOUT_SPECIALTY / 2:
        return (), general_document(random)
    if chance < _SHARE_WITHOUT_SPECIALTY + _SHARE_WITH_TWO and chance >= _SHARE_WITHOUT_SPECIALTY:
        specialties, condition = random.choice(between())
        return specialties, narrative(condition, conditions()[random.choice(specialties)], random)
    weights = specialty_weights()
    name = random.choices(tuple(weights), tuple(weights.values()))[0]
    ordered = _studies_of(name)
    if ordered and random.random() < _SHARE_OF_REPORTS:
        document = report(random.choice(ordered), random)
    else:
        own = conditions()[name]
        condition = random.choice(own)
        document = narrative(condition, [other for other in own if other is not condition], random)
    # The other half of the notes without a specialty are about one, and filed by their type alone.
    return (() if chance < _SHARE_WITHOUT_SPECIALTY else (name,)), document


def _text(document: Document, random: Random) -> str:
    """The sections joined as MTSamples joins them, dictated with more or less care."""
    after_head = random.choice((":,  ", ": , "))
    join = random.choice((", ", ","))
    slips_in_hundred = random.choices((0, 2, 6), (45, 40, 15))[0]
    parts = []
    for head, sentences in document.sections:
        body = " ".join(sentences)
        if slips_in_hundred:
            slips = round(body.count(" ") * slips_in_hundred / 100 + random.random() - 0.5)
            body = dictate(body, slips=slips, random=random)
        parts.append(f"{head}{after_head}{body}")
    if random.random() < 0.06:
        parts.append(f"{fill(random.choice(common_words().identifiers), random=random, fixed={})}.")
    return join.join(parts)


def _original(index: int, seed: int) -> _Note:
    # A string as the seed is hashed with SHA-512: the same on every Python and under every PYTHONHASHSEED.
    random = Random(f"medembed sample {seed} {index}")
    specialties, document = _document(random)
    labels = list(specialties)
    if not labels or random.random() < filed_by_type().get(document.document_type, 0.3):
        labels.append(document.document_type)
    return _Note(labels=tuple(labels), document=document, text=_text(document, random))


def _changed(text: str, random: Random) -> str:
    """The text with a few numbers or letters changed: well over 0.8 of its 5-word shingles stay."""
    changes = max(1, text.count(" ") // _WORDS_A_CHANGE)
    chosen = random.sample(list(_CHANGEABLE.finditer(text)), changes)
    for match in sorted(chosen, key=lambda match: match.start(), reverse=True):
        old = match[0]
        new = str(int(old) + random.randint(1, 3)) if old.isdigit() else misspell(old, random=random)
        text = f"{text[: match.start()]}{new}{text[match.end() :]}"
    return text


def _note(index: int, seed: int) -> _Note:
    place = index % _BLOCK
    if place == _BLOCK - 1:
        random = Random(f"medembed near-duplicate {seed} {index}")
        if random.random() < _SHARE_OF_BLOCKS:
            source = _original(index - random.randint(1, _BLOCK - 1), seed)
            return _Note(source.labels, source.document, _changed(source.text, random))
    return _original(index, seed)


def sample_rows(notes: int, seed: int) -> Iterator[dict[str, str]]:
    """The rows of the first `notes` different notes, one row for each label a note is filed under.

    A note depends on `seed` and its own place only: a larger corpus begins with the smaller one.

    Parameters
    ----------
    notes
        number of different notes, at least 1.
    seed
        any whole number.

    Yields
    ------
    dict[str, str]
        a row with the columns of `COLUMNS`; the rows of a note follow each other and share its text.

    Raises
    ------
    MedembedError
        `notes` is less than 1.
    """
    if notes < 1:
        raise MedembedError(
            f"notes must be at least 1 for a sample corpus, got {notes}: ask for a positive number."
        )
    return _rows(notes, seed)


def _rows(notes: int, seed: int) -> Iterator[dict[str, str]]:
    for index in range(notes):
        note = _note(index, seed)
        for label in note.labels:
            yield {
                "about": ABOUT,
                "description": note.document.description,
                "medical_specialty": label,
                "sample_name": note.document.title,
                "transcription": note.text,
                # As in MTSamples, the keywords begin with the label: they leak it, and are no feature.
                "keywords": ", ".join((label.lower(), *note.document.keywords)),
            }


def write_sample_corpus(path: Path, *, notes: int = 600, seed: int = 7) -> None:
    """Write the sample corpus as a UTF-8 CSV file: complete at `path`, or not there at all.

    Parameters
    ----------
    path
        where to; its folder is made, an existing file is replaced.
    notes
        number of different notes; there are about 1.5 times as many rows.
    seed
        another seed gives another corpus.

    Raises
    ------
    MedembedError
        `notes` is less than 1.
    OSError
        the folder or the file cannot be written; what was at `path` stands.
    """
    rows = sample_rows(notes, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
