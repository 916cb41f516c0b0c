"""The service as a Dagster resource."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import dagster as dg
import pydantic

from medembed_pipeline.serving.private import safe_words

if TYPE_CHECKING:
    from medembed_pipeline.serving.client import ServingClient

KEY_VARIABLE = "MEDEMBED_SERVING_KEY"
_SECONDS = 3.0


class ServingResource(dg.ConfigurableResource):
    """The running service of the lake, where `[serving] url` names one."""

    url: str = pydantic.Field(
        "", description="Of the service; empty: none. Its key comes from MEDEMBED_SERVING_KEY."
    )

    def client(self, *, timeout: float = 60.0, retries: int = 5) -> ServingClient:
        """A client of it, for assets that search or embed."""
        from medembed_pipeline.serving.client import ServingClient

        return ServingClient(
            self.url, key=os.environ.get(KEY_VARIABLE) or None, timeout=timeout, retries=retries
        )

    def answers(self, snapshot: str) -> str:
        """Whether the service answers from a snapshot already, in words; it is asked once, and may be away."""
        if not self.url:
            return "[serving] url names no running service"
        try:
            with self.client(timeout=_SECONDS, retries=0) as client:
                found = client.ready().snapshot
        except Exception as error:
            return f"the service can't be asked ({safe_words(error).partition(' ')[0]})"
        if found == snapshot:
            return "the running service answers from it"
        return f"the running service answers from {found or 'none'}, and takes this one up by itself"
