"""Searching settings: one way for everything that is searched, on train and validation notes alone."""

REVISION = "1"
