"""Triage: which cases take part, how the arms are tuned, and by which rules the picture is said to help."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from medembed_pipeline.section import Section


class TriageSettings(Section, table="triage"):
    """From note and picture to a triage level: which cases take part, and how the arms are made."""

    levels: list[str] = Field(
        [],
        description="The labels from the least to the most urgent; others are left out. Empty: the labels there are, "
        "in order where they are those of a known scale.",
    )
    positive: list[str] = Field(
        [],
        description="Labels that are told from all others: then there are two levels, 'other' and these. Empty: every "
        "label is a level.",
    )
    views: list[str] = Field([], description="Views that take part, such as PA and AP; empty: all.")
    metadata: list[str] = Field(
        ["age", "sex", "view"],
        description="What the arm metadata sees: age, sex, view, source, and whatever [images] more_columns names.",
    )
    slices: list[str] = Field(
        ["sex", "age", "view", "source"],
        description="Columns whose values have figures of their own; the same names as for metadata.",
    )
    main_metric: Literal["auc", "accuracy", "weighted_f1", "macro_f1", "kappa"] = Field(
        "auc", description="In what the arms are compared, and the best is chosen on validation cases."
    )
    components: int = Field(
        64,
        ge=2,
        le=1024,
        description="Principal components of a vector that a head sees: with a few hundred cases, more are learned by "
        "heart.",
    )
    tries: int = Field(
        6,
        ge=2,
        le=1000,
        description="Settings that are tried of every arm, by cross-validation in the train split.",
    )
    folds: int = Field(3, ge=2, le=20, description="Folds of train cases by patient, for that.")
    smallest_level_patients: int = Field(
        5,
        ge=2,
        le=10_000,
        description="A label with fewer train patients is left out: it is named and counted.",
    )
    minimum_patients: int = Field(
        20,
        ge=4,
        le=100_000,
        description="With fewer patients nothing is learned, and it is said what is needed.",
    )
    deals: int = Field(
        5,
        ge=1,
        le=1000,
        description="Random deals of the partners, over which the figure with others' partners goes.",
    )
    shuffles: int = Field(
        5, ge=2, le=1000, description="Random orders of the levels, which give the floor of a shortcut."
    )
    picture_shortcuts: Literal["pixels", "encoder"] = Field(
        "pixels",
        description="How border and centre are seen: as 32 x 32 grey pixels, or by the image encoder, which takes as "
        "long as encoding all pictures twice more.",
    )
    border: float = Field(
        0.12,
        gt=0,
        lt=0.4,
        description="Share of each side that is the border, to the left, right, top and bottom.",
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence of the intervals.")
    seed: int = Field(7, ge=0, le=2**31 - 1, description="Of folds, tries, heads, deals and shuffles.")


class TriageVerdictSettings(Section, table="triage_verdict"):
    """The rules by which the picture is said to help, or not."""

    largest_shortcut_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Of what the best arm reaches above shuffled levels: from this share on, a shortcut that is shown "
        "to be above them explains the result.",
    )
    smallest_test_groups: int = Field(
        20, ge=2, le=100_000, description="With fewer held-out patients nothing is decided."
    )
    largest_calibration_error: float = Field(
        0.1, gt=0, le=1, description="Of the likeliest level, of the arm that is compared; more is told."
    )
