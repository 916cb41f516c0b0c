"""Many clients at once, in few instructions: HTTP over asyncio, so that little is measured but the service."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

PAUSE_SECONDS = 0.1
_ATTEMPTS = 200


@dataclass
class Load:
    """What came of a load.

    Attributes
    ----------
    seconds
        of every answer, as its client waited for it, retries included.
    statuses
        of the answers.
    bodies
        the answers, where they are kept.
    retries
        connections that broke, or were refused.
    took
        seconds of the whole.
    """

    seconds: list[float] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    retries: int = 0
    took: float = 0.0

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.seconds) / self.took

    def percentile(self, share: float) -> float:
        """Seconds within which that share of the answers came."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def put_load(
    port: int,
    path: str,
    bodies: Iterator[Mapping[str, object]],
    *,
    clients: int,
    requests: int,
    keep: bool = False,
    on_answer: Callable[[int], None] = lambda _: None,
) -> Load:
    """Ask `requests` times, `clients` at once, each over a connection of its own; a broken one is opened anew.

    Parameters
    ----------
    port
        of 127.0.0.1.
    path
        that is posted to.
    bodies
        of the requests, JSON-able.
    clients, requests
        how many.
    keep
        whether the answers are kept.
    on_answer
        told how many answers there are, after each.
    """
    load = Load()
    waiting = iter([json.dumps(next(bodies)).encode() for _ in range(requests)])

    async def one() -> None:
        connection = None
        for body in waiting:
            message = (
                f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\n\r\n"
            ).encode() + body
            started = time.perf_counter()
            for _ in range(_ATTEMPTS):
                try:
                    if connection is None:
                        connection = await asyncio.open_connection("127.0.0.1", port)
                    status, answer = await _exchange(*connection, message)
                    break
                except (OSError, asyncio.IncompleteReadError):
                    connection = None
                    load.retries += 1
                    await asyncio.sleep(PAUSE_SECONDS)
            else:
                raise RuntimeError("the service stays away")
            load.seconds.append(time.perf_counter() - started)
            load.statuses.append(status)
            if keep:
                load.bodies.append(answer)
            on_answer(len(load.seconds))
        if connection is not None:
            connection[1].close()

    async def everybody() -> None:
        await asyncio.gather(*(one() for _ in range(clients)))

    started = time.perf_counter()
    asyncio.run(everybody())
    load.took = time.perf_counter() - started
    return load


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes
) -> tuple[int, bytes]:
    writer.write(message)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = int(head.partition("content-length:")[2].split("\r\n")[0])
    return int(head.split()[1]), await reader.readexactly(length)
