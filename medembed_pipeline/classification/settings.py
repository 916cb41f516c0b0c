"""The specialty classifier."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from medembed_pipeline.section import Section

LARGEST_TRIED = 1_000_000


class ClassificationSettings(Section, table="classification"):
    """Which specialty a note is of: a ladder of classifiers, and the one of them that is served."""

    smallest_label_notes: int = Field(
        5,
        ge=2,
        le=1000,
        description="A label with fewer train notes is not predicted: it is named and counted.",
    )
    choose_by: Literal["log_loss", "ranking", "top_1", "map", "macro_f1"] = Field(
        "log_loss",
        description="What the best on validation notes is best in, and in what it has to beat TF-IDF by its interval: "
        "log loss, label ranking average precision, top-1 accuracy, mean average precision over the labels, or "
        "macro-F1. In the first every label of every note counts, so it tells rungs apart with the fewest notes; the "
        "last two hang on the rarest labels.",
    )
    folds: int = Field(
        5, ge=2, le=20, description="Folds of train notes by group, for tuning and out-of-fold."
    )
    inverse_regularization: list[float] = Field(
        [3.0, 10.0, 30.0, 100.0, 300.0],
        min_length=1,
        description="What is tried of each logistic regression: C, the inverse of its regularization.",
    )
    neighbors: list[int] = Field(
        [5, 10, 20, 40, 80], min_length=1, description="What is tried where train notes vote: how many do."
    )
    fused_weights: list[float] = Field(
        [0.1, 0.2, 0.3, 0.4, 0.5],
        min_length=1,
        description="What is tried where the heads of vectors and of TF-IDF are fused: the weight of the vectors.",
    )
    class_weight: Literal["none", "balanced"] = Field(
        "balanced",
        description="'balanced': in each logistic regression the notes that carry the label weigh as much together as "
        "all others, which tells rare labels better.",
    )
    smallest_word_notes: int = Field(
        2,
        ge=2,
        le=1000,
        description="A word that fewer train notes hold is not counted. One that a single note holds says nothing of "
        "others, and may be a name.",
    )
    calibrate_label_from: int = Field(
        20,
        ge=5,
        le=100_000,
        description="Notes of a label, of those that calibration is found on, from which it may have a calibration of "
        "its own, where that lowers the log loss of notes that it was not found on; else it shares that of all labels.",
    )
    misses: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="Share of its true labels that the set of a note to come may lack, on average: 0.1 promises sets "
        "that hold 90% of them.",
    )
    largest_set: int = Field(
        6,
        ge=1,
        le=1000,
        description="A note whose set is larger is left to people: it says too little to send it anywhere.",
    )
    smallest_known_words: float = Field(
        0.6,
        ge=0,
        le=1,
        description="A text of which a smaller share of the words is known from train notes is left to people: it is "
        "of another language, or no note.",
    )
    far_share: float = Field(
        0.01,
        ge=0,
        le=0.5,
        description="A text that lies further from all train notes than all but this share of the validation notes do "
        "is left to people.",
    )
    cross_fits: int = Field(
        1,
        ge=1,
        le=20,
        description="How many times the notes are divided into folds, to be judged by classifiers that saw nothing of "
        "their groups; the figures are the means. More are steadier, and take as long again each.",
    )
    adapters: bool = Field(
        False,
        description="Also train the base model with adapters (LoRA) and a classification head, the top of the "
        "ladder: long on a CPU.",
    )
    adapter_epochs: int = Field(4, ge=1, le=100, description="Passes over the train notes, of these.")
    adapter_rank: int = Field(8, ge=1, le=256, description="Rank of the adapters.")
    adapter_scale: float = Field(
        2.0,
        gt=0,
        le=100,
        description="What the adapters' product is multiplied by; elsewhere called alpha / rank.",
    )
    adapter_layers: Literal["all", "query_value"] = Field(
        "all",
        description="Which linear layers get an adapter: all, or those of the attention's queries and values.",
    )
    adapter_learning_rate: float = Field(5e-4, gt=0, le=1, description="Of AdamW, at its peak.")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence of the intervals.")
    seed: int = Field(7, ge=0, le=2**31 - 1, description="Of the folds, and of the adapters.")

    @field_validator("fused_weights")
    @classmethod
    def _shares(cls, values: list[float]) -> list[float]:
        if not all(0 <= value <= 1 for value in values):
            raise ValueError("expected weights of 0 to 1")
        return values

    @field_validator("inverse_regularization", "neighbors")
    @classmethod
    def _above_zero(cls, values: list[float]) -> list[float]:
        if not all(0 < value <= LARGEST_TRIED for value in values):
            raise ValueError(f"expected numbers above 0, up to {LARGEST_TRIED:,}")
        return values


class ClassifierVerdictSettings(Section, table="classifier_verdict"):
    """The rules of the classifier's own verdict: deploy, keep or inconclusive."""

    main_metric: Literal["log_loss", "ranking", "top_1", "map", "macro_f1"] = Field(
        "map", description="In which it has to be better than TF-IDF, and than the classifier in service."
    )
    label_tolerance: float = Field(
        0.1,
        ge=0,
        le=1,
        description="By how much F1 of a label may fall below what it is compared with before it counts as worse.",
    )
    significance: float = Field(
        0.05, gt=0, lt=0.5, description="Level of the tests; Holm-corrected across labels."
    )
    smallest_test_groups: int = Field(
        20, ge=2, le=100_000, description="With fewer held-out groups the gain is not judged."
    )
    coverage_slack: float = Field(
        0.03,
        ge=0,
        le=1,
        description="By how much the coverage of the sets on held-out notes may lie below the promise: about what 165 "
        "validation notes and 331 held-out ones leave to chance (one standard error is 0.028).",
    )
    largest_calibration_error: float = Field(
        0.03, gt=0, le=1, description="Of the probabilities of all pairs of note and label."
    )
