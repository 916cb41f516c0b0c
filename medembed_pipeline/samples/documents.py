"""Whole notes: which sections a kind of document has, and what goes into them."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from medembed_pipeline.samples.phrasebook import fill
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
from medembed_pipeline.samples.vocabulary import (
    Condition,
    Study,
    common_words,
    general_documents,
    longer_heads,
    narratives,
    report_heads,
)

Sections = list[tuple[str, list[str]]]


@dataclass(frozen=True)
class Document:
    """A note before dictation noise; `document_type` is the label its kind is filed under."""

    document_type: str
    title: str
    description: str
    sections: Sections
    keywords: tuple[str, ...]


def _description(patient: Patient, random: Random) -> str:
    return say(random.choice(common_words().descriptions), patient, random)


def _earlier_visits(siblings: Sequence[Condition], patient: Patient, random: Random) -> list[str]:
    """What else the same clinic has seen this patient for, plausible at this age."""
    names = [
        sibling.name
        for sibling in siblings
        if sibling.ages[0] <= patient.age and sibling.sex in {"", patient.sex}
    ]
    frame = random.choice(common_words().earlier_visits)
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
    return [
        say(f"{random.choice(common_words().past_illnesses)} {listed(names)}", patient, random),
        say(f"{random.choice(common_words().medicines)} {listed(medicines)}", patient, random),
    ]


def _exam(condition: Condition, patient: Patient, random: Random) -> list[str]:
    sentences = say_some(condition.findings, random.choice((2, 3, 3)), patient, random)
    sentences += normal_exam(random.randint(1, 4), patient, random)
    random.shuffle(sentences)
    return [vitals(patient, random), *sentences] if random.random() < 0.8 else sentences


def _assessment(condition: Condition, patient: Patient, random: Random) -> list[str]:
    chance = random.random()
    if chance < 0.5:
        return [say(f"{common_words().likely} {condition.name}", patient, random)]
    if chance < 0.75:
        return [say(common_words().unclear, patient, random)]
    return [say(f"{condition.name}", patient, random), other_worry(patient, random)]


def narrative(condition: Condition, siblings: Sequence[Condition], random: Random) -> Document:
    """A visit, a consultation, a stay, a letter: the condition in five sections, its name late or never.

    `siblings` are other conditions that the same specialty looks after.
    """
    complaint = random.choice(condition.complaints)
    patient = make_patient(
        ages=condition.ages, sex=condition.sex, complaint=complaint, random=random, acute=condition.acute
    )
    kind = random.choices(narratives(), [kind.weight for kind in narratives()])[0]
    history, past, exam, assessment, plan = kind.heads
    sections: Sections = [(history, _history(condition, siblings, patient, random))]
    middle = [(past, _past(condition, patient, random)), (exam, _exam(condition, patient, random))]
    sections += middle if random.random() < 0.8 else reversed(middle)
    closings = common_words().closings
    if random.random() < 0.14:
        longer = (
            small_talk(random.randint(4, 10), patient, random),
            normal_exam(random.randint(6, 16), patient, random),
            say_some(closings, random.randint(4, 10), patient, random),
        )
        sections += zip(longer_heads(), longer, strict=True)
    sections.append((assessment, _assessment(condition, patient, random)))
    planned = say_some(condition.plan, random.randint(1, 2), patient, random)
    planned += say_some(closings, random.randint(0, 2), patient, random)
    sections.append((plan, planned))
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


def report(study: Study, random: Random) -> Document:
    """An imaging report or a procedure note: the same title for several specialties."""
    patient = make_patient(ages=study.ages, sex=study.sex, complaint=study.complaint, random=random)
    document_type = "Radiology" if study.imaging else "Surgery"
    general = common_words().study_notes if study.imaging else common_words().procedure_notes
    findings = say_some(
        study.findings, random.randint(len(study.findings) - 2, len(study.findings)), patient, random
    )
    technique = say_some(general, random.randint(4, 6), patient, random)
    findings += [technique.pop(), technique.pop()]
    random.shuffle(findings)
    conclusion = [say(study.diagnosis, patient, random)] if random.random() < 0.5 else []
    conclusion += say_some(common_words().closings, random.randint(1, 2), patient, random)
    indication = [opening(patient, random), *small_talk(random.randint(1, 2), patient, random)]
    if random.random() < 0.5:
        indication.append(other_worry(patient, random))
    contents = ([f"{study.title}."], indication, technique, findings, conclusion)
    return Document(
        document_type=document_type,
        title=f"{study.title} - {random.randint(1, 9)}",
        description=_description(patient, random),
        sections=list(zip(report_heads(document_type), contents, strict=True)),
        keywords=(study.title.lower(), study.complaint),
    )


def general_document(random: Random) -> Document:
    """A document that belongs to no specialty."""
    chosen = random.choice(general_documents())
    patient = make_patient(ages=(19, 88), sex="", complaint="fatigue", random=random)
    sections: Sections = []
    for place, (head, phrases) in enumerate(chosen.sections.items()):
        sentences = say_some(phrases, len(phrases) - random.randint(0, 2), patient, random)
        if place == 0 and chosen.small_talk:
            sentences += small_talk(random.randint(2, 4), patient, random)
        sections.append((head, sentences))
    return Document(
        document_type=chosen.document_type,
        title=f"{chosen.title} - {random.randint(1, 9)}",
        description=say("{age}-year-old {woman}, " + chosen.title.lower(), patient, random),
        sections=sections,
        keywords=(chosen.title.lower(),),
    )
