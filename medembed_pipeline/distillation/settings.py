"""How the static model is distilled."""

from __future__ import annotations

from pydantic import Field, field_validator

from medembed_pipeline.section import Section


class DistillationSettings(Section, table="distillation"):
    """How the static model, a vector for each token, is distilled from the tuned one."""

    strengths: list[float] = Field(
        [0.03, 0.1, 0.3, 1.0],
        min_length=1,
        max_length=50,
        description="Ridge penalties that are tried; the one that is best on the validation notes is taken.",
    )
    first_stage: int = Field(
        100,
        ge=1,
        le=100_000,
        description="Notes that the static model hands on where it is the first stage of a search: it is measured how "
        "many of the tuned model's ten nearest are among them.",
    )

    @field_validator("strengths")
    @classmethod
    def _positive(cls, strengths: list[float]) -> list[float]:
        if min(strengths) <= 0:
            raise ValueError("each must be above 0")
        return strengths
