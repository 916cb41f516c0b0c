"""Errors of the card's room."""

from medembed_pipeline.errors import MedembedError


class CardError(MedembedError):
    """The card cannot be written, or is no card of this project; the message says why and what to do."""
