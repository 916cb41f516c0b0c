"""Errors of the room."""

from medembed_pipeline.errors import MedembedError


class HealthError(MedembedError):
    """The health figures cannot be computed from these inputs; the message says which and what to do."""
