"""The HTTP application: routes, and the handlers of everything that is no answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from medembed_pipeline.serving import answers, openai_api, picture_answers, picture_schemas, schemas
from medembed_pipeline.serving.docs_page import docs_page
from medembed_pipeline.serving.errors import RequestError, ServingError
from medembed_pipeline.serving.gate import STATE, Asking
from medembed_pipeline.serving.inference import Job
from medembed_pipeline.serving.metrics import CONTENT_TYPE
from medembed_pipeline.serving.page_files import PAGE_FILES, page_file
from medembed_pipeline.serving.refused import refused_request
from medembed_pipeline.serving.service import Service

Value = TypeVar("Value")

LONG_CHARACTERS = 20_000
"""From so many characters on, cleaning is done beside the event loop."""

_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.ErrorAnswer}
    for status in (400, 401, 403, 404, 405, 408, 413, 415, 421, 422, 429, 500, 503)
}


def make_app(service: Service) -> FastAPI:
    """The application of a service; it goes behind a `Gate`."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(service.start)
        yield
        await asyncio.to_thread(service.stop)

    app = FastAPI(
        title="medembed",
        summary="Similar notes, labels and vectors by the released checkpoint.",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses=_ERRORS,
    )
    _handle_errors(app)
    _add_questions(app, service)
    _add_picture_questions(app, service)
    _add_openai(app, service)
    _add_states(app, service)
    _add_pages(app)
    return app


