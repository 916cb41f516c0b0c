"""Cleaned notes to triplets: what the model is shown while it trains."""

REVISION = "1"
