"""The page that a person opens: the verdict, its evidence, and every note behind it."""

REVISION = "2"
