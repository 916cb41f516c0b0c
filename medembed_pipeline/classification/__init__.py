"""Which specialty a note is of: a ladder of classifiers, the one that is served, its proof and its verdict."""

REVISION = "6"
