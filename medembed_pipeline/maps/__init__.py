"""Maps of embedding space and how far to trust them."""

REVISION = "1"
