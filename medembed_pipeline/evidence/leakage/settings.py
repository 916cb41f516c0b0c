"""How the same checkpoint would look under splits that leak."""

from __future__ import annotations

from pydantic import Field

from medembed_pipeline.section import Section


class LeakageSettings(Section, table="leakage"):
    """How the same checkpoint would look under splits that leak."""

    repeats: int = Field(20, ge=1, le=1000, description="Simulated splits that each figure is the mean of.")
    largest_pool: int = Field(
        2000, ge=10, le=100_000, description="Items of a scored set at most; else as many as are held out."
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence of the intervals.")
    seed: int = Field(7, ge=0, le=2**31 - 1, description="Seed of the simulated splits.")
