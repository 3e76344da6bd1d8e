"""A rate limit: so many requests a second for each key, and as many at once after a pause."""

from __future__ import annotations

import time
from collections.abc import Callable

_MOST_KEYS = 10_000  # remembered; whoever is forgotten starts afresh


class RateLimit:
    """A bucket of tokens for each key; every request takes one.

    Args:
        rate: Tokens a second that come back.
        burst: Tokens in a full bucket.
        clock: Seconds that never go back.
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = max(1.0, burst)
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}  # tokens, and when they were counted

    def wait(self, key: str) -> float:
        """Take a token; seconds until there is one where there is none, else 0."""
        now = self._clock()
        tokens, counted = self._buckets.pop(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - counted) * self._rate)
        missing = max(0.0, 1 - tokens)
        self._buckets[key] = (tokens if missing else tokens - 1, now)
        if len(self._buckets) > _MOST_KEYS:
            del self._buckets[next(iter(self._buckets))]
        return missing / self._rate
