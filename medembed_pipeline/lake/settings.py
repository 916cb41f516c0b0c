"""What is kept of old versions."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from medembed_pipeline.section import Section


class StorageSettings(Section, table="storage"):
    """What `medembed prune` keeps."""

    operational: ClassVar[frozenset[str]] = frozenset({"keep_versions"})

    keep_versions: int = Field(
        5,
        ge=1,
        le=10_000,
        description="Checkpoints kept with their vectors, and classifiers, newest first; those in use always.",
    )
