"""What can go wrong with prompts and pictures, in words for a person."""

from medembed_pipeline.errors import MedembedError


class ImageTextError(MedembedError):
    """Prompts, or a model of pictures and texts, that cannot be used."""
