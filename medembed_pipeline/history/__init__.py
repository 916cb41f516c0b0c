"""What was released when, and what it gave: kept across runs, and longer than the checkpoints themselves."""

REVISION = "1"
