"""What runs by itself, and when."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from medembed_pipeline.section import Section

CRON_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))


class AutomationSettings(Section, table="automation"):
    """What runs by itself, and when (docs/automation.md)."""

    enabled: bool = Field(
        False,
        description="Whether the sensors run from the start; else switch them on in the UI, under Automation.",
    )
    retraining: Literal["on_change", "when_new_share", "on_schedule", "never"] = Field(
        "when_new_share",
        description="When to train again; new notes are embedded and mapped at once whatever stands here.",
    )
    new_share: float = Field(
        0.1,
        gt=0,
        le=1,
        description="For when_new_share: share of train notes that the checkpoint has not seen.",
    )
    retraining_schedule: str = Field(
        "0 3 * * 0", description="Cron, UTC: train and evaluate. Runs by itself under on_schedule."
    )
    nightly_schedule: str = Field(
        "0 1 * * *", description="Cron, UTC: the whole graph. Off until switched on in the UI."
    )
    landing_interval_seconds: int = Field(
        10, ge=1, le=86_400, description="Between two looks into the landing folder."
    )
    landing_settle_seconds: float = Field(
        5.0,
        ge=0,
        le=86_400,
        description="The landing folder is read once no file in it has changed for so long.",
    )

    @field_validator("retraining_schedule", "nightly_schedule")
    @classmethod
    def _five_cron_fields(cls, schedule: str) -> str:
        return _cron(schedule)


def _cron(schedule: str) -> str:
    fields = schedule.split()
    if len(fields) != len(CRON_FIELDS):
        raise ValueError("expected five fields: minute hour day month weekday, such as '0 3 * * 0'")
    for field, (name, lowest, highest) in zip(fields, CRON_FIELDS, strict=True):
        for part in field.split(","):
            found = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/([1-9]\d*))?", part)
            numbers = [int(number) for number in found.groups()[:2] if number] if found else [-1]
            if not all(lowest <= number <= highest for number in numbers):
                raise ValueError(f"{name} {part!r}: expected *, or numbers from {lowest} to {highest}")
    return schedule
