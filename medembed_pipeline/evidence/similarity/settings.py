"""Similarities of pairs, heatmaps and example queries."""

from __future__ import annotations

from pydantic import Field

from medembed_pipeline.section import Section


class SimilaritySettings(Section, table="similarity"):
    """Similarities of pairs, heatmaps and example queries, before and after."""

    bins: int = Field(100, ge=10, le=400, description="Bins of the histograms, over -1 to 1.")
    example_queries: int = Field(8, ge=1, le=50, description="Held-out notes whose neighbours are shown.")
    heatmap_notes: int = Field(
        40, ge=2, le=200, description="Held-out notes on each side of the query x document heatmap."
    )
    seed: int = Field(7, ge=0, le=2**31 - 1, description="Seed of the choice of examples.")
