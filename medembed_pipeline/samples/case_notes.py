"""The words of a drawn case: its note, which says nothing of the picture, and a reading of its picture."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from medembed_pipeline.samples.case_plan import DrawnCase
from medembed_pipeline.samples.phantom import Opacity
from medembed_pipeline.words import read_words

_WORDS = Path(__file__).parent / "data" / "cases.toml"

# Mean and spread, by how ill the patient is.
_SPO2 = ((97.5, 0.9), (93.5, 1.2), (87.0, 2.4))
_BREATHS = ((15, 1.5), (22, 2.0), (31, 3.0))
_PULSE = ((76, 8), (98, 9), (122, 11))
_TEMPERATURE = ((36.9, 0.3), (38.1, 0.5), (38.6, 0.8))
_PRESSURE = ((128, 10), (122, 12), (98, 12))


def case_note(case: DrawnCase, seed: int) -> str:
    """The note of a case: who came, vital signs, complaint, history. The same case and seed give the same words."""
    words = read_words(_WORDS)
    random = Random(f"medembed drawn note {seed} {case.patient} {case.visit}")
    told = words["complaints"][case.illness]
    fixed = _fixed(case, words, random)
    history = [random.choice(words["history"]["failing" if case.failing_heart else "sound"])]
    history += random.sample(words["history"]["others"], random.randint(1, 4))
    random.shuffle(history)
    sentences = [
        random.choice(words["openings"]),
        *random.sample(told["said"], random.randint(1, 2)),
        random.choice(words["vitals"]),
        random.choice(told["exam"]),
    ]
    middle = sentences[1:]
    random.shuffle(middle)
    sentences = [sentences[0], *middle, *history]
    for kind, chance in (("homes", 0.7), ("jobs", 0.6), ("rest", 0.9)):
        if random.random() < chance:
            sentences.append(random.choice(words["closing"][kind]))
    return " ".join(_filled(sentence, fixed) for sentence in sentences)


def _fixed(case: DrawnCase, words: dict[str, Any], random: Random) -> dict[str, str]:
    def drawn(spread: tuple[tuple[float, float], ...], lowest: float, highest: float) -> float:
        return min(max(random.gauss(*spread[case.illness]), lowest), highest)

    upper = drawn(_PRESSURE, 70, 190)
    return {
        "age": str(case.age),
        "person": random.choice(words["persons"][case.sex]),
        "carrier": random.choice(words["carriers"]),
        "place": random.choice(words["places"]),
        "hour": f"{random.randint(0, 23):02}:{random.randint(0, 59):02}",
        "days": str(random.randint(2, 9)),
        "weekday": random.choice(words["closing"]["weekdays"]),
        "years": str(random.randint(2, 19)),
        "young": str(random.randint(9, 23)),
        "fraction": str(random.randint(22, 39)),
        "good_fraction": str(random.randint(56, 68)),
        "floor": random.choice(words["closing"]["floors"]),
        "work": random.choice(words["closing"]["work"]),
        "temp": f"{drawn(_TEMPERATURE, 35.4, 41.0):.1f}",
        "pulse": f"{drawn(_PULSE, 48, 160):.0f}",
        "breaths": f"{drawn(_BREATHS, 10, 44):.0f}",
        "spo2": f"{drawn(_SPO2, 74, 100):.0f}",
        "bp": f"{upper:.0f}/{upper * random.uniform(0.55, 0.68):.0f}",
    }


def _filled(sentence: str, fixed: dict[str, str]) -> str:
    filled = sentence.format_map(fixed)
    return filled[0].upper() + filled[1:]


def picture_reading(case: DrawnCase, patches: tuple[Opacity, ...], seed: int) -> str:
    """What a reader would write of the picture: opacities with their place, and the heart's size."""
    words = read_words(_WORDS)["reading"]
    random = Random(f"medembed drawn reading {seed} {case.patient} {case.visit}")
    heart = random.choice(words["large_heart" if case.large_heart else "normal_heart"])
    if not patches:
        lungs = random.choice(words["clear"])
    elif case.extent == 1:
        fixed = {"side": patches[0].side, "zone": patches[0].zone}
        lungs = _filled(random.choice(words["small"]), fixed)
    else:
        places = " and ".join(f"{patch.side} {patch.zone} zone" for patch in patches)
        lungs = _filled(random.choice(words["extensive"]), {"list": places})
    return " ".join([lungs, heart] if random.random() < 0.5 else [heart, lungs])


def picture_findings(case: DrawnCase, patches: tuple[Opacity, ...]) -> tuple[str, ...]:
    """What is to be seen, in fixed words: one of `opacity` and `clear lungs`, of `large heart` and `normal heart`,
    and where the opacities are."""
    found = ["opacity" if patches else "clear lungs", "large heart" if case.large_heart else "normal heart"]
    if case.extent == 2:
        found.append("extensive opacities")
    found += sorted({f"{patch.side} lung" for patch in patches})
    return tuple(found)
