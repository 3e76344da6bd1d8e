"""One thread that looks after any number of pools.

Invariant: it starts with the first pool to look after, in the process that uses it; what a pool raises hurts no other.
"""

from __future__ import annotations

import logging
from threading import Event, Lock, Thread, current_thread
from typing import Protocol
from weakref import WeakSet

from qstore.errors import PoolClosed
from workers.pool.fork import in_child

logger = logging.getLogger(__name__)


class Maintained(Protocol):
    """What there is to look after."""

    def maintain(self) -> None:
        """Put everything in order."""


class Maintenance:
    """Calls `maintain` of what it watches, every so many seconds.

    Its thread starts with the first that it watches. A forked child begins with none: a pool is watched there again
    as soon as it makes its first member. What it watches is not kept for its sake.

    Args:
        interval: Seconds between the end of a round and the next.
        name: The thread's.

    Raises:
        ValueError: There is no pause between two rounds.
    """

    def __init__(self, interval: float, name: str = "pool maintenance") -> None:
        if interval <= 0:
            raise ValueError(f"Maintenance every {interval:g} s would never rest.")
        self._interval = interval
        self._name = name
        self._closed = False
        self._begin()
        in_child(self._begin)

    def _begin(self) -> None:
        self._lock = Lock()
        self._watched: WeakSet[Maintained] = WeakSet()
        self._thread: Thread | None = None
        self._stopped = Event()

    def __repr__(self) -> str:
        with self._lock:
            state = "closed" if self._closed else "idle" if self._thread is None else "running"
            return f"<Maintenance {state}, {len(self._watched)} watched, every {self._interval:g} s>"

    def watch(self, pool: Maintained) -> None:
        """Look after one more; closed, it looks after none."""
        with self._lock:
            if self._closed or pool in self._watched:
                return
            self._watched.add(pool)
            if self._thread is None:
                self._thread = Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def forget(self, pool: Maintained) -> None:
        """Look after one less."""
        with self._lock:
            self._watched.discard(pool)

    def close(self, timeout: float = 5.0) -> None:
        """Look after nothing any more.

        Args:
            timeout: Seconds to wait for what is being done.
        """
        with self._lock:
            self._closed = True
            self._watched.clear()
            thread = self._thread
        self._stopped.set()
        if thread is not None and thread is not current_thread():
            thread.join(timeout)

    def _run(self) -> None:
        stopped = self._stopped
        while not stopped.wait(self._interval):
            self._round(stopped)

    def _round(self, stopped: Event) -> None:
        with self._lock:
            watched = [*self._watched]
        for pool in watched:
            if stopped.is_set():
                return
            try:
                pool.maintain()
            except PoolClosed:
                self.forget(pool)
            except Exception:
                logger.warning("%r could not be maintained", pool, exc_info=True)
