"""Errors of the verdict room."""

from medembed_pipeline.errors import MedembedError


class VerdictError(MedembedError):
    """There is no verdict, or no released checkpoint; the message says why and what to do."""
