"""Where work that is cut into shards runs."""

from __future__ import annotations

from importlib.util import find_spec
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from medembed_pipeline.section import Section


class EngineSettings(Section, table="engine"):
    """Where work that is cut into shards runs: the tables are the same, whatever stands here."""

    operational: ClassVar[frozenset[str]] = frozenset({"kind", "address", "workers", "threads"})

    kind: Literal["local", "ray"] = Field(
        "local",
        description="local: in the process of the step; ray: by workers of Ray, which needs pip install '.[ray]' (see "
        "docs/scale.md).",
    )
    address: str = Field(
        "",
        max_length=500,
        description="Of a Ray cluster: auto on a machine of it, or ray://host:10001; http://host:8265: each step is a "
        "Ray job there; empty: a Ray of this machine that lives as long as the step.",
    )
    workers: int = Field(
        0,
        ge=0,
        le=10_000,
        description="Shards worked on at once; 0: as many as there are processors, or GPUs where a model runs on them.",
    )
    threads: int = Field(
        0,
        ge=0,
        le=256,
        description="Processors that a worker with a model takes and computes with; 0: as many as a step of this "
        "machine, with which the vectors are those of kind = 'local' to the last digit. 1 makes the most of many "
        "processors.",
    )

    @property
    def runs_jobs(self) -> bool:
        """Whether a step with shards is run as a Ray job."""
        return self.kind == "ray" and self.address.startswith(("http://", "https://"))

    @field_validator("kind")
    @classmethod
    def _refuse_what_is_not_installed(cls, kind: str) -> str:
        if kind == "ray" and find_spec("ray") is None:
            raise ValueError("Ray is not installed here: pip install '.[ray]', or set kind to 'local'")
        return kind
