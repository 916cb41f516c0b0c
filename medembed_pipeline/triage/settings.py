"""Triage: which cases take part, how the arms are tuned, and by which rules the picture is said to help."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

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
    tuned: Literal["heads", "adapters"] = Field(
        "heads",
        description="What is trained: heads on the encoders' vectors as they are, or before that adapters (LoRA) of "
        "the encoders of note and picture, too: long on a CPU.",
    )
    adapter_epochs: int = Field(8, ge=1, le=1000, description="Passes over the train cases, at most.")
    adapter_patience: int = Field(
        2,
        ge=1,
        le=1000,
        description="Passes without a lower log loss on validation cases, after which no further one follows.",
    )
    adapter_learning_rates: list[float] = Field(
        [3e-4, 1e-3],
        min_length=1,
        max_length=20,
        description="Of AdamW at its peak; each is tried for each encoder, and validation cases choose.",
    )
    adapter_rank: int = Field(8, ge=1, le=256, description="Rank of the adapters.")
    adapter_scale: float = Field(
        2.0,
        gt=0,
        le=100,
        description="What the adapters' product is multiplied by; elsewhere called alpha / rank.",
    )
    adapter_blocks: int = Field(
        4,
        ge=1,
        le=1000,
        description="How many of the last blocks of an encoder get adapters (layers of a transformer, stages of a "
        "ResNet); all where it has fewer.",
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
    seed: int = Field(
        7, ge=0, le=2**31 - 1, description="Of folds, tries, heads, adapters, deals and shuffles."
    )

    @field_validator("adapter_learning_rates")
    @classmethod
    def _rates(cls, values: list[float]) -> list[float]:
        if not all(0 < value <= 1 for value in values):
            raise ValueError("expected learning rates above 0 and up to 1")
        return values


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
