"""How pictures land, are joined with notes, and are split."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, model_validator

from medembed_pipeline.section import Section


class ImagesSettings(Section, table="images"):
    """How the pictures of the folder landing_images are read, and joined with notes."""

    operational: ClassVar[frozenset[str]] = frozenset({"enabled", "drawn_patients", "rejected_share_warning"})

    enabled: bool = Field(
        True, description="Whether there are assets for pictures at all; false leaves all of them out."
    )
    drawn_patients: int = Field(
        600,
        ge=0,
        le=100_000,
        description="Patients of the drawn cases, two each, that `medembed run` puts into an empty "
        "landing_images beside "
        "the sample notes; 0 for none.",
    )
    image_column: str = Field(
        "", description="Column that names the picture; empty: found by the usual names (image, filename)."
    )
    note_column: str = Field(
        "",
        description="Column with the note; empty: found by the usual names (note, clinical_notes, history).",
    )
    patient_column: str = Field(
        "", description="Column that says whose it is; empty: found by the usual names (patient_id, mrn)."
    )
    label_column: str = Field(
        "",
        description="Column with the triage level or the outcome; empty: found by the usual names "
        "(triage_level, label, "
        "finding).",
    )
    findings_column: str = Field(
        "",
        description="Column with what is to be seen in the picture, several joined by findings_separator; empty: found "
        "by the usual names (findings, finding_labels), else the label.",
    )
    reading_column: str = Field(
        "",
        description="Column with a reading of the picture in words; empty: found by the usual names (reading, "
        "impression, caption).",
    )
    view_column: str = Field(
        "", description="Column with the view (AP, PA); empty: found by the usual names (view)."
    )
    source_column: str = Field(
        "",
        description="Column that says where it is from; empty: found by the usual names (source, site, url). Of a web "
        "address only the host is kept.",
    )
    age_column: str = Field("", description="Column with the age in years; empty: found by its usual names.")
    sex_column: str = Field("", description="Column with the sex; empty: found by its usual names.")
    more_columns: list[str] = Field(
        [],
        description="Further columns that are kept with a case as they are, such as vital signs: [triage] metadata and "
        "slices can name them.",
    )
    findings_separator: str = Field(
        "|", min_length=1, max_length=5, description="What several findings in one cell are joined by."
    )
    maximum_megapixels: float = Field(
        64.0, gt=0, le=1024, description="A picture that unpacks to more is rejected before it is unpacked."
    )
    maximum_file_megabytes: int = Field(256, ge=1, le=4096, description="A larger file is rejected.")
    minimum_side: int = Field(
        32, ge=1, le=1024, description="Pixels; a picture with a shorter side is rejected."
    )
    kept_side: int = Field(
        512,
        ge=64,
        le=4096,
        description="Pixels of the longer side of what is kept of a picture, and seen by every encoder; the "
        "larger ones "
        "among today's read 448 to 518.",
    )
    rejected_share_warning: float = Field(
        0.05, ge=0, le=1, description="Share of rejected pictures above which a check warns."
    )


class CaseSplitSettings(Section, table="case_splits"):
    """Which cases train, validate and test: by patient, near-duplicate picture and near-duplicate note."""

    train: float = Field(0.6, gt=0, lt=1, description="Share of cases to train on.")
    validation: float = Field(0.15, gt=0, lt=1, description="Share of cases to choose and calibrate on.")
    test: float = Field(
        0.25, gt=0, lt=1, description="Share of cases held out for every figure that is shown."
    )
    seed: int = Field(7, ge=0, le=2**31 - 1, description="Seed of the assignment of new cases.")
    picture_distance: float = Field(
        0.2,
        ge=0,
        le=0.35,
        description="Share of 4,096 bits in which the perceptual hashes of two near-duplicate pictures differ at most. "
        "Copies that were saved again, scaled or made brighter differ in under 0.2, films of different patients in "
        "over 0.21 (measured on 494 films and on the drawn ones).",
    )
    note_similarity: float = Field(
        0.8,
        ge=0.5,
        le=1.0,
        description="Jaccard similarity of word 5-shingles from which two notes are near-duplicates.",
    )

    @model_validator(mode="after")
    def _shares_add_up(self) -> CaseSplitSettings:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train + validation + test must be 1, and is {total:g}")
        return self
