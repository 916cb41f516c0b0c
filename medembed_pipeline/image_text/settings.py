"""Pictures against prompts."""

from __future__ import annotations

from pydantic import Field

from medembed_pipeline.section import Section


class ImageTextSettings(Section, table="image_text"):
    """Pictures against paired prompts: the model of both, its small projection, and the controls."""

    model: str = Field(
        "bundled",
        min_length=1,
        description="'bundled' (a small projection of the two bundled models, trained on the readings of the "
        "train split; "
        "not a medical model), or a hub id or folder of a model of pictures and texts (CLIP, SigLIP).",
    )
    finetuned: str = Field(
        "",
        description="A second model, such as the first one tuned: both are measured, and the difference. With "
        "'bundled' "
        "before and after are the projection untrained and trained.",
    )
    dimensions: int = Field(64, ge=2, le=1024, description="Length of the vectors that the projection gives.")
    components: int = Field(
        128,
        ge=2,
        le=1024,
        description="Principal components of either side that the projection starts from: with a few hundred "
        "cases, more "
        "are learned by heart.",
    )
    steps: int = Field(
        160, ge=1, le=100_000, description="Steps at most; the best by the validation split is kept."
    )
    learning_rate: float = Field(0.01, gt=0, le=1, description="Of the projection (Adam).")
    temperature: float = Field(0.1, gt=0, le=10, description="Of the contrastive loss (InfoNCE).")
    deals: int = Field(
        200, ge=20, le=10_000, description="Random deals of the prompts to pairs and sides, for the control."
    )
    minimum_patients: int = Field(
        20, ge=2, le=10_000, description="With fewer patients on either side a figure by labels is left out."
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence of the intervals.")
    seed: int = Field(7, ge=0, le=2**31 - 1, description="Seed of the projection, the deals and t-SNE.")
