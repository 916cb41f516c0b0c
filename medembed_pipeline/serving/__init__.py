"""The released checkpoint over HTTP: similar notes, labels, vectors; and the page that people use."""

REVISION = "2"
