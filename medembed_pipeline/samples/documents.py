"""Whole notes: which sections a kind of document has, and what goes into them."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from medembed_pipeline.samples.phrasebook import Condition, Report, fill
from medembed_pipeline.samples.sentences import (
    Patient,
    denials,
    listed,
    make_patient,
    normal_exam,
    opening,
    other_worry,
    past_illnesses,
    say,
    say_some,
    small_talk,
    vitals,
)
from medembed_pipeline.samples.vocabulary import DOCUMENTS
from medembed_pipeline.samples.vocabulary.general import CLOSINGS, PROCEDURE_NOTES, STUDY_NOTES

Sections = list[tuple[str, list[str]]]


@dataclass(frozen=True)
class Document:
    """A note before dictation noise; `document_type` is the label its kind is filed under."""

    document_type: str
    title: str
    description: str
    sections: Sections
    keywords: tuple[str, ...]


@dataclass(frozen=True)
class _Kind:
    """A kind of narrative note: its document type, and its section heads from the history to the plan."""

    document_type: str
    history: str
    past: str
    exam: str
    assessment: str
    plan: str


_KINDS = (
    _Kind(
        "SOAP / Chart / Progress Notes",
        "SUBJECTIVE",
        "MEDICATIONS",
        "OBJECTIVE",
        "ASSESSMENT",
        "PLAN",
    ),
    _Kind(
        "Consult - History and Phy.",
        "HISTORY OF PRESENT ILLNESS",
        "PAST MEDICAL HISTORY",
        "PHYSICAL EXAMINATION",
        "IMPRESSION",
        "RECOMMENDATIONS",
    ),
    _Kind(
        "Office Notes",
        "REASON FOR VISIT",
        "CURRENT MEDICATIONS",
        "EXAM",
        "ASSESSMENT",
        "FOLLOWUP",
    ),
    _Kind(
        "Emergency Room Reports",
        "CHIEF COMPLAINT",
        "PAST HISTORY",
        "PHYSICAL EXAM",
        "EMERGENCY DEPARTMENT COURSE",
        "DISPOSITION",
    ),
    _Kind(
        "Discharge Summary",
        "BRIEF HISTORY",
        "PAST MEDICAL HISTORY",
        "HOSPITAL COURSE",
        "FINAL DIAGNOSIS",
        "DISCHARGE INSTRUCTIONS",
    ),
    _Kind(
        "Letters",
        "Dear Doctor",
        "BACKGROUND",
        "FINDINGS",
        "OPINION",
        "PLAN",
    ),
)
_KIND_WEIGHTS = (30, 25, 15, 10, 12, 8)


def _description(patient: Patient, random: Random) -> str:
    frame = random.choice(
        (
            "{age}-year-old {woman} with {complaint}",
            "{complaint}, {age}-year-old {woman}",
            "followup on {complaint}",
        )
    )
    return say(frame, patient, random)


def _earlier_visits(siblings: Sequence[Condition], patient: Patient, random: Random) -> list[str]:
    """What else the same clinic has seen this patient for, plausible at this age."""
    names = [
        sibling.name
        for sibling in siblings
        if sibling.ages[0] <= patient.age and sibling.sex in {"", patient.sex}
    ]
    frame = random.choice(
        (
            "earlier visits here were about",
            "this clinic has also treated {her2} for",
            "in {year} we saw {her2} for",
            "{she} has been followed for",
        )
    )
    return [say(f"{frame} {name}", patient, random) for name in random.sample(names, min(len(names), 1))]


def _history(
    condition: Condition, siblings: Sequence[Condition], patient: Patient, random: Random
) -> list[str]:
    """The opening, then what tells the condition apart spread among what does not."""
    sentences = say_some(condition.history, random.choice((2, 3, 3)), patient, random)
    sentences += small_talk(random.randint(0, 2), patient, random)
    if random.random() < 0.6:
        sentences += _earlier_visits(siblings, patient, random)
    if random.random() < 0.25:
        sentences.append(other_worry(patient, random))
    if random.random() < 0.6:
        sentences.append(denials(patient, random))
    random.shuffle(sentences)
    return [opening(patient, random), *sentences]


def _past(condition: Condition, patient: Patient, random: Random) -> list[str]:
    names, medicines = past_illnesses(random.randint(0, 2), patient, random)
    names += random.sample(condition.background, random.randint(1, 2))
    medicines += random.sample(condition.treatments, min(len(condition.treatments), random.randint(1, 3)))
    random.shuffle(names)
    random.shuffle(medicines)
    frame = random.choice(("the chart mentions", "of note are", "past history includes", "the record lists"))
    sentences = [say(f"{frame} {listed(names)}", patient, random)]
    verb = random.choice(
        ("{she} takes", "tablets and other treatment are", "on the list are", "current treatment is")
    )
    sentences.append(say(f"{verb} {listed(medicines)}", patient, random))
    return sentences


def _exam(condition: Condition, patient: Patient, random: Random) -> list[str]:
    sentences = say_some(condition.findings, random.choice((2, 3, 3)), patient, random)
    sentences += normal_exam(random.randint(1, 4), patient, random)
    random.shuffle(sentences)
    return [vitals(patient, random), *sentences] if random.random() < 0.8 else sentences


def _assessment(condition: Condition, patient: Patient, random: Random) -> list[str]:
    chance = random.random()
    if chance < 0.5:
        return [say(f"{{likely|probable|known|established}} {condition.name}", patient, random)]
    if chance < 0.75:
        return [say("{complaint} as described, cause under review", patient, random)]
    return [say(f"{condition.name}", patient, random), other_worry(patient, random)]


def narrative(condition: Condition, siblings: Sequence[Condition], random: Random) -> Document:
    """A visit, a consultation, a stay, a letter: the condition in five sections, its name late or never.

    `siblings` are other conditions that the same specialty looks after.
    """
    complaint = random.choice(condition.complaints)
    patient = make_patient(
        ages=condition.ages, sex=condition.sex, complaint=complaint, random=random, acute=condition.acute
    )
    kind = random.choices(_KINDS, _KIND_WEIGHTS)[0]
    sections: Sections = [(kind.history, _history(condition, siblings, patient, random))]
    past = (kind.past, _past(condition, patient, random))
    exam = (kind.exam, _exam(condition, patient, random))
    sections += [past, exam] if random.random() < 0.8 else [exam, past]
    if random.random() < 0.14:
        sections.append(("SOCIAL HISTORY", small_talk(random.randint(4, 10), patient, random)))
        sections.append(("REVIEW OF SYSTEMS", normal_exam(random.randint(6, 16), patient, random)))
        sections.append(("COUNSELING", say_some(CLOSINGS, random.randint(4, 10), patient, random)))
    sections.append((kind.assessment, _assessment(condition, patient, random)))
    plan = say_some(condition.plan, random.randint(1, 2), patient, random)
    plan += say_some(CLOSINGS, random.randint(0, 2), patient, random)
    sections.append((kind.plan, plan))
    treatments = tuple(
        fill(treatment, random=random, fixed=patient.fixed) for treatment in condition.treatments
    )
    return Document(
        document_type=kind.document_type,
        title=f"{complaint.title()} - {random.randint(1, 9)}",
        description=_description(patient, random),
        sections=sections,
        keywords=(complaint, condition.name, *treatments),
    )


def report(study: Report, random: Random, *, imaging: bool) -> Document:
    """An imaging report or a procedure note: the same title for several specialties."""
    patient = make_patient(ages=study.ages, sex=study.sex, complaint=study.complaint, random=random)
    general = STUDY_NOTES if imaging else PROCEDURE_NOTES
    findings = say_some(
        study.findings, random.randint(len(study.findings) - 2, len(study.findings)), patient, random
    )
    technique = say_some(general, random.randint(4, 6), patient, random)
    findings += [technique.pop(), technique.pop()]
    random.shuffle(findings)
    conclusion = [say(study.diagnosis, patient, random)] if random.random() < 0.5 else []
    conclusion += say_some(CLOSINGS, random.randint(1, 2), patient, random)
    heads = (
        ("EXAM", "INDICATION", "TECHNIQUE", "FINDINGS", "IMPRESSION")
        if imaging
        else ("PROCEDURE PERFORMED", "INDICATIONS", "PREPARATION", "DESCRIPTION OF PROCEDURE", "DISPOSITION")
    )
    indication = [opening(patient, random), *small_talk(random.randint(1, 2), patient, random)]
    if random.random() < 0.5:
        indication.append(other_worry(patient, random))
    contents = ([f"{study.title}."], indication, technique, findings, conclusion)
    return Document(
        document_type="Radiology" if imaging else "Surgery",
        title=f"{study.title} - {random.randint(1, 9)}",
        description=_description(patient, random),
        sections=list(zip(heads, contents, strict=True)),
        keywords=(study.title.lower(), study.complaint),
    )


def general_document(random: Random) -> Document:
    """A document that belongs to no specialty."""
    document_type, title, parts = random.choice(DOCUMENTS)
    patient = make_patient(ages=(19, 88), sex="", complaint="fatigue", random=random)
    sections: Sections = []
    for place, (head, phrases) in enumerate(parts):
        sentences = say_some(phrases, len(phrases) - random.randint(0, 2), patient, random)
        if place == 0 and document_type not in {"Autopsy", "Lab Medicine - Pathology"}:
            sentences += small_talk(random.randint(2, 4), patient, random)
        sections.append((head, sentences))
    return Document(
        document_type=document_type,
        title=f"{title} - {random.randint(1, 9)}",
        description=say("{age}-year-old {woman}, " + title.lower(), patient, random),
        sections=sections,
        keywords=(title.lower(),),
    )
