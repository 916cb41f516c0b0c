"""Notes to vectors, for the baseline and the tuned model alike."""

REVISION = "2"
