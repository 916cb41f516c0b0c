"""Errors of this room."""

from medembed_pipeline.errors import MedembedError


class VisualizeError(MedembedError):
    """An option, a model or a file that cannot be used; or a stage that failed."""
