"""Landing pictures to cases: what landed, what it is joined with, and how it is split."""

REVISION = "2"
