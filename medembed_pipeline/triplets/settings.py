"""What the model is shown."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from medembed_pipeline.section import Section


class TripletSettings(Section, table="triplets"):
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
