"""What the triage verdict goes by: its rules by name, and the figures behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from medembed_pipeline.triage.cases import Levels
from medembed_pipeline.triage.ledger import AS_IT_IS
from medembed_pipeline.triage.shortcuts import (
    BORDER,
    CENTRE,
    DIAGNOSIS_MASKED,
    NUMBERS_ALONE,
    PICTURE_MASKED,
    SOURCE,
    VIEW,
    WORDS,
)

LEDGER, METER = "modality_ledger", "shortcut_meter"

GAIN: Final = "fusion_beats_best_single"
PARTNER: Final = "fusion_needs_its_partner"
UNDER_TRIAGE: Final = "under_triage_is_not_higher"
SHORTCUTS: Final = {
    "source_does_not_tell": SOURCE,
    "view_does_not_tell": VIEW,
    "border_does_not_tell": BORDER,
    "centre_is_needed": CENTRE,
    "diagnosis_words_are_not_needed": DIAGNOSIS_MASKED,
}
"""By deciding rule, the shortcut that it is about."""
TOLD: Final = {
    "words_alone": WORDS,
    "numbers_alone": NUMBERS_ALONE,
    "picture_words_masked": PICTURE_MASKED,
}
"""By rule for information, what is told."""

RULES: Final[Mapping[str, str]] = {
    GAIN: "The whole paired interval of the best fusion over the best single arm lies above zero.",
    PARTNER: "The fusion is shown to be worse with other patients' pictures, and with others' notes.",
    UNDER_TRIAGE: "The fusion is not shown to give more cases too low a level than the best single arm.",
    "source_does_not_tell": "Where a case is from tells little of its level.",
    "view_does_not_tell": "The view tells little of the level.",
    "border_does_not_tell": "The border of the picture tells little of the level.",
    "centre_is_needed": "The picture with its centre blacked out tells little of the level.",
    "diagnosis_words_are_not_needed": "What the note tells does not rest on words that name a disease.",
    "words_alone": "What counting the words of the note reaches, for information.",
    "numbers_alone": "What the numbers in the note alone reach, for information.",
    "picture_words_masked": "What the note tells without words that tell of a picture, for information.",
    "holds_on_unseen_sources": "What the compared arm reaches on sources that it was fitted without, for information.",
    "note_and_picture_interact": "Whether note and picture do more than add up (EMAP), for information.",
    "triage_is_calibrated": "Whether the compared arm's probabilities are as often right as they say, for information.",
}
"""Every rule, in the order of the table, and what it says."""


@dataclass(frozen=True)
class Evidence:
    """What the verdict goes by.

    Attributes
    ----------
    ledger, meter
        rows of `modality_ledger` and `shortcut_meter`.
    single, fusion
        the best arm of one part, and of both, on validation cases; the latter None where there is none.
    why_no_fusion
        what is needed where there is none.
    figure
        in what they are compared.
    levels
        what is predicted.
    """

    ledger: Sequence[Mapping[str, Any]]
    meter: Sequence[Mapping[str, Any]]
    single: str
    fusion: str | None
    why_no_fusion: str
    figure: str
    levels: Levels

    @property
    def compared(self) -> str:
        """The arm that shortcuts are held against."""
        return self.fusion or self.single

    def of_ledger(
        self, arm: str, variant: str = AS_IT_IS, over: str | None = None, figure: str | None = None
    ) -> Mapping[str, Any] | None:
        """A row of the ledger."""
        wanted = (arm, variant, over, figure or self.figure)
        return next(
            (
                row
                for row in self.ledger
                if (row["arm"], row["variant"], row["over"], row["figure"]) == wanted
            ),
            None,
        )

    @property
    def patients(self) -> int:
        """How many are held out, with all that the arms see."""
        row = self.of_ledger(self.single)
        return 0 if row is None else int(row["groups"])

    def of_meter(self, name: str) -> list[Mapping[str, Any]]:
        """The rows of an input."""
        return [row for row in self.meter if row["input"] == name and row["figure"] == self.figure]
