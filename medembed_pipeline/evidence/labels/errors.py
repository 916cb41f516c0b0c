"""What can go wrong with the label review."""

from __future__ import annotations

from medembed_pipeline.errors import MedembedError


class LabelReviewError(MedembedError):
    """The labels cannot be reviewed with what was given."""
