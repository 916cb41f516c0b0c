"""What can go wrong with pictures and cases, in words for a person."""

from medembed_pipeline.errors import MedembedError


class ImagesError(MedembedError):
    """Pictures, or the table that joins them to notes, that cannot be used."""
