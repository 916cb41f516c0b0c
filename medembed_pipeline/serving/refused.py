"""What is wrong with a request, without anything that was sent: neither values, nor the names of unknown fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from medembed_pipeline.serving import picture_schemas, schemas
from medembed_pipeline.serving.errors import RequestError

_MODELS = (
    schemas.EmbedRequest,
    schemas.SearchRequest,
    schemas.FilterRequest,
    schemas.Range,
    schemas.ClassifyRequest,
    picture_schemas.TriageRequest,
    picture_schemas.CaseRequest,
    picture_schemas.ImageTextRequest,
    picture_schemas.PromptPairRequest,
    schemas.OpenAIEmbeddingsRequest,
)
_KNOWN = {"body", "query", "path", "header", *(name for model in _MODELS for name in model.model_fields)}
_LIMITS = ("min_length", "max_length", "ge", "le", "gt", "lt")
_SHOWN = 5


def refused_request(problems: Iterable[Mapping[str, Any]]) -> RequestError:
    """Of pydantic's errors: where each is, what kind, and the limit that it is beyond.

    pydantic's own messages and places quote what was sent; theirs are never used.
    """
    found = [_problem(problem) for problem in problems]
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return RequestError(f"The request does not fit: {'; '.join(found[:_SHOWN])}{more}.")


def _problem(problem: Mapping[str, Any]) -> str:
    kind = str(problem.get("type", "invalid"))
    where = [_place(part) for part in problem.get("loc", ()) if part != "body"]
    if kind == "json_invalid":
        where = []
    limits = problem.get("ctx") or {}
    told = [f"{name} {limits[name]}" for name in _LIMITS if isinstance(limits.get(name), (int, float))]
    place = ".".join(where) or "the body"
    return f"{place}: {kind}{f' ({told[0]})' if told else ''}"


def _place(part: object) -> str:
    if isinstance(part, int) and not isinstance(part, bool):
        return str(part)
    return str(part) if part in _KNOWN else "(unknown)"
