"""What only a person can say of the model: as `[card]` of the settings has it, or that nobody has stated it."""

from __future__ import annotations

from medembed_pipeline.card.settings import CardSettings
from medembed_pipeline.training.card_parts import plain

LONGEST = 1000


def stated(settings: CardSettings, name: str) -> str:
    """A field of the section, or a sentence that names the field to set."""
    value = str(getattr(settings, name)).strip()
    return plain(value, longest=LONGEST) if value else f"not stated: set `[card] {name}`"
