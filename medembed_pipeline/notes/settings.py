"""How notes are read, cleaned and split."""

from __future__ import annotations

import re
from datetime import date
from typing import ClassVar

from pydantic import Field, field_validator, model_validator

from medembed_pipeline.section import Section

DOCUMENT_TYPES = [
    "Autopsy",
    "Consult - History and Phy.",
    "Discharge Summary",
    "Emergency Room Reports",
    "General Medicine",
    "IME-QME-Work Comp etc.",
    "Lab Medicine - Pathology",
    "Letters",
    "Office Notes",
    "Radiology",
    "SOAP / Chart / Progress Notes",
    "Surgery",
]


class LandingSettings(Section, table="landing"):
    """How the files of the landing folder are read."""

    operational: ClassVar[frozenset[str]] = frozenset({"rejected_share_warning"})

    text_column: str = Field(
        "", description="Column that holds the note; empty: found by the accepted names."
    )
    label_column: str = Field(
        "", description="Column that holds the specialty; empty: found by the accepted names."
    )
    patient_column: str = Field(
        "",
        description="Column that says whose note it is; empty: found by the usual names (patient_id, subject_id, mrn).",
    )
    date_column: str = Field(
        "",
        description="Column that says when it was written; empty: found by the usual names (charttime, note_date).",
    )
    note_column: str = Field(
        "",
        description="Column with the hospital's own id of a note: the same id is the same note, whatever its text; "
        "empty: found by the usual names (note_id, document_id).",
    )
    minimum_characters: int = Field(20, ge=1, le=100_000, description="A shorter note is rejected.")
    maximum_row_megabytes: int = Field(16, ge=1, le=512, description="A longer row is rejected.")
    maximum_file_gigabytes: float = Field(
        8.0, gt=0, le=1024, description="A file is read up to this size after decompression, and no further."
    )
    rejected_share_warning: float = Field(
        0.05, ge=0, le=1, description="Share of rejected rows above which a check warns."
    )


class CleaningSettings(Section, table="cleaning"):
    """How rows become notes."""

    label_separator: str = Field(
        "", description="Text that separates several labels in one cell; empty: none."
    )
    label_names: dict[str, str] = Field({}, description="Label as it lands -> the name to use for it.")
    document_types: list[str] = Field(
        DOCUMENT_TYPES, description="Labels that name a kind of document, not a specialty."
    )
    near_duplicate_threshold: float = Field(
        0.8,
        ge=0.5,
        le=1.0,
        description="Jaccard similarity of word 5-shingles from which two notes are one group.",
    )
    redact: bool = Field(False, description="Mask the identifier patterns in the text (names are not found).")


class SplitSettings(Section, table="splits"):
    """Which notes train, validate and test. The three shares add up to 1; they are met by new notes alone."""

    train: float = Field(0.7, gt=0, lt=1, description="Share of notes to train on.")
    validation: float = Field(0.1, gt=0, lt=1, description="Share of notes to choose the best epoch on.")
    test: float = Field(0.2, gt=0, lt=1, description="Share of notes held out for the verdict.")
    seed: int = Field(7, ge=0, le=2**31 - 1, description="Seed of the assignment of new notes.")
    test_from: str = Field(
        "",
        description="A date such as 2024-01-31: notes from that day on are the test, older ones train and validate; "
        "empty: the test is drawn by its share.",
    )

    @field_validator("test_from")
    @classmethod
    def _iso_date(cls, test_from: str) -> str:
        if test_from and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", test_from):
            raise ValueError("expected a date as in 2024-01-31, or nothing")
        if test_from:
            date.fromisoformat(test_from)
        return test_from

    @model_validator(mode="after")
    def _shares_add_up(self) -> SplitSettings:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train + validation + test must be 1, and is {total:g}")
        return self
