"""What can go wrong with pictures."""

from medembed_pipeline.errors import MedembedError


class PictureError(MedembedError):
    """A picture cannot be made from what was given."""
