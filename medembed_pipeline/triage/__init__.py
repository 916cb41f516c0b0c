"""From note and chest picture to a triage level, and whether the picture helps."""

REVISION = "5"
