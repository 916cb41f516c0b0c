"""Evaluation: is the tuned model better on notes it never saw, by how much, and for which specialties."""

REVISION = "3"
