"""The rules of the release verdict."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from medembed_pipeline.section import Section


class VerdictSettings(Section, table="verdict"):
    """The rules of the release verdict: deploy, retrain or inconclusive."""

    main_metric: Literal["precision@1", "precision@5", "precision@10", "mrr", "ndcg@10", "map"] = Field(
        "precision@5", description="Its paired interval must lie above zero."
    )
    specialty_tolerance: float = Field(
        0.05,
        ge=0,
        le=1,
        description="A specialty may fall by so much of the main metric before it counts as worse: 0.05 of P@5 is one "
        "wrong neighbour more in four searches.",
    )
    slice_tolerance: float = Field(
        0.05,
        ge=0,
        le=1,
        description="The same for the notes of each value of a slice ([evaluation] slices).",
    )
    significance: float = Field(
        0.05,
        gt=0,
        lt=0.5,
        description="Level of the tests; Holm-corrected across specialties, and across slices.",
    )
    smallest_test_groups: int = Field(
        20,
        ge=2,
        le=100_000,
        description="With fewer held-out groups the gain is not judged, and the verdict is inconclusive.",
    )
    smallest_detail_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Collapse alarm: share of the baseline's detail within specialties that must be kept.",
    )
    smallest_spread_share: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Collapse alarm: share of a specialty's spread in the baseline that must be kept.",
    )
    smallest_effective_rank_share: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Collapse alarm: share of the baseline's effective rank that must be kept.",
    )
    largest_hub_skew: float = Field(
        3.0, ge=0, le=100, description="Hub alarm: skew of the k-occurrence, where it also grew."
    )
    largest_unreachable_share: float = Field(
        0.25, ge=0, le=1, description="Hub alarm: share of notes that no search reaches, where it also grew."
    )
