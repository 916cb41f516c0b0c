"""`/v1/embeddings` as OpenAI's clients ask for it, so that they work unchanged with another base URL.

Requests, answers and errors: https://platform.openai.com/docs/api-reference/embeddings.
"""

from __future__ import annotations

from typing import Any

from medembed_pipeline.serving.answers import encoded_vectors
from medembed_pipeline.serving.errors import RequestError
from medembed_pipeline.serving.inference import Outcome
from medembed_pipeline.serving.schemas import OpenAIEmbeddingsRequest
from medembed_pipeline.serving.snapshot import Snapshot


def texts_of(request: OpenAIEmbeddingsRequest, snapshot: Snapshot) -> list[str]:
    """The texts of a request.

    Raises
    ------
    RequestError
        tokens instead of texts (they are of another model's tokenizer), none at all, or another number of dimensions
        than the model has.
    """
    dimensions = snapshot.encoder.dimensions
    if request.dimensions not in (None, dimensions):
        raise RequestError(f"dimensions: this model has {dimensions}, and no others.", status=400)
    given = [request.input] if isinstance(request.input, str) else request.input
    if not given:
        raise RequestError("input: at least one text is expected.", status=400)
    texts = [text for text in given if isinstance(text, str)]
    if len(texts) != len(given):
        raise RequestError(
            "input: token ids are those of another model's tokenizer; send texts (LangChain: "
            "check_embedding_ctx_length=False).",
            status=400,
        )
    return texts


def embeddings_answer(
    snapshot: Snapshot, request: OpenAIEmbeddingsRequest, outcome: Outcome
) -> dict[str, Any]:
    """`schemas.OpenAIEmbeddingsAnswer`."""
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(encoded_vectors(outcome.vectors, request.encoding_format))
        ],
        "model": snapshot.parts.checkpoint.version,
        "usage": {"prompt_tokens": outcome.tokens, "total_tokens": outcome.tokens},
        "snapshot": snapshot.id,
    }


def models_answer(snapshot: Snapshot) -> dict[str, Any]:
    """`GET /v1/models`: the one there is."""
    model = {
        "id": snapshot.parts.checkpoint.version,
        "object": "model",
        "created": int(snapshot.made_at.timestamp()),
        "owned_by": "medembed",
    }
    return {"object": "list", "data": [model]}


def openai_error(error: RequestError) -> dict[str, Any]:
    """An error as OpenAI's clients read it."""
    kind = "server_error" if error.status >= 500 else "invalid_request_error"
    return {"error": {"message": str(error), "type": kind, "param": None, "code": error.kind}}
