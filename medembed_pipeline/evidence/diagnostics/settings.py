"""Whether the tuned space is still a healthy one."""

from __future__ import annotations

from pydantic import Field

from medembed_pipeline.section import Section


class HealthSettings(Section, table="health"):
    """Whether the tuned space is still a healthy one: hubs, collapse, detail."""

    hub_neighbors: int = Field(10, ge=1, le=1000, description="k of the k-occurrence that finds hubs.")
    detail_neighbors: int = Field(
        10, ge=1, le=1000, description="Nearest notes of the same specialty in which details are looked for."
    )
    classifier_neighbors: int = Field(
        10, ge=1, le=1000, description="Training notes that vote on a held-out note's specialties."
    )
