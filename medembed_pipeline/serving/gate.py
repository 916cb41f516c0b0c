"""The gate before the application: who may ask, how much, from where; and nothing that was asked gets out of it.

A plain ASGI middleware around everything, so that what goes wrong inside ends here too.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from medembed_pipeline.serving.audit import AuditLog
from medembed_pipeline.serving.keys import ANYBODY, NOBODY, Key, Keyring
from medembed_pipeline.serving.metrics import ServiceMetrics
from medembed_pipeline.serving.private import safe_words
from medembed_pipeline.serving.rates import RateLimit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

PUBLIC = frozenset({"/", "/health", "/ready", "/docs", "/openapi.json"})
"""What is answered without a key: it holds nothing of the lake."""
PUBLIC_FOLDER = "/page/"
WITH_PICTURES = frozenset({"/triage", "/image-text"})

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
_BODY_SECONDS = 30.0
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

STATE = "medembed"
"""Where a request's `Asking` stands in its ASGI scope."""


@dataclass
class Asking:
    """One request, as the audit log tells it; the application fills in what it learns.

    Attributes
    ----------
    key
        of who asks.
    texts, pictures
        how many are asked about.
    filtered
        whether filters are given.
    snapshot
        the one that answers.
    """

    key: Key
    texts: int = 0
    pictures: int = 0
    filtered: bool = False
    snapshot: str = ""
    started: float = field(default_factory=time.perf_counter)


class Gate:
    """See the module.

    Parameters
    ----------
    application
        what is behind it.
    keyring
        of the service.
    host
        the address that it listens on.
    allowed_hosts
        further names that people call it by.
    limit
        of requests.
    request_bytes
        of one body.
    picture_bytes
        of one body with pictures.
    audit
        told of every request.
    metrics
        likewise.
    say
        told of errors, in words without text of notes.
    """

    def __init__(
        self,
        application: Application,
        *,
        keyring: Keyring,
        host: str,
        allowed_hosts: list[str],
        limit: RateLimit,
        request_bytes: int,
        picture_bytes: int,
        audit: AuditLog,
        metrics: ServiceMetrics,
        say: Callable[[str], None],
    ) -> None:
        self._application = application
        self._keyring = keyring
        self._hosts = {name.lower() for name in (*_LOOPBACK_NAMES, host.strip("[]"), *allowed_hosts)}
        self._limit = limit
        self._request_bytes = request_bytes
        self._picture_bytes = picture_bytes
        self._audit = audit
        self._metrics = metrics
        self._say = say

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        asking = Asking(NOBODY)
        scope[STATE] = asking
        status = 0

        async def answer(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                given = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(header for header in _HEADERS if header[0] not in given),
                ]
            await send(message)

        try:
            body = self._refusal(scope, asking) or await self._body(scope, receive)
            if isinstance(body, Refusal):
                await body.send(answer)
            else:
                await self._application(scope, _replayed(body, receive), answer)
        except Exception as error:
            self._say(f"a request failed: {safe_words(error)}")
            if not status:
                await Refusal(500, "failed", "Something went wrong inside; it is not your request.").send(
                    answer
                )
        finally:
            self._note(scope, asking, status)

    def _refusal(self, scope: Scope, asking: Asking) -> Refusal | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if _host_name(headers.get("host", "")) not in self._hosts:
            return Refusal(
                421, "unknown_host", "The service is not known by this name; see [serving] allowed_hosts."
            )
        if _is_foreign(headers):
            return Refusal(403, "foreign_page", "Pages of other sites may not ask.")
        path = str(scope["path"])
        if path in PUBLIC or path.startswith(PUBLIC_FOLDER):
            return None
        key = self._keyring.find(headers.get("authorization"))
        address = str((scope.get("client") or ("unknown",))[0])
        named = key is not None and key is not ANYBODY
        seconds = self._limit.wait(f"key {key.name}" if key and named else f"address {address}")
        if seconds:
            return Refusal(
                429,
                "too_often",
                "More requests than [serving] requests_per_second allows.",
                ((b"retry-after", str(int(seconds) + 1).encode()),),
            )
        if key is None:
            return Refusal(
                401,
                "no_key",
                "A key is needed: Authorization: Bearer ...",
                ((b"www-authenticate", b"Bearer"),),
            )
        asking.key = key
        return None

    async def _body(self, scope: Scope, receive: Receive) -> bytes | Refusal:
        """The whole body, or why it is not read."""
        most = self._picture_bytes if scope["path"] in WITH_PICTURES else self._request_bytes
        too_large = Refusal(
            413, "too_large", f"A request may have {most} bytes.", ((b"connection", b"close"),)
        )
        stated = dict(scope["headers"]).get(b"content-length", b"")
        if stated.isdigit() and int(stated) > most:
            return too_large
        parts: list[bytes] = []
        size = 0
        deadline = time.perf_counter() + _BODY_SECONDS
        while True:
            try:
                message = await asyncio.wait_for(receive(), max(0.001, deadline - time.perf_counter()))
            except asyncio.TimeoutError:
                return Refusal(408, "too_slow", "The request did not come within 30 seconds.")
            if message["type"] != "http.request":
                return b"".join(parts)
            part = message.get("body", b"")
            size += len(part)
            if size > most:
                return too_large
            parts.append(part)
            if not message.get("more_body"):
                return b"".join(parts)

    def _note(self, scope: Scope, asking: Asking, status: int) -> None:
        route = getattr(scope.get("route"), "path", "(none)")
        seconds = time.perf_counter() - asking.started
        self._metrics.requests.labels(route, str(status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        if route in PUBLIC or route.startswith(PUBLIC_FOLDER):
            return
        self._audit.write(
            key=asking.key.name,
            scope=asking.key.scope,
            route=route,
            status=status,
            texts=asking.texts,
            pictures=asking.pictures,
            filtered=asking.filtered,
            snapshot=asking.snapshot,
            milliseconds=1000 * seconds,
        )


class Refusal:
    """An answer that is none: JSON of `schemas.ErrorAnswer`."""

    def __init__(
        self, status: int, kind: str, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        self.status = status
        self.kind = kind
        self.message = message
        self.headers = headers

    async def send(self, send: Send) -> None:
        """Answer with it."""
        body = json.dumps({"error": {"kind": self.kind, "message": self.message}}).encode()
        length = (b"content-length", str(len(body)).encode())
        headers = [(b"content-type", b"application/json"), length, *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _replayed(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def again() -> MutableMapping[str, Any]:
        nonlocal sent
        if not sent:
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return again


def _host_name(host: str) -> str:
    """ "[::1]:8000" -> "::1", "localhost:8000" -> "localhost"."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _is_foreign(headers: Mapping[str, str]) -> bool:
    """Whether a page of another site asks: its origin is not the address that it asks."""
    origin = headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
    site, mode = headers.get("sec-fetch-site"), headers.get("sec-fetch-mode")
    return site in ("cross-site", "same-site") and mode != "navigate"
