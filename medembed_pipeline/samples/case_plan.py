"""What drawn cases are about: hidden states of picture and note, the triage level that follows, and the best score.

The level is a rule of what the picture shows (the extent of an opacity, the heart's size) and of what the note says
(how ill the patient is, whether the heart is known to fail), with one true interaction: an enlarged heart counts
only in a patient whose heart is known to fail. A few labels are wrong. So it is known how good any model can be
that sees the note, the picture, or both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Final, Literal

from medembed_pipeline.errors import MedembedError

LEVELS: Final = ("routine", "urgent", "emergency")
ABOUT: Final = "drawn case, not a real patient"
SOURCES: Final = ("ward A", "ward B")
VIEWS: Final = ("AP", "PA")

EXTENTS: Final = (0.40, 0.35, 0.25)
"""Shares of pictures with clear lungs, with one small opacity, and with extensive ones."""
ILLNESS: Final = (0.40, 0.35, 0.25)
"""Shares of notes of patients who are stable, ill and gravely ill."""
LARGE_HEARTS: Final = 0.45
FAILING_HEARTS: Final = 0.45
INTERACTION: Final = 2
"""Points for an enlarged heart in a patient whose heart is known to fail."""
WRONG_LABELS: Final = 0.06
"""Share of cases whose level is drawn among all three, whatever the rule says."""

Arm = Literal["note", "picture", "both"]


@dataclass(frozen=True)
class CaseCorpus:
    """Which cases are drawn.

    Attributes
    ----------
    patients
        each has two cases.
    seed
        any whole number; a patient depends on it and on the patient's place only.
    interaction
        whether the enlarged heart counts with a failing heart alone; else each counts one point for itself.
    shortcut
        share of cases whose source, and a mark in the corner of the picture, give the level away.
    """

    patients: int = 600
    seed: int = 7
    interaction: bool = True
    shortcut: float = 0.0

    def __post_init__(self) -> None:
        if self.patients < 1:
            raise MedembedError(f"patients must be at least 1 for drawn cases, got {self.patients}.")
        if not 0.0 <= self.shortcut <= 1.0:
            raise MedembedError(f"shortcut is a share from 0 to 1, got {self.shortcut}.")


@dataclass(frozen=True)
class DrawnCase:
    """The hidden states of a case.

    Attributes
    ----------
    patient
        number from 0.
    visit
        0 or 1.
    extent
        of opacities, 0 to 2.
    large_heart
        whether the heart is enlarged.
    illness
        0 to 2.
    failing_heart
        whether the history has heart failure.
    level
        one of LEVELS, after the noise.
    source, view
        where it is from and how it was taken; they say nothing of the level, unless there is a shortcut.
    marked
        the corner that the shortcut's mark stands in, by the level; -1 for none.
    age
        in years.
    sex
        F or M.
    """

    patient: int
    visit: int
    extent: int
    large_heart: bool
    illness: int
    failing_heart: bool
    level: str
    source: str
    view: str
    marked: int
    age: int
    sex: str


def points(extent: int, large_heart: bool, illness: int, failing_heart: bool, *, interaction: bool) -> int:
    """What the level follows from: the more, the more urgent."""
    if interaction:
        return extent + illness + INTERACTION * (large_heart and failing_heart)
    return extent + illness + large_heart + failing_heart


def rule(extent: int, large_heart: bool, illness: int, failing_heart: bool, *, interaction: bool) -> str:
    """The level before the noise."""
    found = points(extent, large_heart, illness, failing_heart, interaction=interaction)
    urgent = 2 if interaction else 3
    return LEVELS[0 if found < urgent else 1 if found == urgent else 2]


def drawn_cases(corpus: CaseCorpus) -> Iterator[DrawnCase]:
    """The cases, patient by patient."""
    for patient in range(corpus.patients):
        random = Random(f"medembed drawn patient {corpus.seed} {patient}")
        large_heart = random.random() < LARGE_HEARTS
        failing_heart = random.random() < FAILING_HEARTS
        age, sex = random.randint(24, 92), random.choice("FM")
        for visit in range(2):
            extent = random.choices(range(3), EXTENTS)[0]
            illness = random.choices(range(3), ILLNESS)[0]
            level = rule(extent, large_heart, illness, failing_heart, interaction=corpus.interaction)
            if random.random() < WRONG_LABELS:
                level = random.choice(LEVELS)
            source, view = random.choice(SOURCES), random.choice(VIEWS)
            marked = -1
            if random.random() < corpus.shortcut:
                marked = LEVELS.index(level)
                source = f"ward {'ABC'[marked]}"
            yield DrawnCase(
                patient=patient,
                visit=visit,
                extent=extent,
                large_heart=large_heart,
                illness=illness,
                failing_heart=failing_heart,
                level=level,
                source=source,
                view=view,
                marked=marked,
                age=age,
                sex=sex,
            )


def best_accuracy(arm: Arm, *, interaction: bool = True) -> float:
    """The accuracy of the best rule there is that knows everything the note, the picture, or both can tell.

    Bayes' rule over the hidden states, which the note and the picture only show: no model of new patients has a higher
    expected accuracy, without a shortcut. That of a model that sees neither is the share of the commonest level.

    Parameters
    ----------
    arm
        what is seen.
    interaction
        of the corpus.
    """
    chances: defaultdict[tuple[int, ...], defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for extent, large, illness, failing in product(range(3), (False, True), range(3), (False, True)):
        chance = EXTENTS[extent] * ILLNESS[illness]
        chance *= LARGE_HEARTS if large else 1 - LARGE_HEARTS
        chance *= FAILING_HEARTS if failing else 1 - FAILING_HEARTS
        picture, note = (extent, int(large)), (illness, int(failing))
        seen = {"picture": picture, "note": note, "both": (*picture, *note)}[arm]
        ruled = rule(extent, large, illness, failing, interaction=interaction)
        for level in LEVELS:
            chances[seen][level] += chance * (
                WRONG_LABELS / len(LEVELS) + (1 - WRONG_LABELS) * (level == ruled)
            )
    return sum(max(levels.values()) for levels in chances.values())
