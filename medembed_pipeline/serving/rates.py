"""How often each may ask: a bucket of tokens that fills evenly."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

_MAXIMUM_ASKERS = 10_000


class RateLimit:
    """At most `per_second` requests a second of each asker, twice as many at once after a pause.

    Parameters
    ----------
    per_second
        0 for no limit.
    clock
        seconds, for tests.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_second
        self._burst = max(1.0, 2 * per_second)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, asker: str) -> float:
        """0 where the asker may ask now, and has; else the seconds after which to come back."""
        if not self._rate:
            return 0.0
        now = self._clock()
        tokens, seen = self._buckets.pop(asker, (self._burst, now))
        tokens = min(self._burst, tokens + (now - seen) * self._rate)
        allowed = tokens >= 1
        self._buckets[asker] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > _MAXIMUM_ASKERS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) / self._rate
