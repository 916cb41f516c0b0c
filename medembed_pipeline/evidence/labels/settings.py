"""Notes whose label looks wrong."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from medembed_pipeline.section import Section


class LabelReviewSettings(Section, table="label_review"):
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
