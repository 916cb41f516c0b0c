"""Where data lives: paths, atomic writes, fingerprints, and the link to Dagster. Knows no room."""
