"""The figures on held-out notes."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from medembed_pipeline.section import Section


class NeighborSettings(Section, table="neighbors"):
    """Exact nearest neighbours, computed once."""

    # The content of the file counts, not its name.
    operational: ClassVar[frozenset[str]] = frozenset({"found_elsewhere"})

    neighbors: int = Field(50, ge=10, le=1000, description="Neighbours kept for every note and model.")
    found_elsewhere: str = Field(
        "",
        description="A Parquet file in the lake, such as 'found/neighbors.parquet', with the neighbours that another "
        "engine has found (columns model, note_id, neighbor_id; docs/scale.md): taken among all notes in place of the "
        "exact search, which is made for notes that it lacks. Empty: the exact search. Held-out notes among "
        "themselves are searched exactly in any case.",
    )


class EvaluationSettings(Section, table="evaluation"):
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
