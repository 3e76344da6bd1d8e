"""Who may use the connections to one index, and what is known of that.

Pinecone's client keeps its connections in a pool of httpx's, which tells neither how many there are nor whether a
thread waits. So threads wait here, before it, for one of as many turns as it may have connections.

Invariant: no more threads use a client than it may have connections, so none ever waits inside.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from qstore.errors import PoolTimeout
from workers.pool import PoolStats
from workers.pool.stats import Tally


class Gate:
    """Turns to use a client.

    Args:
        name: For messages and stats.
        max_size: Threads at a time.
        timeout: Seconds a thread waits for its turn.
    """

    def __init__(self, name: str, max_size: int, timeout: float) -> None:
        self._name = name
        self._max_size = max_size
        self._timeout = timeout
        self._turns = threading.BoundedSemaphore(max_size)
        self._lock = threading.Lock()
        self._tally = Tally()
        self._in_use = 0
        self._waiting = 0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Have a turn.

        Raises:
            PoolTimeout: It did not come in time.
        """
        if not self._turns.acquire(blocking=False):
            self._wait()
        with self._lock:
            self._tally.acquisitions += 1
            self._in_use += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_use -= 1
            self._turns.release()

    def stats(self) -> PoolStats:
        """What is known: who uses the client and who waits. What it does with connections it does not tell.

        So `size` is what is in use, `idle` is 0, and nothing is counted as made, failed or closed.
        """
        with self._lock:
            return self._tally.stats(
                self._name, idle=0, in_use=self._in_use, waiting=self._waiting, min_size=0, max_size=self._max_size
            )

    def _wait(self) -> None:
        with self._lock:
            self._waiting += 1
        began = time.monotonic()
        came = False
        try:
            came = self._turns.acquire(timeout=self._timeout)
        finally:
            with self._lock:
                self._waiting -= 1
                self._tally.waits.append(time.monotonic() - began)
                self._tally.waited += came
                self._tally.timeouts += not came
        if not came:
            raise PoolTimeout(f"No connection of {self._name} became free within {self._timeout:g} s.")
