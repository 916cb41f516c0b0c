"""Errors of this room."""

from medembed_pipeline.errors import MedembedError


class StudyError(MedembedError):
    """A study that cannot be made, or a space that cannot be searched."""