def _handle_errors(app: FastAPI) -> None:
    async def of_request(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestError)
        headers = {"retry-after": "1"} if error.status == 503 else None
        if request.url.path.startswith("/v1/"):
            return JSONResponse(openai_api.openai_error(error), error.status, headers)
        return _problem(error.status, error.kind, str(error), headers)

    async def of_validation(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return await of_request(request, refused_request(error.errors()))

    async def of_http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        kinds = {
            404: ("no_such_page", "There is nothing here."),
            405: ("wrong_method", "Not by this method."),
        }
        kind, message = kinds.get(error.status_code, ("invalid", "The request can't be read."))
        allow = (error.headers or {}).get("Allow")
        return _problem(error.status_code, kind, message, {"allow": allow} if allow else None)

    async def of_failure(_: Request, error: Exception) -> JSONResponse:
        # The gate says what it was, without its message.
        if isinstance(error, ServingError):
            return _problem(500, "failed", str(error))
        return _problem(500, "failed", "Something went wrong inside; it is not your request.")

    app.add_exception_handler(RequestError, of_request)
    app.add_exception_handler(RequestValidationError, of_validation)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(Exception, of_failure)


def _problem(status: int, kind: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": {"kind": kind, "message": message}}, status, headers)


def _asking(
    request: Request, snapshot: str, texts: int = 0, *, pictures: int = 0, filtered: bool = False
) -> Asking:
    """Who asks, with what the audit log is to know of it."""
    asking: Asking = request.scope[STATE]
    asking.snapshot, asking.texts, asking.pictures, asking.filtered = snapshot, texts, pictures, filtered
    return asking


async def _beside(characters: int, work: Callable[[], Value]) -> Value:
    """Do it here where it is short, else in a thread, so that others are heard meanwhile."""
    return work() if characters < LONG_CHARACTERS else await asyncio.to_thread(work)


def _add_questions(app: FastAPI, service: Service) -> None:
    settings = service.settings

    @app.post("/embed", response_model=schemas.EmbedAnswer, tags=["notes"])
    async def embed(asked: schemas.EmbedRequest, request: Request) -> Response:
        """A vector of unit length per text."""
        snapshot = service.snapshot()
        _asking(request, snapshot.id, len(asked.texts))

        def prepare() -> Job:
            texts = answers.prepared(asked.texts, settings, snapshot)
            rows = [answers.own_row(snapshot, text) for text in texts]
            return Job(snapshot, answers.wanted_vectors(texts, rows, asked.role), asked.role)

        job = await _beside(sum(map(len, asked.texts)), prepare)
        outcome = await service.compute(job)
        return JSONResponse(answers.embed_answer(snapshot, outcome, asked.encoding))

    @app.post("/search", response_model=schemas.SearchAnswer, tags=["notes"])
    async def search(asked: schemas.SearchRequest, request: Request) -> Response:
        """The nearest stored notes of each text, or of each stored note."""
        snapshot = service.snapshot()
        count = len(asked.texts) + len(asked.note_ids)
        filters = asked.filters
        filtered = bool(filters.labels or filters.splits or filters.columns)
        key = _asking(request, snapshot.id, count, filtered=filtered).key
        job, rows = await _beside(
            sum(map(len, asked.texts)), lambda: answers.search_job(snapshot, asked, settings, key)
        )
        outcome = await service.compute(job)
        return JSONResponse(answers.search_answer(snapshot, asked, outcome, rows, key))

    @app.post("/classify", response_model=schemas.ClassifyAnswer, tags=["notes"])
    async def classify(asked: schemas.ClassifyRequest, request: Request) -> Response:
        """The probable labels of each text; 503 where the released checkpoint has no classifier."""
        snapshot = service.snapshot()
        _asking(request, snapshot.id, len(asked.texts))
        if snapshot.classifier is None:
            raise RequestError(f"No labels: {answers.NO_CLASSIFIER}.", status=503, kind="no_classifier")

        def prepare() -> Job:
            texts = answers.prepared(asked.texts, settings, snapshot)
            rows = [answers.own_row(snapshot, text) for text in texts]
            return Job(snapshot, answers.wanted_vectors(texts, rows, "document"), classify=True)

        job = await _beside(sum(map(len, asked.texts)), prepare)
        outcome = await service.compute(job)
        return JSONResponse(answers.classify_answer(snapshot, outcome))

    @app.get("/model", response_model=picture_schemas.ModelAnswer, tags=["model"])
    async def model(request: Request) -> Response:
        """What is being served, and what notes can be filtered by."""
        snapshot = service.snapshot()
        key = _asking(request, snapshot.id).key
        triage = picture_answers.triage_model_answer(snapshot, key)
        return JSONResponse({**answers.model_answer(snapshot, key), "triage": triage})

    @app.get("/map", response_model=schemas.MapAnswer, tags=["model"])
    async def places(request: Request) -> Response:
        """Where every stored note lies."""
        snapshot = service.snapshot()
        key = _asking(request, snapshot.id).key
        return JSONResponse(await asyncio.to_thread(answers.map_answer, snapshot, key))


def _add_picture_questions(app: FastAPI, service: Service) -> None:
    settings = service.settings

    @app.post("/triage", response_model=picture_schemas.TriageAnswer, tags=["pictures"])
    async def triage(asked: picture_schemas.TriageRequest, request: Request) -> Response:
        """The level of each case of a note, a picture, or both; 503 where no triage model has a verdict."""
        snapshot = service.snapshot()
        notes = sum(case.note is not None for case in asked.cases)
        pictures = sum(case.picture is not None for case in asked.cases)
        _asking(request, snapshot.id, notes, pictures=pictures)
        job = await service.unpack(picture_answers.triage_job(snapshot, asked, settings))
        outcome = await service.compute(job)
        return JSONResponse(picture_answers.triage_answer(snapshot, outcome.said))

    @app.post("/image-text", response_model=picture_schemas.ImageTextAnswer, tags=["pictures"])
    async def image_text(asked: picture_schemas.ImageTextRequest, request: Request) -> Response:
        """How near each picture is to two texts that say the opposite; 503 without a model of pictures and texts."""
        snapshot = service.snapshot()
        key = _asking(request, snapshot.id, 2 * len(asked.pairs), pictures=len(asked.pictures)).key
        job = await service.unpack(picture_answers.image_text_job(snapshot, asked, settings))
        outcome = await service.compute(job)
        return JSONResponse(picture_answers.image_text_answer(snapshot, asked, outcome.said, key))


def _add_openai(app: FastAPI, service: Service) -> None:
    @app.post("/v1/embeddings", response_model=schemas.OpenAIEmbeddingsAnswer, tags=["openai"])
    async def embeddings(asked: schemas.OpenAIEmbeddingsRequest, request: Request) -> Response:
        """Vectors as OpenAI's clients ask for them."""
        snapshot = service.snapshot()
        given = openai_api.texts_of(asked, snapshot)
        _asking(request, snapshot.id, len(given))
        characters = sum(map(len, given))
        texts = await _beside(characters, lambda: answers.prepared(given, service.settings, snapshot))
        outcome = await service.compute(Job(snapshot, [text.text for text in texts], count_tokens=True))
        return JSONResponse(openai_api.embeddings_answer(snapshot, asked, outcome))

    @app.get("/v1/models", tags=["openai"])
    async def models(request: Request) -> Response:
        """The one model there is."""
        snapshot = service.snapshot()
        _asking(request, snapshot.id)
        return JSONResponse(openai_api.models_answer(snapshot))


def _add_states(app: FastAPI, service: Service) -> None:
    @app.get("/health", response_model=schemas.StateAnswer, tags=["state"])
    async def health() -> Response:
        """Whether the process is there."""
        return JSONResponse({"status": "ok", "reason": "", "snapshot": None})

    @app.get(
        "/ready",
        response_model=schemas.StateAnswer,
        responses={503: {"model": schemas.StateAnswer}},
        tags=["state"],
    )
    async def ready() -> Response:
        """Whether requests are answered; 503 with the reason where not."""
        current = service.keeper.current
        if service.is_ready and current is not None:
            return JSONResponse({"status": "ok", "reason": "", "snapshot": current.id})
        return JSONResponse(
            {"status": "not_ready", "reason": service.keeper.reason or "stopping", "snapshot": None}, 503
        )

    @app.get("/metrics", response_class=Response, tags=["state"])
    async def metrics() -> Response:
        """Counts and times, as Prometheus reads them."""
        return Response(service.metrics.text(), headers={"content-type": CONTENT_TYPE})


def _add_pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return page_file("index.html")

    @app.get("/page/{name}", include_in_schema=False)
    async def part(name: str) -> Response:
        if name not in PAGE_FILES:
            raise HTTPException(404)
        return page_file(name)

    @app.get("/docs", include_in_schema=False)
    async def documentation() -> Response:
        return Response(docs_page(app.openapi()), media_type="text/html; charset=utf-8")
