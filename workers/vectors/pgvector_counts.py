"""What is counted of a pool of psycopg_pool's beside what it counts itself, and both as the house tells it.

psycopg_pool adds up waits, takes threads that gave up for waiting ones, and does not say why a connection was closed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import Final

from workers.pool import PoolStats
from workers.pool.stats import Reason, Tally

_WAIT: Final = 0.001  # seconds from which on a wait is one


class Counts:
    """What one pool counts in one process.

    Attributes:
        waiting: Threads that wait for a connection, or are just taking one.
    """

    def __init__(self) -> None:
        self.waiting = 0
        self._lock = Lock()
        self._tally = Tally()

    @contextmanager
    def one_waiting(self) -> Iterator[None]:
        """Within the block, one thread more waits."""
        with self._lock:
            self.waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self.waiting -= 1

    def acquired(self, waited: float) -> None:
        """A thread got a connection, after so many seconds."""
        with self._lock:
            self._tally.acquisitions += 1
            if waited >= _WAIT:
                self._tally.waited += 1
                self._tally.waits.append(waited)

    def timed_out(self, waited: float) -> None:
        """A thread waited so many seconds in vain."""
        with self._lock:
            self._tally.timeouts += 1
            self._tally.waits.append(waited)

    def refused(self) -> None:
        """A thread was turned away."""
        with self._lock:
            self._tally.refused += 1

    def fell_back(self) -> None:
        """The replica was asked instead."""
        with self._lock:
            self._tally.fell_back += 1

    def closed(self, why: Reason) -> None:
        """A connection was closed."""
        with self._lock:
            self._tally.closed[why] += 1

    def stats(self, name: str, min_size: int, max_size: int, found: Mapping[str, int]) -> PoolStats:
        """The pool, of which psycopg_pool tells this; nothing before it is open."""
        size, idle = found.get("pool_size", 0), found.get("pool_available", 0)
        failures = found.get("connections_errors", 0)
        with self._lock:
            told = self._tally.stats(
                name,
                idle=idle,
                in_use=size - idle,
                waiting=self.waiting,
                min_size=min_size,
                max_size=max_size,
                kept=min_size,
            )
        # those found broken when they came back, the ones that failed a check among them
        errors = max(0, found.get("returns_bad", 0) - told.closed["check"])
        made = found.get("connections_num", 0) - failures
        return replace(told, made=made, failures=failures, closed={**told.closed, "errors": errors})
