"""The maps."""

from __future__ import annotations

from pydantic import Field, field_validator

from medembed_pipeline.section import Section, only


class ProjectionSettings(Section, table="projections"):
    """The maps."""

    methods: list[str] = Field(
        ["pca", "tsne", "umap"], min_length=1, description="Which maps to make: pca, tsne, umap."
    )
    dimensions: list[int] = Field([2, 3], min_length=1, description="Flat (2), in space (3), or both.")
    tsne_perplexity: float = Field(16.0, ge=2, le=300, description="About a third of the neighbours kept.")
    umap_neighbors: int = Field(15, ge=2, le=999, description="Neighbours that UMAP holds together.")
    umap_minimum_distance: float = Field(0.1, ge=0, lt=1, description="How close UMAP may place two notes.")
    seed: int = Field(7, ge=0, le=2**31 - 1, description="Seed of the maps.")

    @field_validator("methods")
    @classmethod
    def _known_methods(cls, methods: list[str]) -> list[str]:
        return only(methods, ("pca", "tsne", "umap"))

    @field_validator("dimensions")
    @classmethod
    def _known_dimensions(cls, dimensions: list[int]) -> list[int]:
        return only(dimensions, (2, 3))


class AlignmentSettings(Section, table="alignment"):
    """Maps on which baseline and tuned notes can be compared, and how far each note moved."""

    methods: list[str] = Field(
        ["aligned_umap", "joint_pca"],
        min_length=1,
        description="Which maps to make: aligned_umap, joint_pca.",
    )
    dimensions: list[int] = Field([2, 3], min_length=1, description="Flat (2), in space (3), or both.")
    regularisation: float = Field(
        0.1, ge=0, le=1, description="How strongly AlignedUMAP holds a note of both maps together."
    )
    umap_neighbors: int = Field(15, ge=2, le=999, description="Neighbours that AlignedUMAP holds together.")
    umap_minimum_distance: float = Field(
        0.1, ge=0, lt=1, description="How close AlignedUMAP may place two notes."
    )
    overlap_neighbors: int = Field(
        10, ge=1, le=1000, description="Neighbours whose overlap before and after is counted."
    )
    seed: int = Field(7, ge=0, le=2**31 - 1, description="Seed of the maps.")

    @field_validator("methods")
    @classmethod
    def _known_methods(cls, methods: list[str]) -> list[str]:
        return only(methods, ("aligned_umap", "joint_pca"))

    @field_validator("dimensions")
    @classmethod
    def _known_dimensions(cls, dimensions: list[int]) -> list[int]:
        return only(dimensions, (2, 3))
