"""What can go wrong with triage, in words for a person."""

from medembed_pipeline.errors import MedembedError


class TriageError(MedembedError):
    """Cases, settings or a model folder that cannot be used."""
