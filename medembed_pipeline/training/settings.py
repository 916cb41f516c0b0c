"""How the model is fine-tuned."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from medembed_pipeline.section import Section


class TrainingRecipe(Section):
    """How a model is trained, whatever for. The defaults were best on validation notes (docs/training.md)."""

    loss: Literal["contrastive", "triplet"] = Field(
        "contrastive",
        description="'contrastive': all notes of a batch are compared; 'triplet': a margin per triplet.",
    )
    temperature: float = Field(
        0.05,
        ge=0.01,
        le=1,
        description="Of the contrastive loss; smaller weighs the most similar negatives more.",
    )
    triplet_distance: Literal["cosine", "euclidean"] = Field("cosine", description="Of the triplet loss.")
    triplet_margin: float = Field(0.3, gt=0, le=2, description="Of the triplet loss, in that distance.")
    epochs: int = Field(4, ge=1, le=1000, description="Without a head: passes over the train notes, at most.")
    notes_per_batch: int = Field(
        64, ge=3, le=65_536, description="Without a head: notes in one batch, at most."
    )
    accumulation_steps: int = Field(1, ge=1, le=4096, description="Batches per step of the optimiser.")
    micro_batch: int = Field(
        0,
        ge=0,
        le=65_536,
        description="Notes whose activations are held in memory at once; 0: the whole batch.",
    )
    tuned: Literal["head", "biases", "adapters", "all"] = Field(
        "head",
        description="What is trained: a small network after the model, which moves notes and leaves other texts where "
        "they are; or of the transformer its biases and normalisation layers, LoRA adapters that are added to the "
        "weights at the end, or all weights.",
    )
    learning_rate: float = Field(
        4e-3,
        gt=0,
        le=1,
        description="Without a head: of AdamW, at its peak; about 1e-2 for biases, 1e-3 for all weights, and a quarter "
        "of these where tuned_share is 1.",
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
    tuned_share: float = Field(
        0.33,
        gt=0,
        le=1,
        description="Share of the transformer's layers that is trained, from the highest on; at least one is. The "
        "lower ones stay as they are, with the token embeddings, and read each text once. 1: all.",
    )
    dropout: bool = Field(False, description="The base model's dropout while training; slower on a CPU.")
    lora_rank: int = Field(16, ge=1, le=1024, description="Rank of the adapters.")

    @model_validator(mode="before")
    @classmethod
    def _former(cls, values: Any) -> Any:
        if isinstance(values, dict) and "frozen_layers" in values:
            raise ValueError(
                "frozen_layers is tuned_share today, the share of the layers, from the highest on, that is trained; "
                "remove the line (1.0 is what frozen_layers = 0 was)"
            )
        return values


class TrainingSettings(TrainingRecipe, table="training"):
    """How the model is fine-tuned. The defaults were best on validation notes (docs/training.md)."""

    operational: ClassVar[frozenset[str]] = frozenset({"log_every_steps", "save_every_seconds"})

    labels: bool = Field(
        True,
        description="Learn from the specialties; false: from passages and anchoring alone, for notes without labels.",
    )
    head_steps: int = Field(
        200, ge=10, le=100_000, description="Of the head's training, each of all notes or 2,048."
    )
    head_learning_rate: float = Field(3e-3, gt=0, le=1, description="Of the head, at its peak.")
    head_units: int = Field(1024, ge=1, le=65_536, description="Size of the head's hidden layer.")
    head_noise: float = Field(
        0.6,
        ge=0,
        le=10,
        description="Noise that the head's training adds to notes, as a share of how far these lie apart, spread as "
        "parts of a note lie about it; and thrice as much to anchors, in all directions.",
    )
    further_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Parts from further into the notes whose labels a step of the head learns as well, as a share of "
        "its notes; 0: none.",
    )
    map_steps: int = Field(
        10,
        ge=0,
        le=100_000,
        description="Without a head: steps in which a linear map of the base model's vectors is fitted, before the "
        "model itself is tuned: seconds. It becomes the model's last layer. 0: none.",
    )
    map_learning_rate: float = Field(1e-3, gt=0, le=1, description="Of the linear map.")
    training_tokens: int = Field(
        0,
        ge=0,
        le=32_768,
        description="Tokens of a note that a step reads, a part of the window drawn for each epoch; 0: the window.",
    )
    passage_weight: float = Field(
        0.7,
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
        40,
        ge=0,
        le=65_536,
        description="Phrases of the notes that each step holds to where the base model has them, with a head always "
        "512; 0: none.",
    )
    anchor_similarity_weight: float = Field(
        100.0, ge=0, le=10_000, description="Of the squared change of the phrases' similarities."
    )
    anchor_vector_weight: float = Field(
        50.0, ge=0, le=10_000, description="Of the cosine distance of each phrase from its old place."
    )
    detail_weight: float = Field(
        0.3,
        ge=0,
        le=100,
        description="With a head: of the loss by which notes that share a specialty keep the order of their "
        "similarities. 0: none.",
    )
    average_shares: list[float] = Field(
        [0.2, 0.4, 0.6, 0.7, 0.8, 1.0],
        description="Shares of the tuned weights that are tried, averaged with the base model's; the best on the "
        "validation notes that keeps what must be kept is taken. []: no averaging.",
    )
    average_gain: float = Field(
        0.005,
        ge=0,
        le=1,
        description="What a larger share has to add to the validation score: within less the smallest is taken.",
    )
    keep_similarities: float = Field(
        0.98,
        ge=-1,
        le=1,
        description="Least correlation with the base model's similarities, between phrases of the validation notes.",
    )
    keep_rank: float = Field(
        0.92,
        ge=0,
        le=1,
        description="Least share of the base model's effective rank, of the validation notes' vectors.",
    )
    projection_dimensions: int = Field(
        0, ge=0, le=65_536, description="Size of a linear projection trained after pooling; 0: none."
    )
    early_stopping_patience: int = Field(
        2,
        ge=0,
        le=1000,
        description="Without a head: epochs without a better validation score before it stops; 0: never.",
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

    @property
    def peak(self) -> float:
        """The learning rate of what is trained."""
        return self.head_learning_rate if self.tuned == "head" else self.learning_rate

    @model_validator(mode="after")
    def _one_last_layer(self) -> TrainingSettings:
        if self.tuned == "head" and self.projection_dimensions:
            raise ValueError(
                "projection_dimensions: a head keeps the size of the vectors; set tuned to 'adapters', or this to 0"
            )
        return self

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


class RecipeStudySettings(Section, table="recipe_study"):
    """What the study of the fine-tuning's recipe searches: the ends of each value, or [] for that of [training]."""

    head_steps: list[int] = Field(
        [30, 300],
        description="Ends of training.head_steps, on a logarithmic scale; []: not searched, as without a head.",
    )
    head_learning_rate: list[float] = Field(
        [1e-3, 1e-2],
        description="Ends of training.head_learning_rate, on a logarithmic scale; []: not searched.",
    )
    head_units: list[int] = Field(
        [64, 4096], description="Ends of training.head_units, on a logarithmic scale; []: not searched."
    )
    head_noise: list[float] = Field([0.0, 1.0], description="Ends of training.head_noise; []: not searched.")
    learning_rate: list[float] = Field(
        [1e-3, 1e-2], description="Ends of training.learning_rate, on a logarithmic scale; []: not searched."
    )
    lora_rank: list[int] = Field(
        [4, 64],
        description="Ends of training.lora_rank, on a logarithmic scale; []: not searched, as where tuned is not "
        "'adapters'.",
    )
    epochs: list[int] = Field([1, 8], description="Ends of training.epochs; []: not searched.")
    temperature: list[float] = Field(
        [0.02, 0.3], description="Ends of training.temperature, on a logarithmic scale; []: not searched."
    )
    map_steps: list[int] = Field([0, 40], description="Ends of training.map_steps; []: not searched.")
    passage_weight: list[float] = Field(
        [0.1, 2.0], description="Ends of training.passage_weight, on a logarithmic scale; []: not searched."
    )
    anchor_similarity_weight: list[float] = Field(
        [10.0, 1000.0],
        description="Ends of training.anchor_similarity_weight, on a logarithmic scale; []: not searched.",
    )
    anchor_vector_weight: list[float] = Field(
        [0.5, 50.0],
        description="Ends of training.anchor_vector_weight, on a logarithmic scale; []: not searched.",
    )
    seeds: int = Field(
        1,
        ge=1,
        le=20,
        description="Trainings of each trial, by seeds of their own; their mean is the score. More tell luck from "
        "merit, and take as many times as long.",
    )

    @field_validator(
        "head_steps",
        "head_learning_rate",
        "head_units",
        "head_noise",
        "learning_rate",
        "lora_rank",
        "epochs",
        "temperature",
        "map_steps",
        "passage_weight",
        "anchor_similarity_weight",
        "anchor_vector_weight",
    )
    @classmethod
    def _ends(cls, ends: list[float], info: ValidationInfo) -> list[float]:
        if ends and (len(ends) != 2 or not ends[0] < ends[1]):
            raise ValueError("expected [] or two ends, the lower one first")
        for end in ends:
            try:
                TrainingSettings.model_validate({str(info.field_name): end})
            except ValidationError as error:
                raise ValueError(
                    f"{end} cannot be training.{info.field_name}: {error.errors()[0]['msg']}"
                ) from None
        return ends

    @model_validator(mode="after")
    def _something(self) -> RecipeStudySettings:
        if not self.ranges():
            raise ValueError("expected the ends of one value or more: a study needs something to search")
        return self

    def ranges(self) -> dict[str, list[float]]:
        """What is searched, by name, with its ends."""
        return {name: value for name, value in self.model_dump(exclude={"seeds"}).items() if value}
