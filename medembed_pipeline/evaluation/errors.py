"""Errors of the evaluation room."""

from medembed_pipeline.errors import MedembedError


class EvaluationError(MedembedError):
    """Embeddings, labels or parameters that cannot be evaluated; the message says which and what to do."""
