"""A new note is treated as the stored ones were: cleaned by the same function, masked where they are."""

from __future__ import annotations

from dataclasses import dataclass

from medembed_pipeline.notes.cleaning import clean_text, note_id
from medembed_pipeline.notes.identifiers import mask_identifiers


@dataclass(frozen=True)
class PreparedText:
    """A note ready to be encoded.

    Attributes
    ----------
    text
        cleaned, and masked where the lake's notes are; empty where cleaning leaves nothing.
    note_id
        the id that it would have as a stored note.
    """

    text: str
    note_id: str


def prepare_text(text: str, *, redact: bool) -> PreparedText:
    """Clean a text as `cleaned_notes` does (`notes.merging.prepare_texts`)."""
    cleaned = clean_text(text)
    return PreparedText(mask_identifiers(cleaned) if redact else cleaned, note_id(cleaned) if cleaned else "")
