"""What can go wrong with the specialty classifier."""

from __future__ import annotations

from medembed_pipeline.errors import MedembedError


class ClassificationError(MedembedError):
    """The classifier cannot be made, measured or used with what was given."""
