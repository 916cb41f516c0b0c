"""What can go wrong with the page."""

from medembed_pipeline.errors import MedembedError


class ReportError(MedembedError):
    """Tables that do not fit together, or an option that cannot be used."""
