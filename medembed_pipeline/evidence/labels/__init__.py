"""Notes whose label looks wrong, and how good any model could be with these labels."""

REVISION = "2"
