"""What a model must keep."""

from __future__ import annotations

from pydantic import Field, field_validator

from medembed_pipeline.section import Section, only


class TaskSettings(Section, table="tasks"):
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
        "sentences are chosen to mislead: a loss of a few is no harm yet. Where one sentence in seven changes sides, "
        "500 triplets a set give an interval of 0.03 to either side.",
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
        return only(families, ("passages", "clinical_terms", "everyday_language", "own"))

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
