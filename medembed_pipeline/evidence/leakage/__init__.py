"""How much of an apparent gain is memory: the same checkpoint under splits that leak."""

REVISION = "2"
