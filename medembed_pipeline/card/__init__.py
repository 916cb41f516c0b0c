"""The model card of a measured checkpoint: what it is for, what it was shown to do, and what nobody has stated."""

REVISION = "2"
