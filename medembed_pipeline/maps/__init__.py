"""Maps of embedding space, how far to trust them, and how far each note moved."""

REVISION = "5"
