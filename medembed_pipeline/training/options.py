"""What a person can choose about the training. Loads no torch."""

import math
from dataclasses import dataclass
from typing import Literal

from medembed_pipeline.errors import MedembedError

LossName = Literal["contrastive", "triplet"]
DistanceName = Literal["cosine", "euclidean"]


@dataclass(frozen=True)
class TrainingOptions:
    """How an encoder is trained. The defaults are the recipe that was best on the validation notes.

    Attributes:
        loss: `contrastive` (every pair of notes in a batch counts) or `triplet` (margin on each triplet).
        temperature: of the contrastive loss; smaller weighs the most similar negatives more. 0.01 to 1.
        triplet_distance: `cosine` (1 - cosine similarity) or `euclidean`, of unit vectors (at most 2 apart).
        triplet_margin: how much farther the negative must be than the positive, in that distance.
        epochs: passes over the triplets, at most; 0 gives the base model.
        notes_per_batch: different notes in one batch, at most.
        accumulation_steps: batches whose gradients are averaged into one step of the optimiser.
        micro_batch: notes held in memory with their activations at once; 0 is the whole batch. Smaller needs
            less memory, and a second forward pass. The gradient is the same up to rounding.
        learning_rate: of AdamW, at its peak.
        warmup_share: share of all steps in which the learning rate rises to its peak; a cosine takes it to 0.
        weight_decay: of AdamW; not for biases and normalisation layers.
        max_gradient_norm: the gradient is scaled down to this length; 0 for never.
        frozen_layers: lowest transformer layers, with the token embeddings, that stay as they are; 0 trains
            all.
        dropout: the base model's dropout while training; without it a CPU is faster by a fifth or more.
        lora_rank: rank of the LoRA adapters trained in place of the weights (needs `peft`); 0 trains the
            weights.
        early_stopping_patience: epochs without a better validation score after which to stop; 0 for never.
        seed: of batches, dropout, adapters and a new projection.
    """

    loss: LossName = "contrastive"
    temperature: float = 0.1
    triplet_distance: DistanceName = "cosine"
    triplet_margin: float = 0.3
    epochs: int = 2
    notes_per_batch: int = 128
    accumulation_steps: int = 1
    micro_batch: int = 0
    learning_rate: float = 3e-4
    warmup_share: float = 0.1
    weight_decay: float = 0.01
    max_gradient_norm: float = 1.0
    frozen_layers: int = 0
    dropout: bool = False
    lora_rank: int = 0
    early_stopping_patience: int = 2
    seed: int = 7

    def __post_init__(self) -> None:
        if self.loss not in ("contrastive", "triplet"):
            raise MedembedError(f"loss: {self.loss!r} is unknown; expected 'contrastive' or 'triplet'.")
        if self.triplet_distance not in ("cosine", "euclidean"):
            raise MedembedError(
                f"triplet_distance: {self.triplet_distance!r} is unknown; expected 'cosine' or 'euclidean'."
            )
        ranges: dict[str, tuple[float, float]] = {
            "temperature": (0.01, 1),
            "triplet_margin": (1e-6, 2),
            "epochs": (0, 1000),
            "notes_per_batch": (3, 65_536),
            "accumulation_steps": (1, 4096),
            "micro_batch": (0, 65_536),
            "learning_rate": (1e-9, 1),
            "warmup_share": (0, 1),
            "weight_decay": (0, 1),
            "max_gradient_norm": (0, math.inf),
            "frozen_layers": (0, 1000),
            "lora_rank": (0, 1024),
            "early_stopping_patience": (0, 1000),
            "seed": (0, 2**31 - 1),
        }
        for name, (lowest, highest) in ranges.items():
            value = getattr(self, name)
            if not lowest <= value <= highest:
                raise MedembedError(f"{name}: {value} is out of range; expected {lowest:g} to {highest:g}.")
