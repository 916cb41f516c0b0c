"""The page that a person opens."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from medembed_pipeline.section import Section


class ReportSettings(Section, table="report"):
    """The page that a person opens."""

    note_text: Literal["full", "masked", "none"] = Field(
        "full",
        description="The notes' text in the page: as it is, with identifier patterns masked, or not at all. "
        "Small copies of "
        "pictures are in it except with 'none'.",
    )
    notes_in_page: int = Field(
        6000,
        ge=0,
        le=200_000,
        description="With more notes than this, their text lies in a file beside the page.",
    )
