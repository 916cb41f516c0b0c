"""What can go wrong with maps."""

from __future__ import annotations

from medembed_pipeline.errors import MedembedError


class MapError(MedembedError):
    """A map cannot be made from what was given."""
