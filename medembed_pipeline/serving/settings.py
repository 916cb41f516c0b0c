"""How the released checkpoint is served."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from medembed_pipeline.section import Section


class ServingSettings(Section, table="serving"):
    """How the released checkpoint is served (`medembed serve`); none of it reaches a table."""

    operational: ClassVar[frozenset[str]] = frozenset(
        {
            "host",
            "port",
            "allowed_hosts",
            "watch_seconds",
            "settle_seconds",
            "batch_texts",
            "waiting_texts",
            "texts_per_request",
            "characters_per_text",
            "request_megabytes",
            "picture_request_megabytes",
            "pictures_per_request",
            "picture_megapixels",
            "requests_per_second",
            "threads",
            "url",
        }
    )

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address to listen on; any other than this machine's own needs keys.",
    )
    port: int = Field(8000, ge=1, le=65_535, description="Port to listen on.")
    allowed_hosts: list[str] = Field(
        [],
        description="Names that people call the service by, besides the address; others are refused.",
    )
    watch_seconds: float = Field(
        2.0, ge=0.1, le=3600, description="How often the lake is looked at for a newly released checkpoint."
    )
    settle_seconds: float = Field(
        60.0,
        ge=0,
        le=86_400,
        description="How long a run may take from new notes to their map before the notes are served without it.",
    )
    batch_texts: int = Field(
        32, ge=1, le=1024, description="Texts encoded at once, of all requests that wait."
    )
    waiting_texts: int = Field(
        2048, ge=1, le=1_000_000, description="Texts that may wait; further requests are told to come back."
    )
    texts_per_request: int = Field(64, ge=1, le=4096, description="Texts in one request.")
    characters_per_text: int = Field(200_000, ge=100, le=10_000_000, description="Length of one text.")
    request_megabytes: float = Field(8.0, gt=0, le=1024, description="Size of one request.")
    picture_request_megabytes: float = Field(
        32.0, gt=0, le=1024, description="Size of one request with pictures, which travel as base64."
    )
    pictures_per_request: int = Field(16, ge=1, le=4096, description="Pictures in one request.")
    picture_megapixels: float = Field(
        64.0, gt=0, le=1024, description="A picture that unpacks to more is refused before it is unpacked."
    )
    requests_per_second: float = Field(
        50.0, ge=0, le=100_000, description="Of one key, or one address without keys; 0: no limit."
    )
    url: str = Field(
        "",
        description="Where the graph finds the running service, to say which snapshot it answers from; empty: nowhere.",
    )
    threads: int = Field(
        0, ge=0, le=256, description="Processor threads that encode; 0: as many as there are cores."
    )
