"""Pieces of work in threads: what each gives does not depend on how many there are."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

Piece = TypeVar("Piece")
Made = TypeVar("Made")


def one_thread() -> AbstractContextManager[object]:
    """Within it each product of matrices keeps to one core, and gives the same digits however many there are."""
    return _libraries(len(sys.modules)).limit(limits=1)


@lru_cache(maxsize=1)
def _libraries(modules: int) -> ThreadpoolController:
    """What has threads; looked for again, which takes milliseconds, only when modules were loaded since."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def core_count() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(
    function: Callable[[Piece], Made], pieces: Iterable[Piece], *, are_small: bool = False
) -> Iterator[Made]:
    """The function of each piece, in order; one piece a core, so products of matrices keep to one core each.

    Parameters
    ----------
    function
        of a piece; mostly products of matrices, or whatever else leaves Python's lock to others.
    pieces
        taken from it as they are worked on.
    are_small
        whether pieces take a few milliseconds at most: these are worked on one after the other, since threads would
        wait for Python's lock twice as long.
    """
    workers = core_count()
    if are_small or workers == 1:
        with one_thread():
            yield from map(function, pieces)
        return
    with one_thread(), ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Made]] = deque()
        for piece in pieces:
            waiting.append(pool.submit(function, piece))
            # No more than is being worked on: what is made of a piece is large.
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
