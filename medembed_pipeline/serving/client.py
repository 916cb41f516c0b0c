"""A typed client of the service.

>>> from medembed_pipeline.serving.client import ServingClient
>>> with ServingClient("http://127.0.0.1:8000") as client:  # doctest: +SKIP
...     client.search(["Chest pain on exertion."], hits=3).results[0].hits[0].note_id
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, TypeVar

import httpx
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from medembed_pipeline.serving.errors import ServingError
from medembed_pipeline.serving.picture_schemas import ImageTextAnswer, ModelAnswer, TriageAnswer
from medembed_pipeline.serving.schemas import (
    ClassifyAnswer,
    EmbedAnswer,
    FilterRequest,
    SearchAnswer,
    StateAnswer,
)

Answer = TypeVar("Answer", bound=BaseModel)

_JSON = {"content-type": "application/json"}
_COME_BACK = (429, 503)
_NO_MODEL = ("no_classifier", "no_triage_model", "no_image_text_model")


class ServiceRefusedError(ServingError):
    """The service answered that it will not.

    Attributes
    ----------
    status
        of the answer.
    kind
        the service's word for it.
    """

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(f"{status} {kind}: {message}")
        self.status = status
        self.kind = kind


class ServingClient:
    """Asks one service. Every question changes nothing there, so that it can be asked again where no answer came.

    Parameters
    ----------
    url
        of the service.
    key
        of the service; None for one without keys.
    timeout
        seconds for one answer.
    retries
        how often a question is asked again while the service is away, busy, or not ready.
    transport
        of httpx, for tests.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        key: str | None = None,
        timeout: float = 60.0,
        retries: int = 5,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        self._retries = retries
        # No proxy of the environment: notes go to the service, and to nobody else.
        self._http = httpx.Client(
            base_url=url,
            headers=headers,
            timeout=timeout,
            trust_env=False,
            transport=transport,
            # Reading the certificates takes longer than many an answer.
            verify=url.lower().startswith("https:"),
        )

    def __enter__(self) -> ServingClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def embed(
        self, texts: Sequence[str], *, role: Literal["document", "query"] = "document"
    ) -> tuple[npt.NDArray[np.float32], EmbedAnswer]:
        """Vectors of texts.

        Returns
        -------
        tuple[npt.NDArray[np.float32], EmbedAnswer]
            float32 [texts, dimensions], L2-normalised, and the answer that they came in.

        Raises
        ------
        ServiceRefusedError
            the service refuses. httpx.HTTPError: it does not answer.
        """
        body = {"texts": list(texts), "role": role, "encoding": "base64"}
        answer = self._ask("/embed", body, EmbedAnswer)
        rows = [np.frombuffer(base64.b64decode(str(vector)), dtype="<f4") for vector in answer.vectors]
        return np.stack(rows).astype(np.float32), answer

    def search(
        self,
        texts: Sequence[str] = (),
        *,
        note_ids: Sequence[str] = (),
        hits: int = 10,
        filters: FilterRequest | Mapping[str, Any] | None = None,
        role: Literal["document", "query"] = "document",
        include_text: bool = False,
    ) -> SearchAnswer:
        """The nearest stored notes of texts, or of stored notes; raises as `embed`."""
        body: dict[str, Any] = {
            "texts": list(texts),
            "note_ids": list(note_ids),
            "hits": hits,
            "role": role,
            "include_text": include_text,
        }
        if filters is not None:
            body["filters"] = (
                filters.model_dump(exclude_defaults=True)
                if isinstance(filters, FilterRequest)
                else dict(filters)
            )
        return self._ask("/search", body, SearchAnswer)

    def classify(self, texts: Sequence[str]) -> ClassifyAnswer:
        """The probable labels of texts; raises as `embed`."""
        return self._ask("/classify", {"texts": list(texts)}, ClassifyAnswer)

    def triage(
        self,
        notes: Sequence[str | None],
        pictures: Sequence[bytes | None],
        metadata: Sequence[Mapping[str, str | float | None]] | None = None,
    ) -> TriageAnswer:
        """The level of each case; raises as `embed`.

        Parameters
        ----------
        notes
            n notes; None for a case without.
        pictures
            n PNG or JPEG files; None for a case without.
        metadata
            n times what is known besides, by column.
        """
        cases = [
            {"note": note, "picture": None if picture is None else _base64(picture), "metadata": dict(own)}
            for note, picture, own in zip(notes, pictures, metadata or [{}] * len(notes), strict=True)
        ]
        return self._ask("/triage", {"cases": cases}, TriageAnswer)

    def image_text(self, pictures: Sequence[bytes], pairs: Sequence[tuple[str, str]] = ()) -> ImageTextAnswer:
        """How near PNG or JPEG files are to both texts of pairs, by default of the lake's; raises as `embed`."""
        asked = [{"positive": positive, "negative": negative} for positive, negative in pairs]
        body = {"pictures": [_base64(picture) for picture in pictures], "pairs": asked}
        return self._ask("/image-text", body, ImageTextAnswer)

    def model(self) -> ModelAnswer:
        """What is being served; raises as `embed`."""
        return self._ask("/model", None, ModelAnswer)

    def ready(self) -> StateAnswer:
        """Whether it answers, without asking again; raises `httpx.HTTPError` where it is away."""
        return StateAnswer.model_validate_json(self._http.get("/ready").content)

    def _ask(self, path: str, body: dict[str, Any] | None, kind: type[Answer]) -> Answer:
        # In ASCII: half a character in a note, which UTF-8 cannot hold, is the service's to mend.
        content = None if body is None else json.dumps(body, allow_nan=False)
        for attempt in range(self._retries + 1):
            last = attempt == self._retries
            try:
                answer = (
                    self._http.get(path)
                    if content is None
                    else self._http.post(path, content=content, headers=_JSON)
                )
            except httpx.TransportError:
                if last:
                    raise
                time.sleep(min(4.0, 0.2 * 2**attempt))
                continue
            if answer.status_code == 200:
                return kind.model_validate_json(answer.content)
            refused = _refused(answer)
            # 503 of a question that no model answers will not change by asking again.
            if last or answer.status_code not in _COME_BACK or refused.kind in _NO_MODEL:
                raise refused
            time.sleep(float(answer.headers.get("retry-after", "1")))
        raise AssertionError("unreachable")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _refused(answer: httpx.Response) -> ServiceRefusedError:
    try:
        problem = answer.json()["error"]
        return ServiceRefusedError(answer.status_code, str(problem["kind"]), str(problem["message"]))
    except (ValueError, KeyError, TypeError):
        return ServiceRefusedError(answer.status_code, "unknown", "no answer of this service")
