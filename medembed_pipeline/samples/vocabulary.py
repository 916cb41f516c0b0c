"""The words of the sample corpus, from the files in `data/`: read when they are first asked for.

Their order counts: it decides what a seed draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from medembed_pipeline.words import read_words

_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Complaint:
    """What several specialties hear: its wordings, and what a patient who has it usually denies."""

    wordings: tuple[str, ...]
    denied: tuple[str, ...]


@dataclass(frozen=True)
class Condition:
    """A diagnosis and the words that surround it; complaints are keys of `complaints()`.

    `history` and `findings` are sentences without a capital or a full stop, `background` and `treatments` are
    noun phrases, `plan` begins with a verb. `sex` is "female", "male" or "" for either; `ages` is inclusive,
    in years; `acute` is what is measured in hours and days.
    """

    name: str
    complaints: tuple[str, ...]
    ages: tuple[int, int]
    history: tuple[str, ...]
    background: tuple[str, ...]
    findings: tuple[str, ...]
    treatments: tuple[str, ...]
    plan: tuple[str, ...]
    sex: str = ""
    acute: bool = False


@dataclass(frozen=True)
class Study:
    """An imaging study or a procedure as one specialty orders it; several specialties share one `title`."""

    title: str
    specialty: str
    imaging: bool
    complaint: str
    diagnosis: str
    findings: tuple[str, ...]
    ages: tuple[int, int] = (25, 85)
    sex: str = ""


@dataclass(frozen=True)
class Narrative:
    """A kind of narrative note: the label it is filed under, how often it is drawn, its five section heads."""

    document_type: str
    weight: int
    heads: tuple[str, ...]


@dataclass(frozen=True)
class GeneralDocument:
    """A document that belongs to no specialty: sentences by section."""

    title: str
    document_type: str
    sections: dict[str, tuple[str, ...]]
    small_talk: bool = True


@dataclass(frozen=True)
class CommonWords:
    """Sentences that every specialty uses, and frames for a condition's own words (see `data/common.toml`)."""

    comorbidities: tuple[tuple[str, str, int], ...]
    openings: tuple[str, ...]
    social: tuple[str, ...]
    normal_exam: tuple[str, ...]
    closings: tuple[str, ...]
    study_notes: tuple[str, ...]
    procedure_notes: tuple[str, ...]
    identifiers: tuple[str, ...]
    denials: tuple[str, ...]
    worries: tuple[str, ...]
    earlier_visits: tuple[str, ...]
    past_illnesses: tuple[str, ...]
    medicines: tuple[str, ...]
    likely: str
    descriptions: tuple[str, ...]
    unclear: str
    pronouns: dict[str, dict[str, str]]


@cache
def complaints() -> dict[str, Complaint]:
    """Complaints by their name."""
    return {name: Complaint(**words) for name, words in read_words(_DATA / "complaints.toml").items()}


@cache
def conditions() -> dict[str, tuple[Condition, ...]]:
    """Conditions by the specialty that looks after them."""
    return {
        specialty: tuple(Condition(name, **words) for name, words in own.items())
        for specialty, own in read_words(_DATA / "conditions.toml").items()
    }


@cache
def between() -> tuple[tuple[tuple[str, str], Condition], ...]:
    """Conditions that two specialties own together, with the two."""
    found = []
    for name, words in read_words(_DATA / "between.toml").items():
        pair, own = words["specialties"], {key: value for key, value in words.items() if key != "specialties"}
        found.append((pair, Condition(name, **own)))
    return tuple(found)


@cache
def studies() -> tuple[Study, ...]:
    """Imaging studies, then procedures."""
    return tuple(
        Study(title, specialty, kind == "imaging", **words)
        for kind, of_kind in read_words(_DATA / "studies.toml").items()
        for title, of_title in of_kind.items()
        for specialty, words in of_title.items()
    )


@cache
def narratives() -> tuple[Narrative, ...]:
    """The kinds of narrative notes."""
    found = read_words(_DATA / "documents.toml")["narratives"]
    return tuple(Narrative(document_type, **words) for document_type, words in found.items())


def longer_heads() -> tuple[str, str, str]:
    """The heads of what a long narrative note has besides: living conditions, normal findings, advice."""
    heads: tuple[str, str, str] = read_words(_DATA / "documents.toml")["longer"]
    return heads


def report_heads(document_type: str) -> tuple[str, ...]:
    """The five section heads of a report on a study, "Radiology" or "Surgery"."""
    heads: tuple[str, ...] = read_words(_DATA / "documents.toml")["reports"][document_type]
    return heads


@cache
def general_documents() -> tuple[GeneralDocument, ...]:
    """Documents that belong to no specialty."""
    found = read_words(_DATA / "documents.toml")["general"]
    return tuple(GeneralDocument(title, **words) for title, words in found.items())


@cache
def common_words() -> CommonWords:
    """What every specialty uses."""
    return CommonWords(**read_words(_DATA / "common.toml"))


def fillers() -> tuple[str, ...]:
    """What is said while dictating and does not belong to the note."""
    words: tuple[str, ...] = read_words(_DATA / "noise.toml")["fillers"]
    return words


def homophones() -> dict[str, str]:
    """For a word the one that speech recognition takes it for."""
    words: dict[str, str] = read_words(_DATA / "noise.toml")["homophones"]
    return words


def specialty_weights() -> dict[str, int]:
    """How many notes of one specialty there are to one of another."""
    weights: dict[str, int] = read_words(_DATA / "labels.toml")["specialty_weights"]
    return weights


def filed_by_type() -> dict[str, float]:
    """Share of the notes of a document type that are filed under it as well."""
    shares: dict[str, float] = read_words(_DATA / "labels.toml")["filed_by_type"]
    return shares
