"""How settings are searched."""

from __future__ import annotations

from pydantic import Field, field_validator

from medembed_pipeline.section import Section


class StudySettings(Section, table="study"):
    """Searching settings on the validation notes: off by default, since each trial is a training of its own."""

    trials: int = Field(
        0,
        ge=0,
        le=10_000,
        description="Trials of each study, the first one with the defaults; 0: nothing is searched. Raised, a study "
        "goes on where it ended.",
    )
    which: list[str] = Field(
        ["recipe"],
        description="Which studies are made: recipe (the fine-tuning's), and those of other rooms by their names.",
    )
    random_trials: int = Field(
        10,
        ge=1,
        le=1000,
        description="Trials drawn at random before the search goes by the scores; fewer leave it nothing to go by.",
    )
    pruning: bool = Field(
        True,
        description="End a trial early whose best score so far is below the median of the earlier trials at the same "
        "point.",
    )
    seed: int = Field(7, ge=0, le=2**31 - 1, description="Seed of what is tried.")

    @field_validator("which")
    @classmethod
    def _each_once(cls, names: list[str]) -> list[str]:
        if len(set(names)) < len(names):
            raise ValueError("expected each name once")
        return names

    def trials_of(self, study: str) -> int:
        """How many trials a study gets."""
        return self.trials if study in self.which else 0
