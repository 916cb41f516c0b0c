"""Landing files to notes: what landed, cleaned, told apart, and split."""

REVISION = "3"
