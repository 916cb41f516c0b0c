"""Errors of the tasks room."""

from medembed_pipeline.errors import MedembedError


class TaskError(MedembedError):
    """A task that cannot be asked: the message names the file, the row and the id, and what was expected."""
