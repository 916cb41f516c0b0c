"""What is kept of old versions."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from medembed_pipeline.section import Section

KEEP_TABLES = 3


class StorageSettings(Section, table="storage"):
    """What is kept of old versions, and what `medembed prune` keeps."""

    operational: ClassVar[frozenset[str]] = frozenset({"keep_versions", "keep_tables"})

    keep_versions: int = Field(
        5,
        ge=1,
        le=10_000,
        description="Checkpoints kept with their vectors, and classifiers, newest first; those in use always.",
    )
    keep_tables: int = Field(
        KEEP_TABLES,
        ge=0,
        le=100,
        description="Earlier versions of each table and of the page that are kept for `medembed rollback` when it is "
        "replaced. They hold the notes of then.",
    )
