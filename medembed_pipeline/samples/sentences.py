"""Building blocks of a note: its patient, and sentences about the complaint and everything around it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from medembed_pipeline.samples.phrasebook import fill
from medembed_pipeline.samples.vocabulary import common_words, complaints, conditions


@cache
def _diagnoses(complaint: str) -> tuple[str, ...]:
    """What can be behind a complaint. A diagnosis that only one sex can have is never somebody else's."""
    return tuple(
        condition.name
        for own in conditions().values()
        for condition in own
        if complaint in condition.complaints and not condition.sex
    )


@dataclass(frozen=True)
class Patient:
    """Who a note is about; `fixed` is what the gaps of its phrases are filled with."""

    age: int
    sex: str
    complaint: str
    fixed: dict[str, str]


def make_patient(
    *, ages: tuple[int, int], sex: str, complaint: str, random: Random, acute: bool = False
) -> Patient:
    """A patient whose complaint is worded in one of its ways."""
    age = random.randint(*ages)
    sex = sex or random.choice(("female", "male"))
    side = random.choice(("left", "right"))
    unit = random.choice(("hours", "days") if acute else ("weeks", "months"))
    fixed = {
        **common_words().pronouns[sex],
        "age": str(age),
        "side": side,
        "other": "right" if side == "left" else "left",
        "span": f"{random.randint(2, 9)} {unit}",
        "complaint": random.choice(complaints()[complaint].wordings),
    }
    return Patient(age=age, sex=sex, complaint=complaint, fixed=fixed)


def say(phrase: str, patient: Patient, random: Random) -> str:
    """The phrase as a sentence: gaps filled, capital, full stop."""
    words = fill(phrase, random=random, fixed=patient.fixed)
    return f"{words[0].upper()}{words[1:]}."


def say_some(phrases: Sequence[str], count: int, patient: Patient, random: Random) -> list[str]:
    """`count` different ones of the phrases (all, where there are fewer) as sentences, in random order."""
    return [say(phrase, patient, random) for phrase in random.sample(phrases, min(count, len(phrases)))]


def opening(patient: Patient, random: Random) -> str:
    """The first sentence of a history: age and complaint, and nothing of the condition."""
    return say(random.choice(common_words().openings), patient, random)


def small_talk(count: int, patient: Patient, random: Random) -> list[str]:
    """Sentences that fit any patient."""
    return say_some(common_words().social, count, patient, random)


def denials(patient: Patient, random: Random) -> str:
    """What the patient with this complaint says not to have."""
    denied = complaints()[patient.complaint].denied
    chosen = random.sample(denied, min(len(denied), random.randint(2, 3)))
    return say(f"{random.choice(common_words().denials)} {' or '.join(chosen)}", patient, random)


def other_worry(patient: Patient, random: Random) -> str:
    """A diagnosis that shares the complaint, named only because somebody thought of it."""
    name = random.choice(_diagnoses(patient.complaint))
    return say(f"{random.choice(common_words().worries)} {name}", patient, random)


def past_illnesses(count: int, patient: Patient, random: Random) -> tuple[list[str], list[str]]:
    """Illnesses that have nothing to do with the visit, and their medicines, plausible at this age."""
    plausible = [entry for entry in common_words().comorbidities if patient.age >= entry[2]]
    chosen = random.sample(plausible, min(count, len(plausible)))
    medicines = [fill(medicine, random=random, fixed=patient.fixed) for _, medicine, _ in chosen]
    return [name for name, _, _ in chosen], medicines


def vitals(patient: Patient, random: Random) -> str:
    """Pulse, pressure and the rest, in no particular relation to the condition."""
    systolic = random.randint(104, 158)
    measures = [
        f"blood pressure {systolic}/{systolic * random.randint(54, 68) // 100}",
        f"pulse {random.randint(56, 104)}",
        f"respirations {random.randint(12, 22)}",
        f"temperature {random.randint(97, 99)}.{random.randint(0, 9)}",
        f"weight {random.randint(112, 248)} pounds",
    ]
    chosen = random.sample(measures, random.randint(2, 5))
    return say(", ".join(chosen), patient, random)


def normal_exam(count: int, patient: Patient, random: Random) -> list[str]:
    """Findings that say nothing is wrong there."""
    return say_some(common_words().normal_exam, count, patient, random)


def listed(items: Iterable[str]) -> str:
    """The items as a phrase: a, b and c."""
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last
